"""What the values of one labels layer mean, also after the vocabulary was exchanged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from napari_itaclip._widget.layers.label_style import class_table, color_table
from napari_itaclip.annotation.relabel_ids import (
    UNKNOWN_COLOR,
    LegendEntry,
    Relabelling,
    carry_over,
    make_room,
)
from napari_itaclip.vocabulary.classes import Vocabulary

UNLABELLED = "unlabelled"


class LabelLegend:
    """Names and colours of all label values that a layer holds or may get back by an undo.

    Classes that were removed from the vocabulary stay known, since a person may have painted them.

    Attributes
    ----------
    entries : dict of int to LegendEntry
        Meaning of each value.
    extra : dict of int to LegendEntry
        Classes of earlier vocabularies that the present one lacks.
    lineage : int or None
        Within one lineage an id always means the same class; None before there was a vocabulary.
    """

    def __init__(self) -> None:
        self.entries: dict[int, LegendEntry] = {}
        self.extra: dict[int, LegendEntry] = {}
        self.lineage: int | None = None

    def change_for(
        self, vocabulary: Vocabulary | None, lineage: int, present: Collection[int]
    ) -> Relabelling | None:
        """Return what has to happen to the labels before `take` may be called.

        Parameters
        ----------
        vocabulary : Vocabulary or None
            The coming classes; None for none.
        lineage : int
            Their lineage.
        present : collection of int
            Values that the layer holds. Asked for only if the lineage is another.
        """
        if vocabulary is None:
            return None
        if self.lineage is not None and lineage != self.lineage:
            return carry_over(self.entries, {*present, *self.entries}, vocabulary)
        return make_room(self.extra, vocabulary)

    def take(
        self, vocabulary: Vocabulary | None, lineage: int, relabelling: Relabelling | None
    ) -> None:
        """Learn the classes of a vocabulary, after labels were changed by ``relabelling``."""
        if vocabulary is None:
            return
        if relabelling is not None:
            self.extra = dict(relabelling.extra)
        if lineage != self.lineage:
            self.entries = {}
        self.lineage = lineage
        self.entries |= self.extra
        for prompt in vocabulary:
            self.entries[prompt.id or 0] = LegendEntry(prompt.name, prompt.color or UNKNOWN_COLOR)

    def colors(self, hidden: Collection[int]) -> dict[int | None, str]:
        """Return what a direct colormap of napari is made from."""
        colors = {number: entry.color for number, entry in self.entries.items()}
        return color_table(colors, hidden=hidden, others=UNKNOWN_COLOR)

    def table(self) -> dict[str, list[Any]]:
        """Return the features of the layer."""
        names = {0: UNLABELLED} | {number: entry.name for number, entry in self.entries.items()}
        return class_table(names)

    def extra_in(self, present: Collection[int]) -> Mapping[int, LegendEntry]:
        """Return the classes of earlier vocabularies among the values that a layer holds."""
        return {number: self.extra[number] for number in sorted(present) if number in self.extra}
