"""One export of labels: what is wanted, the work, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_itaclip._widget.export_items import ExportPlan, plan_export, read_item
from napari_itaclip._widget.layers.label_sources import LayerSnapshot
from napari_itaclip.errors import ItaclipError, OutputError
from napari_itaclip.formats.model import ExportOptions, Loss
from napari_itaclip.session.worker import Steps, Ticket

if TYPE_CHECKING:
    from napari_itaclip.formats.dataset import DatasetWriter, Replace

Slices = Literal["all", "view"]
"""Of a stack: every slice that has labels, or the one in view."""


@dataclass(frozen=True)
class ExportRequest:
    """What a person wants to be written.

    Attributes
    ----------
    source : object
        The key of a `Source`.
    format, folder : str
        Name of the format, and where the data set lies.
    slices : {"all", "view"}
        Of stacks.
    options : ExportOptions
        How it is written.
    """

    source: object
    format: str
    folder: str
    slices: Slices = "all"
    options: ExportOptions = field(default_factory=ExportOptions)


@dataclass(frozen=True)
class Conflict:
    """Images that are in the data set already: a person decides.

    Attributes
    ----------
    request : ExportRequest
        What was wanted.
    names : tuple of str
        The images.
    text : str
        What is in the way.
    replace : True or "edited"
        What replacing them would mean.
    """

    request: ExportRequest
    names: tuple[str, ...]
    text: str
    replace: Replace


@dataclass(frozen=True)
class ExportDone:
    """What an export did.

    Attributes
    ----------
    folder : Path
        Where the data set lies.
    images, files : int
        How many images were written, into how many files.
    losses : tuple of Loss
        What the format cannot hold of them.
    problems : tuple of str
        What could not be written and why.
    stopped : bool
        Whether a person stopped it before the end.
    """

    folder: Path
    images: int
    files: int
    losses: tuple[Loss, ...]
    problems: tuple[str, ...]
    stopped: bool = False

    @property
    def text(self) -> str:
        """The result in a sentence or two."""
        images = "1 image" if self.images == 1 else f"{self.images} images"
        files = "1 file" if self.files == 1 else f"{self.files} files"
        said = [f"{'Stopped after' if self.stopped else 'Exported'} {images}: {files} in "
                f"{self.folder}."]  # fmt: skip
        if self.losses:
            said.append(f"The format cannot hold everything: {_kinds(self.losses)}.")
        return " ".join(said)

    @property
    def details(self) -> str:
        """What could not be held, line by line."""
        return "\n".join(
            f"{loss.kind}{f' ({loss.pixels:,} px)' if loss.pixels else ''}: {loss.detail}"
            for loss in self.losses
        )


class ExportJob:
    """One export: runs in the worker's thread, is asked afterwards in the main thread."""

    def __init__(
        self,
        request: ExportRequest,
        folder: Path,
        snapshots: Sequence[LayerSnapshot],
        only: frozenset[str] | None,
        replace: Replace,
    ) -> None:
        self.request = request
        self.folder = folder
        self.in_the_way: list[tuple[str, str]] = []
        self._snapshots = snapshots
        self._only = only
        self._replace: Replace = replace
        self._problems: list[str] = []
        self._losses: list[Loss] = []
        self._images = self._files = 0

    def steps(self, ticket: Ticket, tell: Callable[[int, int], None]) -> Steps:
        """Write image by image; between two of them it can be stopped."""
        from napari_itaclip.formats.dataset import DatasetWriter

        request = self.request
        plan = plan_export(self._snapshots, request.format, self.folder, self._only)
        about = {"made_by": plan.made_by} if plan.made_by else {}
        writer = DatasetWriter(
            self.folder, request.format, plan.classes, request.options, about=about
        )
        try:
            for done, planned in enumerate(plan.images):
                tell(done, len(plan.images))
                yield
                self._add(writer, plan, done, planned.name)
        finally:
            # Also when it is stopped: what was added is a whole data set.
            if self._images:
                self._files += len(writer.finish().written)

    def _add(self, writer: DatasetWriter, plan: ExportPlan, at: int, name: str) -> None:
        try:
            added = writer.add(
                read_item(plan, at, self.request.format, self.request.options),
                replace=self._replace,
            )
        except OutputError as error:
            if writer.has(name) and self._replace != "edited":
                self.in_the_way.append((name, str(error)))
            else:
                self._problems.append(str(error))
        except ItaclipError as error:
            self._problems.append(str(error))
        else:
            self._images += 1
            self._files += len(added.files)
            self._losses += added.losses

    def done(self, *, stopped: bool) -> ExportDone:
        """Return what was written."""
        from napari_itaclip.formats.report import summed_losses

        return ExportDone(
            self.folder,
            self._images,
            self._files,
            summed_losses(self._losses),
            tuple(self._problems),
            stopped,
        )

    def conflict(self) -> Conflict:
        """Return what a person has to decide."""
        names = tuple(name for name, _ in self.in_the_way)
        text = self.in_the_way[0][1]
        if len(names) > 1:
            shown = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
            text = f"{len(names)} images are in the data set already: {shown}"
        more: Replace = True if self._replace is False else "edited"
        return Conflict(self.request, names, text, more)


def _kinds(losses: Sequence[Loss]) -> str:
    return ", ".join(
        f"{loss.kind} ({loss.pixels:,} px)" if loss.pixels else loss.kind for loss in losses
    )
