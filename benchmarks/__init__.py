"""Times this package beside other ways to do the same: `python -m benchmarks`, see README.md."""
