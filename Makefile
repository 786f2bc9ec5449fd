# Everything runs in .venv; PYTHON is only used to make it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test test-slow check docs benchmark install

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

# The site in site/. A broken link, a missing anchor and an undocumented public name are errors.
# Not --quiet, which would silence --strict as well.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest -q tests/test_reference.py

benchmark: $(INSTALLED)
	$(BIN)/python -m benchmarks
