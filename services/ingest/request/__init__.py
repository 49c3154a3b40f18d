"""What a request under way takes: its body as it arrives, and its part of the capacity."""
