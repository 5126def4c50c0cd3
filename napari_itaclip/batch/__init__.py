"""Labelling folders of images: resumable, and careful with what a person has corrected."""
