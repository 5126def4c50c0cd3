"""Labels layers of napari as labelled images, and back; without importing napari."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import Georeference, LabelClass, LabelledImage, Labels
from napari_itaclip.vocabulary.palette import BACKGROUND_COLOR, palette_color

METADATA_KEY = "napari-itaclip"
"""Where a layer's metadata say how its labels came to be."""

MAX_GUESSED = 4096
_CLEAR = "transparent"
_UNLABELLED = "unlabelled"


def plane_of(data: Any, called: str) -> Labels:
    """Return a layer's labels as a plane ``(H, W)``.

    Raises
    ------
    FormatError
        If there are several planes, or they are no whole numbers.
    """
    if isinstance(data, list | tuple) or hasattr(data, "shapes"):
        data = data[0]  # several scales: the first is the finest
    array = np.asarray(data)
    shape = array.shape
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.ndim > 2 and all(size == 1 for size in shape[:-2]):
        array = array.reshape(shape[-2:])
    if array.ndim != 2 or array.dtype.kind not in "ui" or array.size == 0:
        raise FormatError(
            f"the labels of {called!r} are {array.dtype} of shape {shape}; annotation files hold "
            "one plane of whole numbers: export one slice at a time"
        )
    return array


def labelled_layer(
    data: Any, attributes: Mapping[str, Any], name: str, classes: Sequence[LabelClass] | None
) -> LabelledImage:
    """Return a labels layer as a labelled image.

    Parameters
    ----------
    data
        Its labels.
    attributes
        Its ``features``, ``colormap`` and ``metadata``, as far as there are any.
    name
        What the image is called.
    classes
        The classes; None takes those of the layer's table.
    """
    labels = plane_of(data, name)
    about = _about(attributes)
    if classes is None:
        classes = layer_classes(attributes, labels)
    return LabelledImage(
        name=name,
        labels=labels,
        classes=tuple(classes),
        georeference=_georeference(about.get("georeference")),
        made_by=str(about.get("made_by") or _made_by(about)),
    )


def layer_classes(attributes: Mapping[str, Any], labels: Labels) -> tuple[LabelClass, ...]:
    """Return the classes of a labels layer: from its table, else from its values.

    The table has columns ``index`` and ``class``, as the dock writes it. Which class is the
    background stands in the metadata; without them it is 0 if that has a name.
    """
    names = _names(attributes.get("features"))
    about = _about(attributes)
    if not names:
        found = [int(value) for value in np.unique(labels) if value > 0]
        if not found or len(found) > MAX_GUESSED:
            raise FormatError(
                f"the layer has no table of classes and {len(found)} values; name its classes"
            )
        names = {value: f"class {value}" for value in found}
    colors = _colors(attributes.get("colormap"))
    own = {row["id"]: row for row in _known(about)}
    background = _background(about, names)
    classes = []
    for value, name in names.items():
        color = colors.get(value) or own.get(value, {}).get("color")
        if value == background:
            color = own.get(value, {}).get("color") or BACKGROUND_COLOR
        color = color or palette_color(max(value - 1, 0))
        classes.append(LabelClass(value, name, color, value == background))
    return tuple(_distinct(classes))


def layer_of(item: LabelledImage, about: Mapping[str, Any]) -> tuple[Labels, dict[str, Any], str]:
    """Return a labelled image as napari's readers hand over a layer."""
    rows = [(one.id, one.name) for one in item.classes]
    if all(id_ != 0 for id_, _ in rows):
        rows.insert(0, (0, _UNLABELLED))
    colors: dict[int | None, str] = {one.id: one.color for one in item.classes}
    facts: dict[str, Any] = {
        **about,
        "classes": [{"id": one.id, "name": one.name, "color": one.color} for one in item.classes],
        "background": item.background.id if item.background else None,
    }
    if item.georeference is not None:
        facts["georeference"] = {
            "transform": list(item.georeference.transform),
            "crs": item.georeference.crs,
        }
    if item.image_path is not None:
        facts["image"] = str(item.image_path)
    kwargs = {
        "name": item.name,
        "features": {"index": [row[0] for row in rows], "class": [row[1] for row in rows]},
        "colormap": {None: _CLEAR, **colors, 0: _CLEAR},
        "metadata": {METADATA_KEY: facts},
    }
    return item.labels, kwargs, "labels"


