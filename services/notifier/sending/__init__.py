"""What is due goes out: taken, judged once more, composed, attempted, recorded."""
