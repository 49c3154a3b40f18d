"""The commands `preview`, `replay` and `deliveries`."""
