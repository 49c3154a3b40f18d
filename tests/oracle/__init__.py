"""A second, naive reading of LANGUAGE.md, and random files and histories to hold the real one against it."""
