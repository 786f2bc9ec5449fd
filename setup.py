"""Maps the checkout's folders to one top-level package; everything else is in pyproject.toml.

`train/` and `export/` lie beside `vrnn_tf/` in the checkout and are installed as `vrnn_tf.train`
and `vrnn_tf.export`.
"""

from setuptools import setup

setup(
    packages=["vrnn_tf", "vrnn_tf.train", "vrnn_tf.train.datasets", "vrnn_tf.export"],
    package_dir={"vrnn_tf.train": "train", "vrnn_tf.export": "export"},
)
