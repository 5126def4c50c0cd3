"""Open-vocabulary segmentation for napari: type words, get labels you can correct.

The public names are imported lazily, so ``import napari_itaclip`` loads neither torch nor Qt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME_OF = {
    "AuxiliaryText": "vocabulary.classes",
    "ClassPrompt": "vocabulary.classes",
    "Vocabulary": "vocabulary.classes",
    "ImageFeatures": "segmentation.features",
    "Segmentation": "segmentation.segmenter",
    "Segmenter": "segmentation.segmenter",
    "ItaclipError": "errors",
    "export_labels": "formats.export",
    "import_labels": "formats.export",
}

__all__ = [
    "AuxiliaryText",
    "ClassPrompt",
    "ImageFeatures",
    "ItaclipError",
    "Segmentation",
    "Segmenter",
    "Vocabulary",
    "__version__",
    "export_labels",
    "import_labels",
]

if TYPE_CHECKING:
    from napari_itaclip.errors import ItaclipError
    from napari_itaclip.formats.export import export_labels, import_labels
    from napari_itaclip.segmentation.features import ImageFeatures
    from napari_itaclip.segmentation.segmenter import Segmentation, Segmenter
    from napari_itaclip.vocabulary.classes import AuxiliaryText, ClassPrompt, Vocabulary


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
