"""What clients send becomes events or refusals; pure."""
