"""Contestants of training: a step is forward pass, backward pass, clipping and Adam.

Their names are explained in README.md.
"""

from benchmarks import cases

CASES = {**cases.TRAINING, **cases.LINEARITY, **cases.PARTICLES, "tiny": cases.TINY}
REFERENCE = "ours"  # to which the others are compared
CONTESTANTS = {
    "ours": "ours:default",
    "ours, plain": "ours:plain",
    "ours, XLA": "ours:xla",
    "ours, bfloat16": "ours:bfloat16",
    "PyTorch": "pytorch_training:users",
    "PyTorch compiled": "pytorch_training:users_compiled",
    "PyTorch hoisted": "pytorch_training:hoisted",
    "PyTorch hoisted compiled": "pytorch_training:hoisted_compiled",
    "floor": "floor:floor",
}
