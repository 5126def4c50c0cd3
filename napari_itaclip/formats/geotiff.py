"""GeoTIFF: label maps that lie where the image lies.

Class names and colours stand three times in it, for whoever reads it: as JSON in the metadata (for
reading back), as colour table (8 bits), and in GDAL's side file ``….tif.aux.xml`` as category names
and attribute table, where GIS programs look for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import (
    ExportOptions,
    Format,
    LabelClass,
    LabelledImage,
    ReadableDataset,
    Rendered,
)
from napari_itaclip.formats.parts.class_tables import parse_table, table_text
from napari_itaclip.formats.parts.exchange import (
    FoundClass,
    free_value,
    label_dtype,
    left_out,
    resolve_classes,
    unique_names,
)
from napari_itaclip.formats.parts.extras import first_below, needed
from napari_itaclip.formats.parts.georeference import (
    georeference_of,
    parsed_crs,
    quiet,
    read_georeference,
)
from napari_itaclip.formats.parts.pixels import values_of
from napari_itaclip.formats.parts.xml_files import Events, parse, text
from napari_itaclip.formats.paths import file_name
from napari_itaclip.formats.reading.label_folder import walk
from napari_itaclip.formats.shapes.run_lengths import check_size
from napari_itaclip.vocabulary.palette import color_to_rgb

__all__ = ["GEOTIFF", "read", "read_georeference", "sniff"]

CLASSES_TAG = "ITACLIP_CLASSES"
"""The item of GDAL's metadata that holds the classes as JSON."""

MAX_CLASSES = 4096
"""A file with more different values shows something, and is no label map."""

MAX_CATEGORIES = 65_536
"""Category names are a list from 0 on; classes with higher ids stand in the other tables only."""

_SUFFIXES = (".tif", ".tiff")
_TILE = 256
_GEO_TAGS = (33550, 33922, 34264, 34735)  # scale, tie points, transformation, keys
_GDAL_METADATA = 42112


def render(item: LabelledImage, options: ExportOptions) -> Rendered:
    """Write one image's label map and its side file."""
    nodata = free_value(item.classes, options.void)
    values, losses = values_of(item, options, {one.id: one.id for one in item.classes}, nodata)
    path = f"{file_name(item.name)}.tif"
    files = {path: _encode(item, values, nodata), f"{path}.aux.xml": _side_file(item.classes)}
    losses += left_out(item, "background and unlabelled", "georeference")
    return Rendered(files, None, losses)


def _encode(item: LabelledImage, values: Any, nodata: int) -> bytes:
    """Return the GeoTIFF of label values."""
    rasterio = needed("rasterio", "GeoTIFF", "geo")
    memory = needed("rasterio.io", "GeoTIFF", "geo")
    dtype = np.dtype(label_dtype(max(nodata, *(one.id for one in item.classes))))
    profile: dict[str, Any] = {}
    if item.georeference is not None:
        profile["transform"] = rasterio.Affine(*item.georeference.transform)
        if item.georeference.crs:
            profile["crs"] = parsed_crs(item.georeference.crs)
    with quiet(), memory.MemoryFile() as file:
        with file.open(
            driver="GTiff",
            height=item.shape[0],
            width=item.shape[1],
            count=1,
            dtype=dtype.name,
            nodata=nodata,
            tiled=True,
            blockxsize=_TILE,
            blockysize=_TILE,
            compress="deflate",
            bigtiff="if_safer",
            **profile,
        ) as target:
            target.write(values.astype(dtype), 1)
            tags = {CLASSES_TAG: table_text(item.classes, nodata)}
            if item.made_by.isascii() and item.made_by.isprintable() and item.made_by:
                tags["TIFFTAG_SOFTWARE"] = item.made_by
            target.update_tags(**tags)
            if dtype == np.uint8:
                colors = {one.id: (*color_to_rgb(one.color), 255) for one in item.classes}
                target.write_colormap(1, colors | {nodata: (0, 0, 0, 0)})
        return bytes(file.read())


def _side_file(classes: Sequence[LabelClass]) -> bytes:
    """Return GDAL's side file with category names and attribute table."""
    by_id = {one.id: one for one in classes if one.id < MAX_CATEGORIES}
    lines = ["<PAMDataset>", '  <PAMRasterBand band="1">', "    <CategoryNames>"]
    for value in range(max(by_id, default=-1) + 1):
        name = text(by_id[value].name) if value in by_id else ""
        lines.append(f"      <Category>{name}</Category>")
    lines.append("    </CategoryNames>")
    lines.append('    <GDALRasterAttributeTable tableType="thematic">')
    # Kind of content (0 whole number, 2 text) and what GDAL takes it for.
    fields = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    for at, (name, kind, usage) in enumerate(fields):
        lines.append(
            f'      <FieldDefn index="{at}"><Name>{name}</Name><Type>{kind}</Type>'
            f"<Usage>{usage}</Usage></FieldDefn>"
        )
    for at, one in enumerate(sorted(classes, key=lambda one: one.id)):
        cells = (one.id, one.name, *color_to_rgb(one.color))
        row = "".join(f"<F>{text(cell)}</F>" for cell in cells)
        lines.append(f'      <Row index="{at}">{row}</Row>')
    lines += ["    </GDALRasterAttributeTable>", "  </PAMRasterBand>", "</PAMDataset>\n"]
    return "\n".join(lines).encode("utf-8", "replace")


