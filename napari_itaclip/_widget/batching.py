"""A folder of images labelled with the dock's words, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_itaclip.clip.registry import MODELS
from napari_itaclip.errors import ItaclipError, SettingsError
from napari_itaclip.session.outcome import Message, Progress, message_of
from napari_itaclip.session.session import Session
from napari_itaclip.session.settings import SessionSettings
from napari_itaclip.session.worker import Post, Steps, Stopped, Ticket, Worker
from napari_itaclip.session.worker_thread import load_libraries, prepare_thread

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob
    from napari_itaclip.batch.progress import BatchProgress, BatchReport
    from napari_itaclip.segmentation.segmenter import Segmenter


@dataclass(frozen=True)
class BatchRequest:
    """What a person wants to be labelled.

    Attributes
    ----------
    inputs : tuple of Path
        Files and folders.
    recursive : bool
        Whether folders inside folders are taken, too.
    exports : tuple of (str, str)
        Format and folder of each data set.
    """

    inputs: tuple[Path, ...]
    recursive: bool
    exports: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class BatchDone:
    """What became of a batch.

    Attributes
    ----------
    report : BatchReport
        The counts.
    folder : Path
        The first data set, which holds the state.
    """

    report: BatchReport
    folder: Path

    @property
    def text(self) -> str:
        """The result in a sentence or two."""
        report = self.report
        images = "1 image" if report.done == 1 else f"{report.done} images"
        said = [f"{images} labelled"]
        if report.skipped:
            said.append(f"{report.skipped} finished before")
        if report.kept:
            said.append(f"{len(report.kept)} kept as you corrected them")
        if report.failed:
            said.append(f"{len(report.failed)} unreadable")
        if report.left:
            said.append(f"{report.left} left for the next run")
        return f"{', '.join(said)}."

    @property
    def details(self) -> str:
        """What was kept and what failed, line by line."""
        rows = (*self.report.kept, *self.report.failed)
        return "\n".join(f"{name}: {reason}" for name, reason in rows)


class Batching:
    """Labels many images with the dock's words, settings and model.

    Parameters
    ----------
    session : Session
        Has words, settings and perhaps a loaded model.
    post : callable
        Brings a function into the main thread.

    Attributes
    ----------
    busy : bool
        Whether a batch is running.
    progressed : Signal(object)
        `Progress` before the first image, then `BatchProgress`; None when it is over.
    finished : Signal(object)
        `BatchDone`.
    said : Signal(Message)
        Something that a person should read.
    """

    progressed = Signal(object)
    finished = Signal(object)
    said = Signal(object)

    def __init__(self, session: Session, post: Post) -> None:
        self.session = session
        self.busy = False
        self._worker = Worker(post, prepare_thread)

    def close(self) -> None:
        """Stop, and wait for the image under way; the next run goes on after the finished ones."""
        self._worker.close()

    def run(self, request: BatchRequest) -> None:
        """Label the images that are not finished yet."""
        if self.busy:
            return
        try:
            job = self.job(request)
        except ItaclipError as error:
            self.said.emit(Message(str(error), "warning"))
            return
        settings, segmenter = self.session.settings, self.session.usable_segmenter
        found: list[BatchReport] = []

        def tell(progress: Progress | BatchProgress) -> None:
            self._worker.post(lambda: self.progressed.emit(progress))

        def steps(ticket: Ticket) -> Steps:
            found.append(_label(job, settings, segmenter, ticket, tell))
            yield

        def over(ending: BaseException | None) -> None:
            self.busy = False
            self.progressed.emit(None)
            if found:
                self.finished.emit(BatchDone(found[0], job.exports[0].folder))
            elif isinstance(ending, Stopped):
                self.said.emit(Message("Stopped before the first image."))
            elif ending is not None:
                self.said.emit(message_of(ending))

        self.busy = True
        self.progressed.emit(Progress("Looking for images", None, None))
        self._worker.start(steps, over)

    def stop(self) -> None:
        """Stop as soon as the image under way allows it."""
        self._worker.cancel()

    def job(self, request: BatchRequest) -> BatchJob:
        """Return what is asked for as a job with the dock's words and settings.

        Raises
        ------
        SettingsError
            If something is missing; the message says what.
        """
        from napari_itaclip.batch.job import BatchJob, ExportTarget

        settings = self.session.settings
        vocabulary = self.session.editor.vocabulary
        if vocabulary is None:
            raise SettingsError("Type into the table what to look for first.")
        if not request.inputs:
            raise SettingsError("Choose the folder of the images first.")
        if not request.exports or any(not folder for _, folder in request.exports):
            raise SettingsError("Choose a folder for each export.")
        for path in (*request.inputs, *(Path(folder) for _, folder in request.exports)):
            if not path.expanduser().is_absolute():
                raise SettingsError(f"{path} is no whole path: choose it with the button.")
        return BatchJob(
            inputs=tuple(path.expanduser() for path in request.inputs),
            vocabulary=vocabulary,
            exports=tuple(
                ExportTarget(name, Path(folder).expanduser()) for name, folder in request.exports
            ),
            preset=settings.resolved(),
            model=settings.model if settings.model in MODELS else Path(settings.model),
            device=settings.device,
            precision=settings.precision,
            recursive=request.recursive,
        )


def _label(
    job: BatchJob,
    settings: SessionSettings,
    segmenter: Segmenter | None,
    ticket: Ticket,
    tell: Callable[[Any], None],
) -> BatchReport:
    """Run a job; the model is loaded only if an image needs it."""
    load_libraries()
    if segmenter is None and settings.model in MODELS:
        _download(settings, ticket, tell)
    ticket.check()
    from napari_itaclip.batch.run import run_batch

    return run_batch(job, segmenter=segmenter, progress=tell, stop=lambda: ticket.stopped)


def _download(settings: SessionSettings, ticket: Ticket, tell: Callable[[Progress], None]) -> None:
    """Fetch the model's weights where they are not there yet."""
    from napari_itaclip.clip.weights_cache import fetch

    def downloaded(done: int, total: int | None) -> None:
        ticket.check()
        size = f"{done / 1e6:.0f}" + (f" of {total / 1e6:.0f}" if total else "")
        label = f"Downloading {settings.model_title} ({size} MB)"
        tell(Progress(label, done / total if total else None, None))

    fetch(settings.model, downloaded)
