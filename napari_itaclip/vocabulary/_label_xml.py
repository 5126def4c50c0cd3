"""Label configurations of annotation tools that are written as XML: CVAT and Label Studio.

Read with defusedxml: document types, entities and whatever else could reach outside the file or
grow inside it are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from napari_itaclip.errors import VocabularyError

MAX_DEPTH = 64
"""Deeper nesting is refused; CVAT's files have seven levels."""

MAX_LABELS = 100_000
"""More labels than anybody has."""


class _BoundedBuilder(TreeBuilder):
    """A tree that does not grow deeper than `MAX_DEPTH`."""

    depth = 0

    def start(self, tag: Any, attrs: Any, /) -> Element:
        """Open an element."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise VocabularyError(f"nested deeper than {MAX_DEPTH} levels")
        return super().start(tag, attrs)

    def end(self, tag: Any, /) -> Element:
        """Close an element."""
        self.depth -= 1
        return super().end(tag)


def labels_in_xml(text: str) -> list[dict[str, str | None]]:
    """Return the labels of a CVAT or Label Studio configuration.

    Parameters
    ----------
    text
        CVAT: a task's XML (``labels/label/name`` anywhere) or the labels alone. Label Studio: a
        labelling interface (``<Label value="…" background="…">`` inside ``BrushLabels``,
        ``PolygonLabels`` or any other control).

    Returns
    -------
    list of dict
        ``name`` and ``color`` of each label; repeated labels are not yet merged. A label that is
        part of another one (a skeleton's point) is left out.

    Raises
    ------
    VocabularyError
        For XML that is broken or unsafe, or that holds no labels.
    """
    builder = _BoundedBuilder()
    parser = DefusedXMLParser(target=builder, forbid_dtd=True)
    try:
        # An encoding declared in text that is decoded already would be obeyed a second time.
        parser.feed(_without_declaration(text))
        root = parser.close()
    except DefusedXmlException as error:
        raise VocabularyError(
            "the file declares a document type or entities, which are not read: remove "
            "<!DOCTYPE …> and <!ENTITY …>"
        ) from error
    except ParseError as error:
        raise VocabularyError(
            f"line {error.position[0]}: this is not valid XML: {error}"
        ) from error
    except VocabularyError as error:
        line = parser.parser.CurrentLineNumber
        raise VocabularyError(f"line {line}: {error}") from None
    labels = list(_cvat(root)) or list(_label_studio(root))
    if not labels:
        raise VocabularyError(
            f"no labels were found below <{root.tag}>: expected CVAT's "
            '<labels><label><name>, or Label Studio\'s <Label value="…">'
        )
    if len(labels) > MAX_LABELS:
        raise VocabularyError(f"{len(labels)} labels are more than the {MAX_LABELS} that are read")
    return labels


def _cvat(root: Element) -> Iterator[dict[str, str | None]]:
    """Find CVAT's labels: elements ``label`` with a child ``name``."""
    for element in root.iter("label"):
        if element.find("name") is not None and not (element.findtext("parent") or "").strip():
            yield {"name": element.findtext("name"), "color": element.findtext("color")}


def _label_studio(root: Element) -> Iterator[dict[str, str | None]]:
    """Find Label Studio's labels: elements ``Label`` with a ``value``."""
    for element in root.iter("Label"):
        yield {"name": element.get("value"), "color": element.get("background")}


def _without_declaration(text: str) -> str:
    """Blank out ``<?xml …?>`` so that line numbers stay."""
    if not text.startswith("<?xml"):
        return text
    end = text.find("?>")
    return text if end < 0 else "\n" * text.count("\n", 0, end) + text[end + 2 :]
