"""The fold: records in, transitions out; pure functions of the log."""
