"""A training step by one process, and by two workers of `tf.distribute` on a core each: tables."""

from __future__ import annotations

from benchmarks import cases

CASES = {**cases.TRAINING, "tiny": cases.TINY}
REFERENCE = "one core"  # to which the others are compared
CONTESTANTS = {
    "one core": "replicated:one_core",
    "two cores": "replicated:two_cores",
    "two workers": "replicated:two_workers",
    "two workers, twice the rows": "replicated:two_workers_twice",
}
