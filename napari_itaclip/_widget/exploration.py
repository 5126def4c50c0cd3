"""Looking closer at the image in view: heat maps, doubt, comparison, and what is under the cursor.

Everything is computed from the newest result's features; what takes longer than a frame runs in the
session's worker thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.in_view import InView, in_view
from napari_itaclip._widget.layers.explore_layers import (
    HEAT_MAP,
    UNCERTAINTY,
    ExploreLayers,
    HeatKind,
)
from napari_itaclip._widget.layers.images import ImageEntry
from napari_itaclip._widget.layers.look_at import look_at
from napari_itaclip._widget.panels.hover import HoverPoint
from napari_itaclip.annotation.comparison import LabelSnapshot
from napari_itaclip.annotation.review import (
    UncertainRegion,
    next_region,
)
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.looking import (
    Readout,
    composed,
    heat_maps,
    margins,
    readout_at,
    uncertain_regions,
)
from napari_itaclip.session.outcome import Message, Outcome, Stage
from napari_itaclip.session.pictures import Plane, Region
from napari_itaclip.session.session import Session
from napari_itaclip.session.worker import Ticket


class Exploration:
    """Keeps the exploring layers and read-outs in step with the labels.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layers.
    session : Session
        Computes.
    controller : Controller
        Tells which image and plane is looked at.

    Attributes
    ----------
    readout_changed : Signal(object)
        `Readout` under the cursor; empty when there is none.
    subject_changed : Signal(object)
        What the heat map is of: a class's name or the phrase, None without either.
    compared : Signal(object)
        (changed, total) pixels since A; None when nothing is compared.
    uncertain_changed : Signal(object)
        How many uncertain regions are left to visit; None before there is a result.
    state_changed : Signal()
        There is something else to explore, or to compare with.
    said : Signal(Message)
        Something that a person should read.
    """

    readout_changed = Signal(object)
    subject_changed = Signal(object)
    compared = Signal(object)
    uncertain_changed = Signal(object)
    state_changed = Signal()
    said = Signal(object)

    def __init__(self, viewer: Any, session: Session, controller: Controller) -> None:
        self.viewer = viewer
        self.session = session
        self.controller = controller
        self.layers = ExploreLayers(viewer)
        self.phrase = ""
        self.heat_map = False
        self.kind = HeatKind.PROBABILITY
        self.uncertainty = False
        self.comparing = False
        self._kept: dict[tuple[int, Plane], tuple[LabelSnapshot, str]] = {}
        self._uncertain: tuple[UncertainRegion, ...] = ()
        self._visited: list[Region] = []
        self._point: HoverPoint | None = None
        self._image: Image | None = None
        self._plane: Plane | None = None
        session.labelled.connect(self._on_labelled)
        session.editor.selection_changed.connect(self._on_selection)
        controller.image_changed.connect(self._on_image)
        controller.edits_changed.connect(self._on_edits)
        controller.images.dropped.connect(self._on_dropped)

    def close(self) -> None:
        """Remove the exploring layers and let go of everything."""
        self.session.labelled.disconnect(self._on_labelled, missing_ok=True)
        self.session.editor.selection_changed.disconnect(self._on_selection, missing_ok=True)
        self.controller.image_changed.disconnect(self._on_image, missing_ok=True)
        self.controller.edits_changed.disconnect(self._on_edits, missing_ok=True)
        self.controller.images.dropped.disconnect(self._on_dropped, missing_ok=True)
        self.layers.close()
        self._kept.clear()
        self._image = self._point = None

    # ---- heat map -------------------------------------------------------------------------------

    def set_phrase(self, phrase: str) -> None:
        """Look for a phrase; an empty one means the selected class."""
        self.phrase = phrase.strip()
        self._update_heat_map()

    def set_heat_map(self, on: bool) -> None:
        """Show a heat map or not."""
        self.heat_map = on
        self._update_heat_map()

    def set_kind(self, kind: HeatKind) -> None:
        """Show probabilities among the classes, or similarities without rivals."""
        self.kind = kind
        self._update_heat_map()

    @property
    def subject(self) -> str | None:
        """What the heat map is of: the phrase, else the selected class."""
        if self.phrase:
            return self.phrase
        vocabulary, selected = self.session.editor.vocabulary, self.session.editor.selected
        if vocabulary is None or selected not in vocabulary.ids:
            return None
        return vocabulary.names[vocabulary.ids.index(selected)]

    def _update_heat_map(self) -> None:
        view, subject = self._view(), self.subject
        self.subject_changed.emit(subject)
        if not self.heat_map or view is None or subject is None:
            self.session.withdraw("heat map")
            self.layers.hide_heat_map()
            return
        kind, decision = self.kind, self.session.settings.resolved().decide
        segmenter = self.session.segmenter
        assert segmenter is not None  # or nothing would have been shown yet

        def work(ticket: Ticket) -> Callable[[], None]:
            parts = heat_maps(
                segmenter,
                view.shown,
                subject,
                rivals=kind is HeatKind.PROBABILITY,
                decision=decision,
                check=ticket.check,
            )

            def show() -> None:
                if self.heat_map and self._view() is not None and view.entry.target.alive:
                    self._place(view, parts, self.layers.show_heat_map, subject, kind=kind)

            return show

        self.session.ask("heat map", work)

    # ---- uncertainty ----------------------------------------------------------------------------

    def set_uncertainty(self, on: bool) -> None:
        """Show where the two best classes are close, or not."""
        self.uncertainty = on
        self._update_uncertainty()

    def _update_uncertainty(self) -> None:
        view = self._view()
        if not self.uncertainty or view is None:
            self.layers.hide_uncertainty()
            return
        self._place(view, margins(view.shown), self.layers.show_uncertainty)

    def _find_uncertain(self) -> None:
        """Find the regions that are worth a look, in the worker's thread."""
        view = self._view()
        if view is None:
            self._uncertain, self._visited = (), []
            self.uncertain_changed.emit(None)
            return
        mask = view.entry.labels.edit_mask
        painted = None if mask is None else np.array(view.plane.cut(mask))
        shape = view.plane.shape(view.entry.labels.shape)

        def work(ticket: Ticket) -> Callable[[], None]:
            found = uncertain_regions(view.shown, shape, painted)

            def keep() -> None:
                self._uncertain = found
                self._count_uncertain()

            return keep

        self.session.ask("uncertain regions", work, quiet=True)

    def _count_uncertain(self) -> None:
        left = [each for each in self._uncertain if next_region([each], self._visited)]
        self.uncertain_changed.emit(len(left) or len(self._uncertain))

    def next_uncertain(self) -> None:
        """Move the view to the least certain region that was not shown yet."""
        view = self._view()
        if view is None:
            self._say("Press Segment first: then there are labels to be certain of.")
            return
        found = next_region(self._uncertain, self._visited)
        if found is None and self._uncertain:
            self._say("All uncertain regions were shown; again from the first one.")
            self._visited = []
            found = self._uncertain[0]
        if found is None:
            self._say("There is no uncertain region: every pixel has one clear class.")
            return
        self._visited.append(found.region)
        look_at(self.viewer, view.plane, found.region, view.entry.labels.geometry)
        self._count_uncertain()

    # ---- comparison -----------------------------------------------------------------------------

    def keep_as_a(self) -> None:
        """Keep the labels in view to compare later ones with."""
        view = self._view()
        if view is None:
            self._say("Press Segment first: then there are labels to keep.")
            return
        description = f"{self.session.editor.title}, {time.strftime('%H:%M')}"
        self._kept[id(view.entry.target), view.plane] = self._snapshot(view), description
        self.state_changed.emit()
        self._update_comparison()

    def keep_labels_as_a(self, labels: LabelSnapshot, description: str) -> bool:
        """Keep other labels of the plane in view; returns whether they fit it."""
        view = self._view()
        if view is None or labels.labels.shape != view.plane.shape(view.entry.labels.shape):
            return False
        self._kept[id(view.entry.target), view.plane] = labels, description
        self.state_changed.emit()
        self._update_comparison()
        return True

    @property
    def kept(self) -> str | None:
        """What is kept as A for the plane in view; None for nothing."""
        view = self._view()
        found = None if view is None else self._kept.get((id(view.entry.target), view.plane))
        return None if found is None else found[1]

    @property
    def ready(self) -> bool:
        """Whether the plane in view has a result to explore."""
        return self._view() is not None

    def set_comparing(self, on: bool) -> None:
        """Lay the kept labels beside the present ones, or take them away."""
        self.comparing = on
        self._update_comparison()

    def _update_comparison(self) -> None:
        view = self._view()
        kept = None if view is None else self._kept.get((id(view.entry.target), view.plane))
        if not self.comparing or view is None or kept is None:
            self.layers.hide_comparison()
            self.compared.emit(None)
            return
        labels = view.entry.labels
        changed = self.layers.show_comparison(
            view.image,
            kept[0],
            self._snapshot(view),
            plane=view.plane,
            region=None,
            shape=labels.shape,
            geometry=labels.geometry,
        )
        self.compared.emit((changed, kept[0].labels.size))

    def _snapshot(self, view: InView) -> LabelSnapshot:
        vocabulary = view.entry.target.vocabulary
        assert vocabulary is not None  # it was set with the first result
        return LabelSnapshot(
            np.array(view.plane.cut(view.entry.labels.layer.data)),
            dict(zip(vocabulary.ids, vocabulary.names, strict=True)),
            dict(zip(vocabulary.ids, vocabulary.colors, strict=True)),
            view.entry.target.lineage or 0,
        )

    def note_shown(self, role: str, shown: bool) -> None:
        """Take over that a person showed, hid or deleted one of the layers in the layer list."""
        if role == HEAT_MAP:
            self.heat_map = shown
        elif role == UNCERTAINTY:
            self.uncertainty = shown
        elif not shown:
            self.comparing = False

    # ---- under the cursor -----------------------------------------------------------------------

    def hover(self, point: HoverPoint | None) -> None:
        """Tell the likeliest classes at a pixel."""
        self._point = point
        self.readout_changed.emit(self._readout(point))

    def _readout(self, point: HoverPoint | None) -> Readout:
        view = self._view()
        if point is None or view is None or point.layer is not view.image:
            return ()
        here = view.plane.shape(view.entry.labels.shape)
        full = view.plane.shape(tuple(int(n) for n in view.image.level_shapes[0]))
        return readout_at(view.shown, point.y * here[0] // full[0], point.x * here[1] // full[1])

    # ---- what happens ---------------------------------------------------------------------------

    def _on_labelled(self, outcome: Outcome) -> None:
        view = self._view()
        if view is None or outcome.target is not view.entry.target or outcome.plane != view.plane:
            return
        self._update_uncertainty()
        self._update_comparison()
        self._update_heat_map()
        self.hover(self._point)
        if outcome.stage is Stage.FINAL:
            self._find_uncertain()
        self.state_changed.emit()

    def _on_selection(self) -> None:
        if not self.phrase:
            self._update_heat_map()

    def _on_edits(self) -> None:
        self._update_comparison()
        self._find_uncertain()

    def _on_dropped(self, entry: ImageEntry) -> None:
        gone = id(entry.target)
        self._kept = {at: kept for at, kept in self._kept.items() if at[0] != gone}

    def _on_image(self) -> None:
        """Show the layers of the image in view, and of no other."""
        image, plane = self.controller.image, self.controller.plane
        if (image, plane) != (self._image, self._plane):
            before, self._image, self._plane = self._image, image, plane
            if before is not None and before is not image:
                self.layers.hide_heat_map(before)
                self.layers.hide_uncertainty(before)
                self.layers.hide_comparison(before)
            self._update_heat_map()
            self._update_uncertainty()
            self._update_comparison()
            self._visited = []
            self._find_uncertain()
        self.state_changed.emit()

    def _view(self) -> InView | None:
        return in_view(self.session, self.controller, same_words=False)

    def _place(
        self,
        view: InView,
        values: Sequence[NDArray[np.float32]],
        show: Callable[..., object],
        *names: str,
        **options: Any,
    ) -> None:
        """Show values over the image."""
        labels = view.entry.labels
        whole, region = composed(view.shown, values, view.plane.shape(labels.shape))
        try:
            show(
                view.image,
                *names,
                whole,
                plane=view.plane,
                region=region,
                shape=labels.shape,
                geometry=labels.geometry,
                **options,
            )
        except ItaclipError as error:
            self.said.emit(Message(str(error), "error"))

    def _say(self, text: str) -> None:
        self.said.emit(Message(text, "info"))
