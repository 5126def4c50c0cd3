"""What a person adds to the labels: strokes that are kept, and where to look next."""
