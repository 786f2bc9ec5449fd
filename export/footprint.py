"""Measures how much memory a .tflite file makes a process hold, in a process of its own.

Two parts count: private memory, and the pages of the file and of its weight cache that are in
memory. Private memory holds the tensors, and the weights that XNNPACK packs again for every
signature. The code of the runtime does not count, since it is the same for every file.
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
    """Whether this system tells how much memory a process holds."""
    return _SMAPS.exists()


def measure(path: Path, signature: str, inputs: Mapping[str, float], kernels: str) -> int:
    """Returns the bytes that a process holds after it loaded a file and ran one of its signatures.

    Args:
        path: the .tflite file.
        signature: the function to run.
        inputs: `{name: value}`. Every element of an input has the same value.
        kernels: one of `KERNELS`. With a weight cache the file is loaded twice: the first process
            writes the cache, the second is measured.

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
    input_buffers = {n: model.create_input_buffer_by_name(signature, n) for n in names["inputs"]}
    output_buffers = {n: model.create_output_buffer_by_name(signature, n) for n in names["outputs"]}
    for name, details in model.get_input_tensor_details(signature).items():
        array = np.full(details["shape"], inputs[name], np.dtype(details["dtype"]))
        input_buffers[name].write(array)
    model.run_by_name(signature, input_buffers, output_buffers)
    return _held((path, cache)) - before


def _held(files: tuple[Any, ...]) -> int:
    """Returns the bytes of private memory plus the bytes of those pages of `files` in memory."""
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
    options = parser.parse_args()
    print(_run(options.path, options.signature, options.inputs, options.builtin, options.cache))


if __name__ == "__main__":
    _main()
