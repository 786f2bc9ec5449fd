"""The command line, `python -m benchmarks [SECTION ...]`. README.md explains the tables."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import batches, cases, rounds, tables, training

SECTIONS = (
    "training",
    "linearity",
    "generation",
    "serving",
    "scaling",
    "startup",
    "batches",
    "preparation",
)
QUICK = {
    "training": ("mnist", "handwriting400", "handwriting1200"),
    "generation": ("H 400, B 1", "H 400, B 64"),
    "serving": ("H 400, 64 requests",),
    "scaling": ("handwriting400",),
}
_CHOOSABLE = "training, generation, serving and scaling"
WITHOUT_TORCH = (
    "PyTorch is not installed, so its contestants are left out. Install its CPU build as "
    "https://pytorch.org/get-started/locally describes."
)


def main() -> None:
    """Runs the sections that the command names, prints their tables and writes every figure."""
    options = _parse()
    results: dict[str, Any] = {"machine": tables.machine()}
    for name, value in results["machine"].items():
        print(f"{name}: {value}")
    if results["machine"]["packages"]["torch"] is None:
        print(WITHOUT_TORCH)
    for section in options.sections:
        start = time.perf_counter()
        results[section] = _run(section, options)
        seconds = time.perf_counter() - start
        results[section]["section_seconds"] = seconds
        print(f"({section} took {seconds / 60:.1f} minutes)", flush=True)
        options.out.write_text(json.dumps(results, indent=1))
    print(f"\nEvery figure is in {options.out}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--full", action="store_true", help="run every case; takes about an hour")
    parser.add_argument("--cases", nargs="+", help=f"run only these cases of {_CHOOSABLE}")
    parser.add_argument(
        "--contestants", nargs="+", help=f"run only these contestants of {_CHOOSABLE}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant")
    parser.add_argument(
        "--dataset", default="synthetic_handwriting", help="data set of the section batches"
    )
    parser.add_argument("--data-dir", help="folder with the files of --dataset")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmark.json"), help="file that gets every figure"
    )
    options = parser.parse_args()
    options.sections = options.sections or list(SECTIONS)
    for name in options.sections:
        if name not in SECTIONS:
            parser.error(f"sections are {list(SECTIONS)}. Received {name!r}.")
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1. Received {options.rounds}.")
    return options


def _run(section: str, options: argparse.Namespace) -> dict[str, Any]:
    if section in ("startup", "preparation"):
        module = importlib.import_module(f"benchmarks.{section}")
        result = module.run(options.rounds)
        print(module.show(result))
        return result
    if section == "batches":
        result = batches.run(options.dataset, options.data_dir)
        print(batches.show(result))
        return result
    if section == "linearity":
        entries = {case: (training.REFERENCE, case) for case in cases.LINEARITY}
        result = rounds.compete("training", entries, "T 300, B 32", options.rounds)
        print(tables.competition("linearity, handwriting400", result), flush=True)
        return result
    return {case: _compete(section, case, options) for case in _cases(section, options)}


def _cases(section: str, options: argparse.Namespace) -> Sequence[str]:
    all_cases = importlib.import_module(f"benchmarks.{section}").CASES
    if options.cases:
        return [case for case in options.cases if case in all_cases]
    named_only = ("tiny", *cases.LINEARITY, *cases.PARTICLES)
    usual = [case for case in all_cases if case not in named_only]
    return [case for case in usual if options.full or case in QUICK[section]]


def _compete(section: str, case: str, options: argparse.Namespace) -> dict[str, Any]:
    module = importlib.import_module(f"benchmarks.{section}")
    names = rounds.available(module.CONTESTANTS)
    if options.contestants:
        names = [name for name in names if name in options.contestants]
    entries = {name: (name, case) for name in names}
    result = rounds.compete(section, entries, module.REFERENCE, options.rounds)
    sizes = module.CASES[case]
    title = f"{section}, {case}: {sizes['steps']} steps, {sizes['batch']} sequences"
    print(tables.competition(title, result), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
