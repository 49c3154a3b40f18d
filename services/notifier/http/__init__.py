"""The HTTP routes: what became of messages, and what an operator does to them."""
