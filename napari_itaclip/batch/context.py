"""What labelling one image needs, made once per process: settings, words, model, data sets."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_itaclip import __version__
from napari_itaclip.batch._stored import sha256_of
from napari_itaclip.batch.places import from_place
from napari_itaclip.batch.records import StoredExport, StoredJob
from napari_itaclip.batch.state import BatchState
from napari_itaclip.errors import FormatError, ItaclipError, SettingsError

if TYPE_CHECKING:
    from napari_itaclip.batch.job import BatchJob, ExportTarget
    from napari_itaclip.clip.text import ClassEmbeddings
    from napari_itaclip.formats.dataset import DatasetWriter
    from napari_itaclip.formats.model import LabelClass
    from napari_itaclip.segmentation.segmenter import Segmenter


class StopBatchError(Exception):
    """Something that stops the whole batch, not one image.

    Parameters
    ----------
    reason : ItaclipError
        What it is.
    """

    def __init__(self, reason: ItaclipError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class JobContext:
    """A job with everything that is loaded for it. Safe to use from several threads.

    The model is loaded when it is first needed: a batch that has nothing left to do never does.

    Parameters
    ----------
    job : BatchJob
        What to do.
    segmenter : Segmenter, optional
        A model that is loaded already.
    model : str, optional
        Identity of the model, where it is known: loading another one is an error. None finds it
        out, which may load the model.

    Raises
    ------
    CheckpointError
        If the weights cannot be had.
    """

    def __init__(
        self, job: BatchJob, *, segmenter: Segmenter | None = None, model: str | None = None
    ) -> None:
        from napari_itaclip.segmentation.settings import get_preset

        self.job = job
        self.state = BatchState(job.state_folder)
        self.preset = get_preset(job.preset)
        self._lock = threading.RLock()
        self._segmenter = segmenter
        self._embeddings: ClassEmbeddings | None = None
        self._writers: dict[str, DatasetWriter] = {}
        if model is None and segmenter is None:
            model = known_model(job, self.state)
        self.model = model or self.segmenter.model.identity
        self.digest = job.digest(self.model)
        self.classes: tuple[LabelClass, ...] = job.classes
        self.folders = {one.format: one.folder for one in job.exports}
        self.export_digests = {one.format: one.digest(self.classes) for one in job.exports}

    @property
    def segmenter(self) -> Segmenter:
        """The model; loaded when first asked for."""
        with self._lock:
            if self._segmenter is None:
                from napari_itaclip.segmentation.segmenter import Segmenter

                job = self.job
                self._segmenter = Segmenter.from_pretrained(
                    source_of(job),
                    device=job.device,
                    precision=job.precision,
                    activation=job.activation,
                )
            return self._segmenter

    @property
    def on_accelerator(self) -> bool:
        """Whether the network runs on something else than the processor; loads no model."""
        from napari_itaclip.clip.device import resolve_device

        if self._segmenter is not None:
            return self._segmenter.model.device.type != "cpu"
        return resolve_device(self.job.device).type != "cpu"

    @property
    def notice(self) -> str:
        """What everyone who sees a result of the model should know; empty for most."""
        from napari_itaclip.clip.registry import MODELS

        named = MODELS.get(self.job.model_source)
        if self._segmenter is not None:
            named = self._segmenter.model.spec
        return "" if named is None else named.notice

    def embeddings(self) -> ClassEmbeddings:
        """Return the words' embeddings; computed once.

        Raises
        ------
        StopBatchError
            If the model, the words or the settings cannot be used: no image could be labelled.
        """
        with self._lock:
            if self._embeddings is None:
                from napari_itaclip.segmentation.encode import window_of

                try:
                    found = self.segmenter
                    if found.model.identity != self.model:
                        raise SettingsError(
                            f"the model is {found.model.identity}, but the batch was begun with "
                            f"{self.model}; use the same weights everywhere"
                        )
                    window_of(found.model, self.preset.encode)
                    self._embeddings = found.embed(self.job.vocabulary)
                except ItaclipError as error:
                    raise StopBatchError(error) from error
            return self._embeddings

    def writer(self, target: ExportTarget) -> DatasetWriter:
        """Return the writer of a data set; opened once.

        Raises
        ------
        OutputError
            If the folder holds something else.
        FormatError
            If the format cannot be written.
        """
        from napari_itaclip.formats.dataset import DatasetWriter

        with self._lock:
            if target.format not in self._writers:
                self._writers[target.format] = DatasetWriter(
                    target.folder,
                    target.format,
                    self.classes,
                    target.options,
                    about={"made_by": self.stored().made_by},
                )
            return self._writers[target.format]

    def stored(self) -> StoredJob:
        """Return the job as it lies beside the results."""
        job, place = self.job, self.state.place
        return StoredJob(
            inputs=tuple(place(Path(one)) for one in job.inputs),
            model=self.model,
            model_source=job.model_source,
            activation=job.activation,
            precision=job.precision,
            preset={"name": self.preset.name, **job.settings()},
            exports=tuple(
                StoredExport(one.format, place(one.folder), one.options) for one in job.exports
            ),
            digest=self.digest,
            version=__version__,
            notice=self.notice,
            scale=job.scale,
        )


def stored_targets(state: BatchState) -> tuple[ExportTarget, ...]:
    """Return the data sets of a batch that was run before.

    Raises
    ------
    FormatError
        If its settings are missing or damaged.
    """
    from napari_itaclip.batch.job import ExportTarget

    return tuple(
        ExportTarget(one.format, from_place(one.folder, state.home), one.options)
        for one in state.job.exports
    )


def source_of(job: BatchJob) -> Any:
    """Return what `Segmenter.from_pretrained` takes: a name, or a path."""
    return Path(job.model_source) if isinstance(job.model, Path) else job.model_source


def known_model(job: BatchJob, state: BatchState) -> str | None:
    """Return the model's identity without loading it, if the batch was run with it before.

    The identity holds the first digits of the weights' hash: the file must still have it.
    """
    from napari_itaclip.clip.registry import MODELS
    from napari_itaclip.clip.weights_cache import find_cached

    if not state.exists:
        return None
    try:
        before = state.job
        if (before.model_source, before.activation) != (job.model_source, job.activation):
            return None
        named = MODELS.get(job.model_source)
        weights = Path(job.model_source) if named is None else find_cached(named)
        if weights is None or sha256_of(weights)[:16] not in before.model.split("-"):
            return None
    except (FormatError, OSError):
        return None
    return before.model
