"""What two services need: the words that cross the log and the plumbing below them; never a business rule."""
