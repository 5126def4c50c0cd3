"""Masks as run lengths, objects and outlines, and back."""
