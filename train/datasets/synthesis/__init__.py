"""Makes handwriting from stroke fonts: what is written, by whom, where, and how the pen moves."""
