"""`vrnn demo`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from vrnn_tf import files
from vrnn_tf.cli.errors import readable_errors


@readable_errors()
def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the demo.")] = Path("demo"),
) -> None:
    """Trains on the built-in data, generates, exports, verifies, and leaves pictures.

    This takes six to eight minutes on two cores. It replaces an earlier demo in the folder.

    Example: `vrnn demo --out demo`
    """
    started = time.time()
    run, exported = out / "run", out / "export"
    lite = str(exported / "model.tflite")
    generate = ["generate", lite, "--num", "8", "--seed", "4", "--temperature", "0.4", "--out"]
    for arguments in (
        ["train", "demo", "--out", str(run), "--overwrite"],
        ["export", str(run), "--out", str(exported)],
        [*generate, str(out / "handwriting.svg")],
        [*generate, str(out / "handwriting.png")],
        ["verify", str(exported), "--run", str(run), "--json", str(out / "verify.json")],
    ):
        typer.echo(f"\n$ vrnn {' '.join(arguments)}")
        code = subprocess.run([sys.executable, "-m", "vrnn_tf.cli", *arguments]).returncode
        if code:
            raise typer.Exit(code)
    report = {
        "training": files.read_json(run / "summary.json"),
        "export": files.read_json(out / "verify.json"),
        "seconds": round(time.time() - started, 1),
    }
    files.write_json(out / "report.json", report)
    (out / "verify.json").unlink()
    typer.echo(f"\n{out / 'report.json'} and {out / 'handwriting.png'} are ready.")
