"""What runs Stageline somewhere: the demo, and later the charts."""
