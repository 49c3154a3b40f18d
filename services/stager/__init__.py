"""Stager: folds the log into each customer's stage and records every entry, exit and stay."""
