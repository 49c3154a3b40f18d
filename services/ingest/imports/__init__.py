"""History of any length: streamed in, resumed after a break, and the command that sends it."""
