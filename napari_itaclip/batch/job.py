"""What a batch is to do: images, words, settings, and the files that come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_itaclip.batch._json import digest_of
from napari_itaclip.batch.places import absolute
from napari_itaclip.batch.state import STATE_PLACE
from napari_itaclip.errors import FormatError, SettingsError
from napari_itaclip.formats.model import ExportOptions, LabelClass, classes_of
from napari_itaclip.vocabulary.classes import Vocabulary

if TYPE_CHECKING:
    from napari_itaclip.segmentation.settings import Preset


@dataclass(frozen=True)
class ExportTarget:
    """A data set to write.

    Attributes
    ----------
    format : str
        Name of the format, see `napari_itaclip.formats.registry`.
    folder : Path
        Where it goes.
    options : ExportOptions
        How it is written.
    """

    format: str
    folder: Path
    options: ExportOptions = field(default_factory=ExportOptions)

    @classmethod
    def parse(cls, text: str, options: ExportOptions | None = None) -> ExportTarget:
        """Return the target that ``FORMAT:FOLDER`` names; the folder may hold colons itself.

        Raises
        ------
        SettingsError
            If it is something else, or there is no such format.
        """
        from napari_itaclip.formats.registry import get_format

        name, colon, folder = text.partition(":")
        if not (colon and name.strip() and folder.strip()):
            raise SettingsError(
                f"{text!r} names no export: write FORMAT:FOLDER, for example voc:out"
            )
        try:
            found = get_format(name)
        except FormatError as error:
            raise SettingsError(str(error)) from error
        return cls(found.name, Path(folder.strip()), options or ExportOptions())

    def digest(self, classes: tuple[LabelClass, ...]) -> str:
        """Return the hash of what this data set's files depend on beside the labels."""
        return digest_of([self.format, asdict(self.options), [asdict(one) for one in classes]])


@dataclass(frozen=True)
class BatchJob:
    """What to label, with what, and where to.

    Attributes
    ----------
    inputs : tuple of Path or str
        Files, folders, patterns such as ``"scans/*.png"``, lists (text files with one path per
        line), multi-page TIFF, Zarr.
    vocabulary : Vocabulary
        The classes.
    exports : tuple of ExportTarget
        What to write; the first one's folder also holds the state. At most one per format.
    preset : str or Preset
        Settings of all steps.
    model : str or Path, optional
        A model's name or a weights file; None takes the default model.
    device, precision, activation : str
        See `Segmenter.from_pretrained`.
    recursive : bool
        Whether folders inside folders are taken, too.
    redo_edited : bool
        Whether images that a person has edited or reviewed are done again, which loses the edits.
    scale : float
        Size at which images are read, above 0 and at most 1: 0.5 halves width and height.
    state : Path, optional
        Folder of the state, if it is not to lie in the first export's folder.
    limit : int, optional
        Label at most so many images in this run.

    Raises
    ------
    SettingsError
        If nothing is to be read or written, a format occurs twice, or a number is out of range.
    """

    inputs: tuple[Path | str, ...]
    vocabulary: Vocabulary
    exports: tuple[ExportTarget, ...]
    preset: str | Preset = "balanced"
    model: str | Path | None = None
    device: str = "auto"
    precision: str = "auto"
    activation: str = "auto"
    recursive: bool = False
    redo_edited: bool = False
    scale: float = 1.0
    state: Path | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without looking at files."""
        if not self.inputs:
            raise SettingsError("there is nothing to label: name images or folders")
        if not self.exports:
            raise SettingsError(
                "say what to write, for example --export voc:out (a format and a folder)"
            )
        names = [target.format for target in self.exports]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise SettingsError(f"{twice} is exported twice; a batch writes each format once")
        if not 0 < self.scale <= 1:
            raise SettingsError(f"scale must be above 0 and at most 1, not {self.scale:g}")
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"limit must be 1 or more, not {self.limit}")

    @property
    def state_folder(self) -> Path:
        """Where the state lies."""
        if self.state is not None:
            return self.state.absolute()
        return self.exports[0].folder.absolute().joinpath(*STATE_PLACE)

    @property
    def classes(self) -> tuple[LabelClass, ...]:
        """The classes as annotation files know them."""
        return classes_of(self.vocabulary)

    @property
    def model_source(self) -> str:
        """The model's name, or the absolute path of its weights."""
        from napari_itaclip.clip.registry import DEFAULT_MODEL

        if isinstance(self.model, Path):
            return str(absolute(self.model))
        return self.model or DEFAULT_MODEL

    def settings(self) -> dict[str, Any]:
        """Return the preset's settings as plain values, without its name."""
        from napari_itaclip.segmentation.settings import get_preset

        values = _plain(asdict(get_preset(self.preset)))
        return {name: values[name] for name in ("encode", "refine", "decide")}

    def digest(self, model: str) -> str:
        """Return the hash of everything that makes the labels of an image.

        Parameters
        ----------
        model : str
            Identity of the model.
        """
        words = {key: value for key, value in self.vocabulary.to_dict().items() if key != "about"}
        return digest_of([model, words, self.settings(), self.precision, self.scale])


def _plain(values: Any) -> Any:
    """Return nested settings as JSON would give them back."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    return [_plain(value) for value in values] if isinstance(values, tuple | list) else values
