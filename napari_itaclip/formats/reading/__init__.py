"""The readers of single formats, and what they share."""
