"""Prints the table of measured losses of ``docs/formats.md``.

``python -m tests.formats.measure_losses [IMAGES]`` writes the ground truth of so many images (3) of
each shared data set in every format, reads it back, and counts the pixels whose class changed.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import Format
from napari_itaclip.formats.registry import FORMATS
from tests.formats.difficult import lost, opened, pixels_lost, write
from tests.formats.shared_truth import SharedSet, shared_sets


def measured(format_: Format, one: SharedSet) -> str:
    """Return the share of pixels that changed in one data set, as a cell of the table."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            rendered = write(format_, one.items, Path(folder))
        except FormatError:
            return "too many classes"
        found = opened(format_, Path(folder))
        items = [found.load(name) for name in found.names]
    originals = sorted(one.items, key=lambda item: item.name)
    changed = sum(pixels_lost(a, b) for a, b in zip(originals, items, strict=True))
    if changed != sum(lost(each) for each in rendered.values()):
        raise SystemExit(f"{format_.name} on {one.name}: {changed} pixels lost, others reported")
    total = sum(item.labels.size for item in originals)
    return "0" if not changed else f"{100 * changed / total:.2f} %"


def main() -> None:
    """Print the table."""
    sets = tuple(shared_sets(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
    print("| format |", " | ".join(one.name for one in sets), "|")
    print("|---|" + "---|" * len(sets))
    for name, format_ in FORMATS.items():
        print(f"| `{name}` |", " | ".join(measured(format_, one) for one in sets), "|", flush=True)


if __name__ == "__main__":
    main()
