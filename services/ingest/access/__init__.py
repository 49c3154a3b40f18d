"""Who may send, and how fast."""
