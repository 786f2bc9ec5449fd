"""Loads damaged copies of a .tflite file, each in a process of its own, since it may crash.

    python load_lite.py FOLDER COUNT SEED

Prints as JSON how often each exit status occurred. 0: the copy ran. 2: it was refused. -N: the
process died of signal N.
"""

import collections
import hashlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path

import ai_edge_litert.interpreter  # noqa: F401  # one import serves all processes

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.mutate import mutants

from vrnn_tf.export.runtime import LiteModel


def run(path):
    signal.alarm(30)
    try:
        LiteModel(path, num_threads=1).generate(1, 3)
    except ValueError:
        return 2
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main():
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    path, beside = folder / "model.tflite", folder / "metadata.json"
    metadata, seen = json.loads(beside.read_text()), collections.Counter()
    for damaged in mutants(path.read_bytes(), count, seed):
        path.write_bytes(damaged)
        # An attacker would change the digest too. Without this it would refuse every copy.
        metadata["files"]["model.tflite"]["sha256"] = hashlib.sha256(damaged).hexdigest()
        beside.write_text(json.dumps(metadata))
        child = os.fork()
        if not child:
            os._exit(run(path))
        seen[os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])] += 1
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
