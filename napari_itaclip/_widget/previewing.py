"""What accepting a suggestion would change, as a layer over the image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from napari.layers import Layer
from psygnal import Signal

from napari_itaclip._widget.controller import Controller
from napari_itaclip._widget.in_view import in_view
from napari_itaclip._widget.layers.preview_layer import PreviewLayer
from napari_itaclip.errors import ItaclipError
from napari_itaclip.session.session import Session
from napari_itaclip.session.trials import Offer, after_accepting, effects, preview_marks
from napari_itaclip.session.worker import Ticket

_KIND = "suggestion preview"


class Previewing:
    """Computes the preview of one offer and keeps its layer.

    Parameters
    ----------
    viewer : ViewerModel
        Gets the layer.
    session : Session
        Computes.
    controller : Controller
        Tells which image and plane is looked at.

    Attributes
    ----------
    closed : Signal()
        A person hid or deleted the layer.
    layers : DerivedLayers
        Keeps the layer.
    """

    closed = Signal()

    def __init__(self, viewer: Any, session: Session, controller: Controller) -> None:
        self._session = session
        self._controller = controller
        self._layer = PreviewLayer(viewer)
        self._offer: Offer | None = None
        self.layers = self._layer.layers
        self.layers.visible_changed.connect(self._on_shown)
        self.layers.deleted.connect(self._on_deleted)
        session.editor.display_changed.connect(self.update)
        controller.edits_changed.connect(self.update)

    def close(self) -> None:
        """Remove the layer and let go of everything."""
        self._session.editor.display_changed.disconnect(self.update, missing_ok=True)
        self._controller.edits_changed.disconnect(self.update, missing_ok=True)
        self._layer.close()
        self._offer = None

    def show(self, offer: Offer | None) -> None:
        """Preview an offer, or nothing."""
        self._offer = offer
        self.update()

    def hide(self) -> None:
        """Take the layer away until it is computed anew."""
        self._layer.hide()

    def update(self) -> None:
        """Compute the preview anew: the words, the labels or the image are others."""
        offer, work = self._offer, None
        if offer is not None:
            work = self._work(offer)
        if work is None:
            self._session.withdraw(_KIND)
            self._layer.hide()
        else:
            self._session.ask(_KIND, work)

    def _work(self, offer: Offer) -> Callable[[Ticket], Callable[[], None]] | None:
        """Return what computes the preview and then shows it; None if there can be none."""
        editor, segmenter = self._session.editor, self._session.segmenter
        view, before = in_view(self._session, self._controller), editor.vocabulary
        prompt = editor.find(offer.class_id)
        if view is None or before is None or segmenter is None or prompt is None:
            return None
        try:
            after = after_accepting(before, offer.class_id, offer.suggestion)
        except ItaclipError:
            return None
        name, locked, preset = prompt.name, editor.locked, self._session.settings.resolved()
        labels = view.entry.labels
        # Copies: the person may paint while the worker computes.
        present = np.array(view.plane.cut(labels.layer.data))
        mask = labels.edit_mask
        painted = None if mask is None else np.array(view.plane.cut(mask))

        def work(ticket: Ticket) -> Callable[[], None]:
            labels_after = offer.after
            if labels_after is None:
                found = effects(
                    segmenter,
                    view.shown,
                    before,
                    after,
                    offer.class_id,
                    refine=preset.refine,
                    decision=preset.decide,
                    check=ticket.check,
                )
                labels_after = tuple(effect.after.labels for effect in found)
            regions = [part.picture.region for part in view.shown.outcome.parts]
            patches = zip(regions, labels_after, strict=True)
            marks = preview_marks(present, patches, offer.class_id, painted=painted, locked=locked)

            def show() -> None:
                wanted = self._offer is not None and self._offer.key == offer.key
                if wanted and view.entry.target.alive and labels.alive:
                    self._layer.show(
                        view.image,
                        marks,
                        name,
                        plane=view.plane,
                        shape=labels.shape,
                        geometry=labels.geometry,
                    )

            return show

        return work

    def _on_shown(self, image: Layer, role: str, visible: bool) -> None:
        if not visible:
            self._forget()

    def _on_deleted(self, image: Layer, role: str) -> None:
        self._forget()

    def _forget(self) -> None:
        if self._offer is not None:
            self._offer = None
            self._session.withdraw(_KIND)
            self.closed.emit()
