"""Makes the demo model: a small CLIP trained from scratch on procedurally drawn scenes."""
