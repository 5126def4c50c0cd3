"""The dock in which the images of a batch are reviewed."""
