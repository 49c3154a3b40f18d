"""What an operator does: sends again, replays, tries a campaign out."""
