"""Running a cell over time: as `keras.layers.RNN` does, or faster, to the same numbers."""
