# Everything runs in .venv; PYTHON is only used to make it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test test-slow check benchmark install

install: $(INSTALLED)

$(INSTALLED): pyproject.toml setup.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/vrnn demo --out demo

test: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -q -n 2 --dist worksteal -m slow

check: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

benchmark: $(INSTALLED)
	$(BIN)/python -m benchmarks
