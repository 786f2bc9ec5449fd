"""The tables of scaling: a training step by one process, and by two workers of `tf.distribute`."""

from __future__ import annotations

from benchmarks import cases

CASES = {**cases.TRAINING, "tiny": cases.TINY}
REFERENCE = "one core"  # the others are compared with it
CONTESTANTS = {
    "one core": "replicated:one_core",
    "two cores": "replicated:two_cores",
    "two workers": "replicated:two_workers",
    "two workers, twice the rows": "replicated:two_workers_twice",
}
