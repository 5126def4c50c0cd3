"""Annotation files ⇄ labels: one module for each format, behind one registry."""
