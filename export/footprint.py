"""How much memory a .tflite file makes a process hold: measured in a process of its own.

What counts is what the file brings: private memory (tensors, and weights that XNNPACK packs anew
for every signature) and the pages of the file and of its weight cache that are in memory. The code
of the runtime, which is the same for every file, does not count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vrnn_tf.validation import check_choice

XNNPACK, CACHED, BUILTIN = KERNELS = ("XNNPACK", "XNNPACK, weight cache", "builtin kernels")
_SMAPS = Path("/proc/self/smaps")  # Linux and Android have it


def is_available() -> bool:
    """Whether this system says what a process holds."""
    return _SMAPS.exists()


def measure(path: Path, signature: str, inputs: Mapping[str, float], kernels: str) -> int:
    """Bytes that a process holds because it has loaded a file and run one of its signatures.

    Args:
        path: the .tflite file.
        signature: the function to run.
        inputs: `{name: value}`, each written into every element.
        kernels: one of `KERNELS`. With a weight cache the file is loaded for the second time, when
            the cache is there.

    Raises:
        ValueError: if `kernels` is unknown, or the file cannot be run (says why).
    """
    check_choice("kernels", kernels, KERNELS)
    with tempfile.TemporaryDirectory() as directory:
        cache = ["--cache", f"{directory}/weights"] if kernels == CACHED else []
        for _ in range(2 if cache else 1):
            held = _measure_once(path, signature, inputs, kernels, cache)
    return held


def _measure_once(path, signature, inputs, kernels, cache) -> int:
    command = [sys.executable, "-m", __name__, str(path), signature, json.dumps(dict(inputs))]
    command += ["--builtin"] if kernels == BUILTIN else []
    done = subprocess.run([*command, *cache], capture_output=True, text=True, check=False)
    try:
        return int(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        reason = (done.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        raise ValueError(f"{path} does not run with {kernels}: {reason}") from None


def _run(path: str, signature: str, inputs: Mapping[str, float], builtin: bool, cache: str) -> int:
    from ai_edge_litert.compiled_model import (
        CompiledModel,
        CpuKernelMode,
        CpuOptions,
        HardwareAccelerator,
        Options,
    )

    before = _held(())
    mode = CpuKernelMode.BUILTIN if builtin else CpuKernelMode.XNNPACK
    cpu = CpuOptions(num_threads=1, kernel_mode=mode, xnnpack_weight_cache_path=cache)
    options = Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)
    model = CompiledModel.from_file(path, options=options)
    names = model.get_signature_list()[signature]
    given = {n: model.create_input_buffer_by_name(signature, n) for n in names["inputs"]}
    made = {n: model.create_output_buffer_by_name(signature, n) for n in names["outputs"]}
    for name, details in model.get_input_tensor_details(signature).items():
        given[name].write(np.full(details["shape"], inputs[name], np.dtype(details["dtype"])))
    model.run_by_name(signature, given, made)
    return _held((path, cache)) - before


def _held(files: tuple[Any, ...]) -> int:
    """Bytes of private memory, and of the pages of `files`, that are in memory."""
    kilobytes, counts = 0, False
    names = {str(Path(file).resolve()) for file in files if file}
    for line in _SMAPS.read_text().splitlines():
        words = line.split()
        if "-" in words[0]:  # a new mapping: addresses, rights, offset, device, inode, path
            counts = " ".join(words[5:]) in names
        elif words[0] == ("Rss:" if counts else "Anonymous:"):
            kilobytes += int(words[1])
    return 1024 * kilobytes


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    parser.add_argument("signature")
    parser.add_argument("inputs", type=json.loads)
    parser.add_argument("--builtin", action="store_true")
    parser.add_argument("--cache", default="")
    given = parser.parse_args()
    print(_run(given.path, given.signature, given.inputs, given.builtin, given.cache))


if __name__ == "__main__":
    _main()
