"""Times this package beside other ways to do the same work. README.md explains it."""
