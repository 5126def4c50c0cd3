"""What a batch remembers, as plain values: of the whole run, of each image, of each review."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, TypeVar, cast, get_args

from napari_itaclip.batch._json import checked_relative
from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import ExportOptions, Loss

SCHEMA = 1
"""Version of the layout on disk."""

ReviewVerdict = Literal["accepted", "fixed", "skipped"]
"""What a person did with an image: found it right, made it right, or left it for later."""

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Source:
    """Where an image came from.

    Attributes
    ----------
    path : str
        Its file, relative to the batch's home where that is near, else absolute; with ``/``. See
        `BatchState.source_path`.
    page : int or None
        Plane of a file that holds several, counted from 0 over all axes but height and width.
    array : str
        Path of the array inside a Zarr group; empty otherwise.
    scale : float
        Size at which it was read: 0.5 is half its width and height.
    """

    path: str
    page: int | None = None
    array: str = ""
    scale: float = 1.0


@dataclass(frozen=True)
class ItemRecord:
    """One finished image. Its being there says that everything else is there.

    Attributes
    ----------
    key : str
        Where its files lie: a safe relative path without ending.
    name : str
        What it is called in the data set, see `LabelledImage.name`.
    source : Source
        Where the image came from.
    input_sha256 : str
        Hash of the image's content.
    digest : str
        Hash of what made the labels: model, vocabulary, settings.
    shape : (int, int)
        Height and width in pixels.
    labels, margin : str
        Label image and margin (how far the best class leads, 0 to 255), relative to the state
        folder.
    labels_sha256 : str
        Hash of the label image's file.
    uncertainty : float
        Mean of 1 - margin over the valid pixels, 0 to 1.
    classes : mapping of int to int
        Pixels of each id that occurs.
    valid : str
        Image of the pixels that show something, relative to the state folder; empty: all do.
    exports : mapping of str to mapping of str to str
        For each format its files, relative to that export's folder, with their hashes.
    export_digests : mapping of str to str
        For each format the hash of what its files depend on beside the labels.
    notes : tuple of str
        What a person should know.
    losses : mapping of str to tuple of Loss
        For each format what it could not hold.
    edited : bool
        Whether a person has changed the labels since they were made.
    """

    key: str
    name: str
    source: Source
    input_sha256: str
    digest: str
    shape: tuple[int, int]
    labels: str
    labels_sha256: str
    margin: str
    uncertainty: float
    classes: Mapping[int, int]
    valid: str = ""
    exports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    export_digests: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    losses: Mapping[str, tuple[Loss, ...]] = field(default_factory=dict)
    edited: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ItemRecord:
        """Return the record that `to_json` gave.

        Raises
        ------
        FormatError
            If something is missing, of another version, or a path leads out of its folder.
        """

        def build(own: dict[str, Any]) -> ItemRecord:
            own["source"] = Source(**own["source"])
            height, width = own["shape"]
            own["shape"] = (int(height), int(width))
            own["classes"] = {int(id_): int(n) for id_, n in own["classes"].items()}
            own["exports"] = {
                name: {checked_relative(path): str(sha) for path, sha in files.items()}
                for name, files in own["exports"].items()
            }
            own["notes"] = tuple(own["notes"])
            own["losses"] = {
                name: tuple(Loss(**loss) for loss in losses)
                for name, losses in own["losses"].items()
            }
            for what in ("key", "labels", "margin"):
                checked_relative(own[what])
            if own["valid"]:
                checked_relative(own["valid"])
            return cls(**own)

        return _read(cls, values, build)

    def with_export(
        self, format_name: str, files: Mapping[str, str], digest: str, losses: tuple[Loss, ...]
    ) -> ItemRecord:
        """Return the record with one format's files put in or replaced."""
        return replace(
            self,
            exports={**self.exports, format_name: dict(files)},
            export_digests={**self.export_digests, format_name: digest},
            losses={**self.losses, format_name: losses},
        )

    def without_exports(self, formats: Collection[str]) -> ItemRecord:
        """Return the record without some formats: their files are about to be written anew."""
        return replace(
            self,
            exports={name: files for name, files in self.exports.items() if name not in formats},
            export_digests={
                name: digest for name, digest in self.export_digests.items() if name not in formats
            },
            losses={name: losses for name, losses in self.losses.items() if name not in formats},
        )


