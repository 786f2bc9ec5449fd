"""What data sets subclass: the builder of all of them, and one for each kind of data."""
