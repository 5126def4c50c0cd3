"""The errors that tell a person what went wrong and what to do about it."""

from __future__ import annotations


class ItaclipError(Exception):
    """Base of every error that a user's input or environment can cause."""


class VocabularyError(ItaclipError, ValueError):
    """The classes, words or a vocabulary file cannot be used."""


class ImageError(ItaclipError, ValueError):
    """The image cannot be segmented."""


class SettingsError(ItaclipError, ValueError):
    """A parameter is out of its range."""


class CheckpointError(ItaclipError, RuntimeError):
    """Model weights cannot be found, read or used."""


class UnknownModelError(CheckpointError):
    """No model has the name that was asked for."""


class OutputError(ItaclipError, OSError):
    """A result cannot be written."""


class FormatError(ItaclipError, ValueError):
    """Annotation files cannot be read, or labels cannot be put into them."""


class MissingExtraError(ItaclipError, ImportError):
    """An optional part of the package is not installed."""