@dataclass(frozen=True)
class ReviewRecord:
    """What a person decided about an image.

    Attributes
    ----------
    key : str
        The image, see `ItemRecord.key`.
    state : {"accepted", "fixed", "skipped"}
        The decision.
    labels_sha256 : str
        Hash of the label image's file that was decided about.
    edited_pixels : int
        How many pixels were changed by hand.
    """

    key: str
    state: ReviewVerdict
    labels_sha256: str
    edited_pixels: int = 0

    @property
    def final(self) -> bool:
        """Whether the image is dealt with: accepted or fixed."""
        return self.state in ("accepted", "fixed")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> ReviewRecord:
        """Return the record that `to_json` gave.

        Raises
        ------
        FormatError
            If something is missing or of another version.
        """

        def build(own: dict[str, Any]) -> ReviewRecord:
            checked_relative(own["key"])
            if own["state"] not in get_args(ReviewVerdict):
                raise ValueError(f"there is no state {own['state']!r}")
            return cls(**own)

        return _read(cls, values, build)


@dataclass(frozen=True)
class StoredExport:
    """A data set that a batch writes.

    Attributes
    ----------
    format : str
        Name of the format.
    folder : str
        Its folder, relative to the batch's home where that is near, else absolute.
    options : ExportOptions
        How it is written.
    """

    format: str
    folder: str
    options: ExportOptions = field(default_factory=ExportOptions)


@dataclass(frozen=True)
class StoredJob:
    """A batch's settings, as they lie beside the results.

    Attributes
    ----------
    inputs : tuple of str
        What was to be labelled: paths and patterns, as `Source.path`.
    model : str
        Identity of the model.
    model_source : str
        The name or path that it was loaded from.
    activation, precision : str
        As they were asked for.
    notice : str
        What everyone who sees a result of this model should know; empty for most.
    preset : mapping
        All settings, as plain values.
    exports : tuple of StoredExport
        The data sets.
    digest : str
        Hash of what makes the labels: model, vocabulary, settings.
    version : str
        Version of the package.
    scale : float
        Size at which images are read.
    """

    inputs: tuple[str, ...]
    model: str
    model_source: str
    preset: Mapping[str, Any]
    exports: tuple[StoredExport, ...]
    digest: str
    version: str
    activation: str = "auto"
    precision: str = "auto"
    notice: str = ""
    scale: float = 1.0

    @property
    def made_by(self) -> str:
        """One line on how the labels came to be."""
        own = f"napari-itaclip {self.version}, model {self.model}."
        return " ".join(filter(None, [own, self.notice]))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> StoredJob:
        """Return the job that `to_json` gave.

        Raises
        ------
        FormatError
            If something is missing or of another version.
        """

        def build(own: dict[str, Any]) -> StoredJob:
            own["inputs"] = tuple(own["inputs"])
            own["exports"] = tuple(
                StoredExport(one["format"], one["folder"], ExportOptions(**one["options"]))
                for one in own["exports"]
            )
            return cls(**own)

        return _read(cls, values, build)


def _read(
    kind: type[_Record], values: Mapping[str, Any], build: Callable[[dict[str, Any]], _Record]
) -> _Record:
    """Check version and fields, then build."""
    if values.get("schema") != SCHEMA:
        raise FormatError(
            f"this was written by another version (layout {values.get('schema')!r}, not {SCHEMA})"
        )
    known = {one.name for one in fields(cast(Any, kind))}
    try:
        return build({name: value for name, value in values.items() if name in known})
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(f"something is missing or wrong: {error}") from error
