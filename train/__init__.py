"""Training from the terminal: data sets, input pipeline, configurations and runs."""
