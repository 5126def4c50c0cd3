"""Where the weights of named models lie, and how they get there (no torch).

The files are kept where open_clip keeps them, so a model that open_clip has already loaded is not
downloaded again: the Hugging Face Hub's cache, and ``~/.cache/clip`` for files that came from a
publisher's own address.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from napari_itaclip.clip.registry import DEFAULT_MODEL, MODELS, ModelSpec, model_spec
from napari_itaclip.errors import CheckpointError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the total (None while it is unknown)."""

_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
"""open_clip's names of a weights file on the Hub, the safer one first."""

_SHIPPED = "demo"
"""The model that needs no download."""

_CONNECT_SECONDS = 10.0
_CHUNK = 1 << 20


@dataclass(frozen=True)
class ModelStatus:
    """One row of the list of models.

    Parameters
    ----------
    name, title, licence, size_mb, description
        As in the model's `ModelSpec`.
    cached
        Whether the weights are on this computer.
    path
        Where they are, if so.
    default
        Whether this is the model used when none is named.
    """

    name: str
    title: str
    licence: str
    size_mb: float
    description: str
    cached: bool
    path: Path | None
    default: bool


def list_models() -> tuple[ModelStatus, ...]:
    """List the named models and whether they are on this computer, without the network."""
    rows = []
    for spec in MODELS.values():
        path = find_cached(spec)
        size = path.stat().st_size / 1e6 if path is not None else spec.size_mb
        rows.append(
            ModelStatus(
                name=spec.name,
                title=spec.title,
                licence=spec.licence,
                size_mb=round(size, 1),
                description=spec.description,
                cached=path is not None,
                path=path,
                default=spec.name == DEFAULT_MODEL,
            )
        )
    return tuple(rows)


def cached(name: str) -> bool:
    """Say whether a named model's weights are on this computer, without the network.

    Raises
    ------
    CheckpointError
        For an unknown name.
    """
    return find_cached(model_spec(name)) is not None


def find_cached(spec: ModelSpec) -> Path | None:
    """Find the weights of a named model on this computer, without the network.

    Returns
    -------
    Path or None
        The file, or None where there is none.
    """
    if spec.resource is not None:
        shipped = Path(__file__).parent.parent / spec.resource
        return shipped if shipped.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    for filename in _HUB_FILES:
        found = try_to_load_from_cache(spec.hub, filename)
        if isinstance(found, str):
            return Path(found)
    if spec.url and (direct := _direct_cache() / _file_name(spec.url)).is_file():
        return direct
    return None


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Bring the weights of a named model onto this computer.

    Parameters
    ----------
    name
        A key of `MODELS`.
    progress
        Called with the bytes that are there and the total; None for silence.

    Returns
    -------
    Path
        The file; at once, and without the network, where it was there already.

    Raises
    ------
    CheckpointError
        For an unknown name, and when the weights can neither be found nor downloaded: the message
        says what was tried and what else can be done.
    """
    spec = model_spec(name)
    found = find_cached(spec)
    if found is not None:
        return found
    if spec.resource is not None:
        raise CheckpointError(
            f"the model {name!r} ships with napari-itaclip, but its file is missing: "
            f"{Path(__file__).parent.parent / spec.resource}. The installation is incomplete; "
            "reinstall the package, or choose another model."
        )
    report = progress or (lambda done, total: None)
    tried: list[str] = []
    cause: Exception | None = None
    sources = [("https://huggingface.co/" + spec.hub, _fetch_from_hub)]
    if spec.url and not _offline():
        sources.append((spec.url, _fetch_from_url))
    for address, download in sources:
        try:
            return download(spec, report)
        # Whatever a transport throws is reported, chained and answered the same way.
        except Exception as error:
            tried.append(f"{address} ({_first_line(error)})")
            cause = cause or error
    raise CheckpointError(_not_available(spec, tried)) from cause


def _fetch_from_hub(spec: ModelSpec, report: Progress) -> Path:
    """Download through the Hub's client into its cache, as open_clip does."""
    from huggingface_hub import constants, get_session, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    # The client repeats a failed request for half a minute: ask once whether anything answers.
    get_session().head(constants.ENDPOINT, timeout=_CONNECT_SECONDS)
    missing: EntryNotFoundError | None = None
    for filename in _HUB_FILES:
        extra = _hub_progress(report)
        try:
            return Path(hf_hub_download(spec.hub, filename, library_name="open_clip", **extra))
        except LocalEntryNotFoundError:
            raise  # nothing answered; the other file name would fare no better
        except EntryNotFoundError as error:
            missing = error
    assert missing is not None
    raise missing


