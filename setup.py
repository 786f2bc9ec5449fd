"""Maps the checkout's folders to one top-level package; everything else is in pyproject.toml.

`train/` and `export/` lie beside `vrnn_tf/` in the checkout and are installed as `vrnn_tf.train`
and `vrnn_tf.export`.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["vrnn_tf", "vrnn_tf.*"]),
        *(
            f"vrnn_tf.{name}"
            for name in find_packages(include=["train", "train.*", "export", "export.*"])
        ),
    ],
    package_dir={"vrnn_tf.train": "train", "vrnn_tf.export": "export"},
)
