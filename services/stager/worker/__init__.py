"""What owns partitions: it reads, folds, saves and publishes, and appends ticks when something is due."""