def _hub_progress(report: Progress) -> dict[str, Any]:
    """Translate the Hub client's progress bar into calls of `report`."""
    import inspect

    from huggingface_hub import hf_hub_download
    from tqdm import tqdm  # type: ignore[import-untyped, unused-ignore]

    # Older clients take no bar; they draw their own then.
    if "tqdm_class" not in inspect.signature(hf_hub_download).parameters:
        return {}

    first: list[object] = []

    class Bar(tqdm):  # type: ignore[misc, type-arg, unused-ignore]
        """A bar that draws nothing and counts for somebody else."""

        def __init__(self, *args: object, **kwargs: object) -> None:
            kwargs.pop("name", None)  # the Hub client's own, unknown to tqdm
            super().__init__(*args, **(kwargs | {"disable": True}))
            # A second bar of the same download (bytes on the wire) would count everything twice.
            first.append(self)

        def update(self, n: float | None = 1) -> None:
            self.n += n or 0
            if self is first[0]:
                report(int(self.n), int(self.total) if self.total else None)

    return {"tqdm_class": Bar}


def _fetch_from_url(spec: ModelSpec, report: Progress) -> Path:
    """Download from the publisher, into place only when it is complete and what was promised."""
    folder = _direct_cache()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / _file_name(spec.url)
    # OpenAI's addresses carry the file's SHA-256 as the folder name.
    promised = re.search(r"/([0-9a-f]{64})/", spec.url)
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=folder, suffix=".part")
    part = Path(name)
    try:
        request = Request(spec.url, headers={"User-Agent": "napari-itaclip"})
        with (
            os.fdopen(handle, "wb") as out,
            urlopen(request, timeout=_CONNECT_SECONDS) as source,
        ):
            length = source.headers.get("Content-Length")
            total = int(length) if length else None
            done = 0
            while block := source.read(_CHUNK):
                out.write(block)
                digest.update(block)
                done += len(block)
                report(done, total)
        if total is not None and done != total:
            raise OSError(f"the download stopped after {done} of {total} bytes")
        if promised and digest.hexdigest() != promised[1]:
            raise OSError("the download is not the promised file (its SHA-256 differs)")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _direct_cache() -> Path:
    """Return the folder in which open_clip keeps files from publishers' addresses."""
    return Path("~/.cache/clip").expanduser()


def _file_name(url: str) -> str:
    return Path(urlsplit(url).path).name


def _offline() -> bool:
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _not_available(spec: ModelSpec, tried: list[str]) -> str:
    """Write the message for a model that is neither here nor to be had."""
    from huggingface_hub import constants

    offline = " (HF_HUB_OFFLINE is set; unset it to allow downloads)" if _offline() else ""
    here = [name for name in MODELS if find_cached(MODELS[name]) is not None]
    others = [name for name in here if name != _SHIPPED]
    lines = [
        f"the model {spec.name!r} ({spec.size_mb:.0f} MB) is not on this computer "
        f"and could not be downloaded{offline}.",
        f"Looked in: {constants.HF_HUB_CACHE}"
        + (f", {_direct_cache() / _file_name(spec.url)}" if spec.url else ""),
        "Tried: " + "; ".join(tried),
        "Ways out:",
        f"  - with a network: napari-itaclip models fetch {spec.name}",
        "  - copy the cache folder of a computer that has the model, and point HF_HUB_CACHE to it",
        "  - give a local weights file: --checkpoint FILE (.pt, .safetensors)",
        f"  - try things out with the small model that ships with the package: --model {_SHIPPED}",
        *(f"  - use another model that is on this computer: --model {name}" for name in others),
    ]
    return "\n".join(lines)
