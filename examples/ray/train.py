"""`vrnn train` on the workers of a Ray cluster, which starts lost ones again.

    python train.py --workers 2 demo --out /shared/runs/demo --epochs 9

--out and the data must lie on a file system that all workers share. The script passes every
argument that is not an option of its own to `vrnn train`.
"""

import argparse

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def train_on_worker(arguments: dict) -> None:
    """Runs `vrnn train` on one worker. Ray has set TF_CONFIG for it."""
    from vrnn_tf.cli import app

    command = ["train", *arguments["train"], "--strategy", "multiworker", "--resume"]
    code = app(command, standalone_mode=False)
    if code:
        raise RuntimeError(f"`vrnn {' '.join(command)}` ended with exit code {code}.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpus", action="store_true", help="one GPU for each worker")
    parser.add_argument("--max-failures", type=int, default=3, help="of the whole run")
    options, arguments = parser.parse_known_args()
    trainer = TensorflowTrainer(
        train_on_worker,
        train_loop_config={"train": arguments},
        scaling_config=ScalingConfig(num_workers=options.workers, use_gpu=options.gpus),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=options.max_failures)),
    )
    trainer.fit()


if __name__ == "__main__":
    main()
