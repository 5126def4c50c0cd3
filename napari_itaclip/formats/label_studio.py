"""Label Studio: tasks with brush masks, and the labelling interface that fits them.

Labels are written as *predictions* (pre-annotations), which Label Studio shows for correction. The
formats are described in its documentation ("Label Studio JSON format", the tag ``BrushLabels``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    Rendered,
)
from napari_itaclip.formats.parts.exchange import drawn_regions, left_out, picture_files, sure
from napari_itaclip.formats.parts.xml_files import attributes, class_names, name_losses
from napari_itaclip.formats.reading.label_studio import CONFIG_NAME, FILE_NAME, read
from napari_itaclip.formats.shapes.brush import encode_brush

__all__ = ["LABEL_STUDIO", "read", "sniff"]

LOCAL_FILES = "/data/local-files/?d="
"""How Label Studio calls files in a folder that it may read (its "local files" storage)."""

_FROM, _TO = "label", "image"


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's masks: one for each class, or for each object if there are instances."""
    regions, losses = drawn_regions(item, options)
    path, files = picture_files(item, options)
    results = []
    for region in regions:
        rle = base64.b64encode(encode_brush(region, item.shape)).decode()
        result: dict[str, Any] = {"class": region.class_id, "rle": rle}
        if item.confidence is not None:
            values = item.confidence[region.window][region.mask]
            result["score"] = round(float(values.mean()), 4)
        results.append(result)
    height, width = item.shape
    record = {"file": path, "width": width, "height": height, "results": results}
    score = sure(item)
    if score is not None:
        record["score"] = score
    losses += left_out(item, "instances", "name")
    return Rendered(files, record, losses + name_losses(item.classes))


def assemble(
    records: Mapping[str, Any],
    classes: Sequence[LabelClass],
    options: ExportOptions,
    about: Mapping[str, Any],
) -> Mapping[str, bytes]:
    """Write the tasks and the labelling interface.

    ``about["reviewed"]``, when true, makes annotations of the labels instead of predictions.
    """
    names = class_names(classes)
    lines = [
        json.dumps(_task(name, record, names, about), ensure_ascii=False, separators=(",", ":"))
        for name, record in records.items()
    ]
    tasks = "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"
    config = "\n".join(_config(classes, names))
    return {FILE_NAME: tasks.encode("utf-8", "replace"), CONFIG_NAME: config.encode()}


def _task(
    name: str, record: Mapping[str, Any], names: Mapping[int, str], about: Mapping[str, Any]
) -> dict[str, Any]:
    """Describe one image and its masks."""
    width, height = record["width"], record["height"]
    results = []
    for number, mask in enumerate(record["results"], start=1):
        result = {
            "id": f"r{number}",
            "type": "brushlabels",
            "from_name": _FROM,
            "to_name": _TO,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": list(base64.b64decode(mask["rle"])),
                "brushlabels": [names[mask["class"]]],
            },
        }
        results.append(result | ({"score": mask["score"]} if "score" in mask else {}))
    data = {"image": LOCAL_FILES + quote(record["file"]), "name": name}
    task: dict[str, Any] = {"data": {**data, "width": width, "height": height}}
    if about.get("reviewed"):
        return {**task, "annotations": [{"result": results}]}
    prediction: dict[str, Any] = {"model_version": str(about.get("made_by") or "napari-itaclip")}
    if "score" in record:
        prediction["score"] = record["score"]
    return {**task, "predictions": [{**prediction, "result": results}]}


def _config(classes: Sequence[LabelClass], names: Mapping[int, str]) -> Iterator[str]:
    """Write the labelling interface.

    ``category`` is Label Studio's own place for a class's number. Which class is the background
    stands in an attribute of ours, which it ignores.
    """
    yield "<View>"
    yield f'  <Image name="{_TO}" value="${_TO}" zoom="true" zoomControl="true"/>'
    yield f'  <BrushLabels name="{_FROM}" toName="{_TO}">'
    for one in classes:
        own = attributes(itaclip__background="true") if one.background else ""
        label = attributes(value=names[one.id], background=one.color, category=one.id)
        yield f"    <Label{label}{own}/>"
    yield "  </BrushLabels>"
    yield "</View>\n"


def sniff(path: Path) -> bool:
    """Tell whether a file, or the file in a folder, is a list of Label Studio's tasks."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            head = stream.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    except OSError:
        return False
    is_list = head.startswith(b"[") and head[1:].lstrip()[:1] in (b"{", b"]")
    return is_list and any(
        key in head for key in (b'"data"', b'"annotations"', b'"predictions"', b'"completions"')
    )


LABEL_STUDIO = Format(
    name="label-studio",
    title="Label Studio",
    description="Tasks with brush masks as predictions, exact to the pixel; no background.",
    render=render,
    assemble=assemble,
    read=read,
    sniff=sniff,
    geometry="pixels",
    instances=True,
)
