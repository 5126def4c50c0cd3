"""From finished strips to the result: label image, margin and legend."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_itaclip.batch.large.geo_tags import scaled_geo_tags
from napari_itaclip.batch.large.state import Progress
from napari_itaclip.batch.large.work import LargeRun
from napari_itaclip.batch.large.write import Plane, write_plane
from napari_itaclip.files import write_atomically


@dataclass(frozen=True)
class LargeReport:
    """What labelling a large image gave.

    Attributes
    ----------
    labels : Path
        The label image.
    legend : Path
        JSON with the classes, their share, and how the labels were made.
    margin : Path or None
        The margin as 8 bits (255: the best class leads by a probability of 1), if asked for.
    source_shape, working_shape, shape : (int, int)
        Height and width in pixels of the image, of what the network looked at, and of the labels.
    scale : float
        Working pixels per pixel of the image.
    level : int
        Level of the image's pyramid that was read; 0 is the full image.
    windows : int
        Windows that the network has looked at, those of an earlier, unfinished run included.
    resumed_rows : int
        Rows of the working picture that an earlier run had finished.
    pixels : mapping of int to int
        Pixels of the working picture with each id, those without an image left out.
    uncertainty : float
        Mean of ``1 - margin`` over the pixels that show something.
    seconds : float
        How long this run took.
    notes : tuple of str
        What a person should know.
    """

    labels: Path
    legend: Path
    margin: Path | None
    source_shape: tuple[int, int]
    working_shape: tuple[int, int]
    shape: tuple[int, int]
    scale: float
    level: int
    windows: int
    resumed_rows: int
    pixels: Mapping[int, int]
    uncertainty: float
    seconds: float
    notes: tuple[str, ...] = ()


def assemble(
    run: LargeRun,
    done: Progress,
    target: Path,
    scale: float,
    resumed: int,
    *,
    full_size: bool,
    margin: bool,
) -> LargeReport:
    """Write the files; the labels come last, so that a result with labels is a whole one."""
    plan = run.plan
    size = plan.source if full_size else plan.size
    classes = _class_rows(run, done)
    about = _about(run, scale, size, done, classes)
    geo = scaled_geo_tags(run.image.geo, plan.source, size)
    has_zero = any(row["id"] == 0 and row["name"] != "unlabelled" for row in classes)
    labels = Plane(run.labels, size, about, geo, None if has_zero else 0, classes)
    legend = target.with_name(f"{target.stem}_legend.json")
    beside = target.with_name(f"{target.stem}_margin{target.suffix}") if margin else None
    temporary = run.folder.folder / f"assembling{target.suffix}"
    if beside is not None:
        what = {"meaning": "lead of the best class over the second, 255: certain"}
        write_plane(Plane(run.margin, size, what, geo), temporary, beside, run.check)
    text = json.dumps(about, ensure_ascii=False, indent=2, allow_nan=False)
    write_atomically(legend, f"{text}\n".encode())
    write_plane(labels, temporary, target, run.check)
    run.folder.remove()
    return LargeReport(
        labels=target,
        legend=legend,
        margin=beside,
        source_shape=plan.source,
        working_shape=plan.size,
        shape=size,
        scale=scale,
        level=plan.level,
        windows=plan.windows,
        resumed_rows=resumed,
        pixels={int(key): count for key, count in sorted(done.pixels.items())},
        uncertainty=done.uncertainty / max(1, done.valid),
        seconds=0.0,
        notes=tuple(about["notes"]),
    )


def _class_rows(run: LargeRun, done: Progress) -> list[dict[str, Any]]:
    """Return id, name, synonyms, colour, share and confidence of every class."""
    vocabulary = run.words.vocabulary
    rows = [
        {"id": id_, "name": prompt.name, "synonyms": list(prompt.synonyms), "color": color}
        for prompt, id_, color in zip(vocabulary, vocabulary.ids, vocabulary.colors, strict=True)
    ]
    if "0" in done.pixels and all(row["id"] != 0 for row in rows):
        rows.append({"id": 0, "name": "unlabelled", "synonyms": [], "color": "#000000"})
    for row in rows:
        count = done.pixels.get(str(row["id"]), 0)
        total = done.confidence.get(str(row["id"]), 0.0)
        row["working_pixels"] = count
        row["share"] = round(count / max(1, done.valid), 6)
        row["mean_confidence"] = round(total / count, 6) if count else None
    return rows


def _about(
    run: LargeRun,
    scale: float,
    size: tuple[int, int],
    done: Progress,
    classes: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the legend: size, classes, and how the labels were made."""
    from napari_itaclip import __version__
    from napari_itaclip.segmentation.result import SettingsUsed

    spec = run.segmenter.model.spec
    used = SettingsUsed(
        model=run.segmenter.model.identity,
        model_name=spec.name,
        notice=spec.notice,
        encode=run.preset.encode,
        refine=run.preset.refine,
        decide=run.preset.decide,
    )
    notes = [spec.notice] if spec.notice else []
    notes += [
        f"Cut to fit the model's context: {text!r} was read as {cut!r}."
        for text, cut in run.words.embeddings.cut_texts.items()
    ]
    if done.valid < run.plan.size[0] * run.plan.size[1]:
        notes.append("Pixels without an image have the label 0.")
    return {
        "made_by": f"napari-itaclip {__version__}",
        "width": size[1],
        "height": size[0],
        "scale": scale,
        "working_width": run.plan.size[1],
        "working_height": run.plan.size[0],
        "uncertainty": round(done.uncertainty / max(1, done.valid), 6),
        "classes": classes,
        "vocabulary": run.words.vocabulary.to_dict(),
        "settings": asdict(used),
        "notes": notes,
    }
