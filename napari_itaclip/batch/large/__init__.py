"""Labelling images that are larger than memory, strip by strip and without seams."""
