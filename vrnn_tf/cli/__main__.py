"""`python -m vrnn_tf.cli` is the `vrnn` command."""

from vrnn_tf.cli import main

main()
