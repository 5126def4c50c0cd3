"""Layers of the viewer: which image, its labels and what a person paints, what is derived from it.

No module here needs Qt.
"""
