"""Image + vocabulary → labels."""