def read(path: Path, classes: Sequence[LabelClass] | None = None) -> ReadableDataset:
    """Open GeoTIFF label maps.

    Parameters
    ----------
    path
        A file, or a folder: all files ending with ``.tif`` or ``.tiff`` in it and below.
    classes
        Classes by id. Without them: what the files say themselves; else GDAL's category names from
        the side files; else "class 1", "class 2" … for the values that occur.

    Raises
    ------
    FormatError
        If there is no such file, it has no whole numbers, or too many different ones.
    """
    root = path if path.is_dir() else path.parent
    files = list(walk(path, _SUFFIXES)) if path.is_dir() else [path]
    if not files:
        raise FormatError(f"{path} has no files ending with .tif or .tiff")
    notes: list[str] = []
    found = tuple(classes) if classes else _classes(files, notes)
    names = unique_names(one.relative_to(root).with_suffix("").as_posix() for one in files)
    by_name = dict(zip(names, files, strict=True))

    def load(name: str) -> LabelledImage:
        if name not in by_name:
            raise FormatError(f"{path} has no image {name!r}")
        values, georeference, _ = _values(by_name[name])
        return LabelledImage(name, values, found, georeference=georeference)

    return ReadableDataset("geotiff", found, tuple(names), load, tuple(notes))


def _values(path: Path) -> tuple[Any, Any, Mapping[str, Any]]:
    """Return a file's first band, where it lies, and its tags, nodata value and colour table."""
    rasterio = needed("rasterio", "GeoTIFF", "geo")
    errors = needed("rasterio.errors", "GeoTIFF", "geo")
    try:
        with quiet(), rasterio.open(path, driver="GTiff") as source:
            check_size(source.height, source.width, str(path))
            if np.dtype(source.dtypes[0]).kind not in "ui":
                raise FormatError(
                    f"{path} holds {source.dtypes[0]}; labels are whole numbers. Convert it with: "
                    "gdal_translate -ot UInt16"
                )
            palette = "palette" in source.colorinterp[0].name
            said = {
                "tags": source.tags(),
                "nodata": source.nodata,
                "colors": source.colormap(1) if palette else {},
                "bands": source.count,
            }
            return source.read(1), georeference_of(source), said
    except (errors.RasterioError, OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"cannot read {path}: {error}") from error


def _classes(files: Iterable[Path], notes: list[str]) -> tuple[LabelClass, ...]:
    """Return the classes that files name, or classes named after the values that occur."""
    found: dict[int, FoundClass] = {}
    own: tuple[LabelClass, ...] = ()
    for path in files:
        values, _, said = _values(path)
        if said["bands"] > 1:
            notes.append(f"{path}: only the first of {said['bands']} bands is read")
        table = said["tags"].get(CLASSES_TAG)
        if table is not None:
            own = own or parse_table(table, path).classes
            continue
        categories = _categories(path)
        for value in np.unique(values).tolist():
            if value < 0 or value == said["nodata"] or value in found:
                continue
            name = categories.get(value) or f"class {value}"
            rgb = said["colors"].get(value)
            color = None if rgb is None else "#{:02x}{:02x}{:02x}".format(*rgb[:3])
            found[value] = FoundClass(name, color, value)
        if len(found) > MAX_CLASSES:
            raise FormatError(
                f"{path} has more than {MAX_CLASSES} different values; it is no map of classes"
            )
    known = {one.id for one in own}
    rest = [found[value] for value in sorted(found) if value not in known]
    if any(one.name == f"class {one.id}" for one in rest):
        notes.append("the files do not name all classes")
    classes = resolve_classes(rest, own)
    if not classes:
        raise FormatError("the label maps are empty; give the classes")
    return classes


def _categories(path: Path) -> dict[int, str]:
    """Return GDAL's category names by value, from the side file."""
    side = path.with_name(f"{path.name}.aux.xml")
    names: list[str] = []

    def end(where: tuple[str, ...], found: str, _at: int) -> None:
        if where[-2:] == ("CategoryNames", "Category") and len(names) < MAX_CATEGORIES:
            names.append(found)

    if side.is_file():
        with side.open("rb") as stream:
            parse(stream, Events(lambda *_: None, end), str(side))
    return {value: name for value, name in enumerate(names) if name}


def sniff(path: Path) -> bool:
    """Tell whether a TIFF file (the first one of a folder) is a label map with a place on Earth.

    Needs no rasterio: one channel of whole numbers, and the tags of GeoTIFF or of this package.
    """
    import tifffile

    if path.is_dir():
        first = first_below(path, lambda one: one.suffix.lower() in _SUFFIXES)
        return first is not None and sniff(first)
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        return False
    try:
        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            whole = page.dtype is not None and page.dtype.kind in "ui"
            metadata = page.tags.valueof(_GDAL_METADATA)
            own = isinstance(metadata, str) and CLASSES_TAG in metadata
            located = any(tag in page.tags for tag in _GEO_TAGS)
            return bool(whole and page.samplesperpixel == 1 and (own or located))
    except Exception:  # tifffile fails in many ways on what is no TIFF
        return False


GEOTIFF = Format(
    name="geotiff",
    title="GeoTIFF",
    description="Label maps with the image's place on Earth, exact to the pixel; one file each.",
    render=render,
    read=read,
    sniff=sniff,
    geometry="pixels",
    extra="geo",
)
