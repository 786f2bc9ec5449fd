"""Measures batching: the padding of an epoch, its number of shapes, and the time of a batch.

`python -m benchmarks.batches [--dataset NAME] [--data-dir DIR]` prints JSON. `python -m benchmarks
batches` runs that command in a process of its own and prints a table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from benchmarks import rounds, tables

BATCH_SIZE, CHUNK_STEPS = 32, 100
NUM_TRAIN = 2_000  # sequences, or all if there are fewer
EPOCHS = 5


def run(dataset: str, data_dir: str | None) -> dict[str, Any]:
    """Runs `measure` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.batches", "--dataset", dataset]
    command += ["--data-dir", data_dir] if data_dir else []
    done = subprocess.run(command, cwd=rounds.ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def measure(dataset: str, data_dir: str | None) -> dict[str, Any]:
    """Measures the batches that `Batches` and `Chunks` make of the training sequences."""
    from vrnn_tf.normalization import Normalization
    from vrnn_tf.train import datasets
    from vrnn_tf.train.pipeline import Batches, Chunks

    splits = datasets.get(dataset).load(num_train=NUM_TRAIN, num_validation=1, data_dir=data_dir)
    medium = splits.medium
    normalization = Normalization.fit(
        medium.normalization, splits.train, medium.normalized_features
    )
    sequences = [normalization.apply(x) for x in splits.train]
    whole = Batches(sequences, BATCH_SIZE, seed=0)
    chunks = Chunks(sequences, BATCH_SIZE, seed=0, chunk_steps=CHUNK_STEPS)
    return {
        "dataset": dataset,
        "sequences": len(sequences),
        "steps": sum(map(len, sequences)),
        "Batches": {**_measure(whole), "shapes": len(whole.shapes())},
        "Chunks": {**_measure(chunks), "shapes": 1},
    }


def _measure(batches: Any) -> dict[str, Any]:
    def epoch(number: int) -> float:
        start = time.perf_counter()
        for _ in batches.dataset(first_epoch=number):
            pass
        return (time.perf_counter() - start) / len(batches)

    epoch(0)  # the first epoch also prepares what all epochs share
    seconds = [epoch(number) for number in range(1, EPOCHS + 1)]
    return {"padding": batches.padding(), "batches": len(batches), "seconds": seconds}


def show(result: dict[str, Any]) -> str:
    """Returns the table."""
    rows = [
        [
            name,
            str(result[name]["batches"]),
            f"{100 * result[name]['padding']:.2f} %",
            str(result[name]["shapes"]),
            tables.milliseconds(rounds.quartiles(result[name]["seconds"])),
        ]
        for name in ("Batches", "Chunks")
    ]
    title = (
        f"batches of {BATCH_SIZE}: {result['sequences']} sequences of {result['dataset']}, "
        f"{result['steps']} steps, chunks of {CHUNK_STEPS}"
    )
    return tables.table(title, ["", "batches", "padding", "shapes", "ms a batch"], rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="synthetic_handwriting")
    parser.add_argument("--data-dir")
    print(json.dumps(measure(**vars(parser.parse_args()))))
