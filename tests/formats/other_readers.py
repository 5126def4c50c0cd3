"""Reads data sets with other people's libraries, in an environment of their own.

Run as a script, without this package: it takes a JSON list of jobs on standard input, each with
"reader", "format", "folder" and "out", and writes one file ``<number>.npz`` for each image into
"out": its id, the names of the classes, and labels in which 0 is "nothing" and n the n-th name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

Found = tuple[str, list[str], Any]
"""An image's id, the names of the classes, its labels."""


def datumaro(kind: str, folder: Path) -> Iterator[Found]:
    """Read with datumaro."""
    import datumaro
    from pycocotools import mask as coco_mask

    names = {
        "voc": "voc_segmentation", "coco": "coco_instances", "coco-instances": "coco_instances",
        "coco-polygons": "coco_instances", "coco-panoptic": "coco_panoptic",
    }  # fmt: skip
    dataset = datumaro.Dataset.import_from(str(folder), names.get(kind, kind))
    label_type = datumaro.AnnotationType.label
    classes = [one.name for one in dataset.categories()[label_type].items]
    for item in dataset:
        height, width = item.media.size
        labels = np.zeros((height, width), dtype=np.int32)
        shapes = [one for one in item.annotations if hasattr(one, "z_order")]
        for one in sorted(shapes, key=lambda one: one.z_order):
            if one.type == datumaro.AnnotationType.mask:
                labels[np.asarray(one.image, dtype=bool)] = one.label + 1
            elif one.type == datumaro.AnnotationType.polygon:
                rle = coco_mask.merge(coco_mask.frPyObjects([list(one.points)], height, width))
                labels[coco_mask.decode(rle).astype(bool)] = one.label + 1
        yield item.id, classes, labels


def supervision(kind: str, folder: Path) -> Iterator[Found]:
    """Read with supervision."""
    from supervision import DetectionDataset

    if kind.startswith("coco"):
        (file,) = (folder / "annotations").glob("*.json")
        dataset = DetectionDataset.from_coco(str(folder / "images"), str(file), force_masks=True)
    elif kind == "yolo":
        parts = [str(folder / one) for one in ("images/train", "labels/train", "data.yaml")]
        dataset = DetectionDataset.from_yolo(*parts, force_masks=True)
    else:
        dataset = DetectionDataset.from_labelme(str(folder), str(folder), force_masks=True)
    for path, image, found in dataset:
        labels = np.zeros(image.shape[:2], dtype=np.int32)
        masks = found.mask if found.mask is not None else ()
        for mask, label in zip(masks, found.class_id, strict=True):
            labels[np.asarray(mask, dtype=bool)] = label + 1
        yield Path(path).stem, list(dataset.classes), labels


def pycocotools(kind: str, folder: Path) -> Iterator[Found]:
    """Read with pycocotools."""
    import contextlib

    from pycocotools.coco import COCO

    (file,) = (folder / "annotations").glob("*.json")
    with contextlib.redirect_stdout(sys.stderr):
        coco = COCO(str(file))
    ids = sorted(coco.cats)
    for number, image in coco.imgs.items():
        labels = np.zeros((image["height"], image["width"]), dtype=np.int32)
        for one in coco.loadAnns(coco.getAnnIds(imgIds=[number])):
            labels[coco.annToMask(one).astype(bool)] = ids.index(one["category_id"]) + 1
        yield Path(image["file_name"]).stem, [coco.cats[one]["name"] for one in ids], labels


def label_studio_converter(kind: str, folder: Path) -> Iterator[Found]:
    """Read with Label Studio's own converter."""
    from importlib import import_module

    decode_rle = import_module("label_studio_converter.brush").decode_rle

    for task in json.loads((folder / "tasks.json").read_text(encoding="utf-8")):
        size = (task["data"]["height"], task["data"]["width"])
        labels, names = np.zeros(size, dtype=np.int32), []
        for one in task["predictions"][0]["result"]:
            names.append(one["value"]["brushlabels"][0])
            alpha = decode_rle(one["value"]["rle"]).reshape(*size, 4)[..., 3]
            labels[alpha > 0] = len(names)
        yield task["data"]["name"], names, labels


def opencv(kind: str, folder: Path) -> Iterator[Found]:
    """Fill polygons as Ultralytics and LabelMe do: coordinates cut off, ``cv2.fillPoly``."""
    import cv2

    for file in sorted((folder / "images/train" if kind == "yolo" else folder).rglob("*.png")):
        size = cv2.imread(str(file)).shape[:2]
        labels = np.zeros(size, dtype=np.int32)
        if kind == "yolo":
            text = (folder / "labels/train" / f"{file.stem}.txt").read_text(encoding="utf-8")
            rows = [line.split() for line in text.splitlines()]
            scale = np.array([size[1], size[0]], np.float32)
            found = [(f"#{row[0]}", np.array(row[1:], np.float32).reshape(-1, 2)) for row in rows]
            found = [(name, points * scale) for name, points in found]
        else:
            text = file.with_suffix(".json").read_text(encoding="utf-8")
            found = [(one["label"], np.array(one["points"])) for one in json.loads(text)["shapes"]]
        names = list(dict.fromkeys(name for name, _ in found))
        for name, points in found:
            cv2.fillPoly(labels, [points.astype(np.int32)], names.index(name) + 1)
        yield file.stem, names, labels


READERS = {
    "opencv": opencv,
    "datumaro": datumaro,
    "supervision": supervision,
    "pycocotools": pycocotools,
    "label_studio_converter": label_studio_converter,
}


def main() -> None:
    """Do all jobs; one that fails leaves its reason behind."""
    for job in json.load(sys.stdin):
        out = Path(job["out"])
        out.mkdir(parents=True, exist_ok=True)
        try:
            found = list(READERS[job["reader"]](job["format"], Path(job["folder"])))
        except Exception as error:  # any failure of a library belongs into the report
            (out / "error.txt").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
            continue
        for number, (name, classes, labels) in enumerate(found):
            text = json.dumps({"id": name, "classes": classes})
            np.savez_compressed(out / f"{number}.npz", about=text, labels=labels)


if __name__ == "__main__":
    main()
