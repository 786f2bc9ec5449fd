"""The generation loop as a SavedModel and as a TFLite file."""
