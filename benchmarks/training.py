"""The tables of training. A step is forward pass, backward pass, clipping and Adam.

README.md explains the names of the contestants.
"""

from benchmarks import cases

CASES = {**cases.TRAINING, **cases.LINEARITY, **cases.PARTICLES, "tiny": cases.TINY}
REFERENCE = "ours"  # the others are compared with it
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