def _names(features: Any) -> dict[int, str]:
    """Return names by value from a table with the columns ``index`` and ``class``."""
    if features is None or "class" not in (getattr(features, "columns", features)):
        return {}
    names = list(features["class"])
    columns = getattr(features, "columns", features)
    values = list(features["index"]) if "index" in columns else list(range(len(names)))
    found: dict[int, str] = {}
    for value, name in zip(values, names, strict=False):
        if not isinstance(name, str) or not name.strip():
            continue  # a missing value is None or NaN
        try:
            number = int(value)
        except (TypeError, ValueError, OverflowError):
            raise FormatError(f"the table's index {value!r} is no whole number") from None
        if number == 0 and name.strip().lower() == _UNLABELLED:
            continue
        found.setdefault(number, name)
    return found


def _colors(colormap: Any) -> dict[int, str]:
    """Return the colours that a direct colormap, or a mapping, gives to values."""
    table = getattr(colormap, "color_dict", colormap)
    if not isinstance(table, Mapping):
        return {}
    colors = {}
    for value, color in table.items():
        if value is None or isinstance(color, str):
            if value is not None and color != _CLEAR:
                colors[int(value)] = str(color)
            continue
        parts = [min(max(float(part), 0.0), 1.0) for part in color]
        if len(parts) >= 3 and (len(parts) == 3 or parts[3] > 0):
            colors[int(value)] = "#" + bytes(round(255 * part) for part in parts[:3]).hex()
    return colors


def _about(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the metadata say of the labels."""
    found = (attributes.get("metadata") or {}).get(METADATA_KEY)
    return found if isinstance(found, Mapping) else {}


def _known(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the classes in the metadata: of the vocabulary, or of the file that was opened."""
    vocabulary = about.get("vocabulary")
    listed = vocabulary.get("classes") if isinstance(vocabulary, Mapping) else about.get("classes")
    if not isinstance(listed, list | tuple):
        return []
    return [dict(one) for one in listed if isinstance(one, Mapping) and "id" in one]


def _background(about: Mapping[str, Any], names: Mapping[int, str]) -> int | None:
    """Return the id of the background class."""
    if "background" in about:
        return about["background"] if about["background"] in names else None
    for row in _known(about):
        if row.get("background") is True and names.get(row["id"]) == row.get("name"):
            return int(row["id"])
    return 0 if 0 in names and not _known(about) else None


def _distinct(classes: Iterable[LabelClass]) -> Iterable[LabelClass]:
    """Put the id behind names that occur twice: a layer may hold classes of an old vocabulary."""
    taken: set[str] = set()
    for one in classes:
        name = one.name
        while name in taken:
            name = f"{name} ({one.id})"
        taken.add(name)
        yield LabelClass(one.id, name, one.color, one.background)


def _georeference(value: Any) -> Georeference | None:
    """Return where the labels lie, from the metadata."""
    if not isinstance(value, Mapping):
        return None
    try:
        a, b, c, d, e, f = (float(part) for part in value["transform"])
    except (KeyError, TypeError, ValueError):
        return None
    return Georeference((a, b, c, d, e, f), str(value.get("crs") or ""))


def _made_by(about: Mapping[str, Any]) -> str:
    """Return one line on how the labels came to be."""
    from napari_itaclip import __version__

    settings = about.get("settings")
    if not isinstance(settings, Mapping):
        return ""
    line = f"napari-itaclip {__version__}, model {settings.get('model', 'unknown')}."
    return " ".join(filter(None, [line, str(settings.get("notice") or "")]))
