"""The policy seam for Python users: the native policies by name, the words for outcomes, the five hooks."""
