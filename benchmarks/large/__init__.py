"""Measures memory and time of labelling an image that is larger than memory."""
