"""XML of annotation tools: written so that every name survives, read without traps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from napari_itaclip.errors import FormatError
from napari_itaclip.formats.model import LabelClass, Loss
from napari_itaclip.formats.parts.exchange import unique_names

MAX_DEPTH = 64
"""Deeper nesting is refused; annotation tools need fewer than ten levels."""

MAX_TEXT = 64 * 2**20
"""Longest text of one element, in characters."""

_CHUNK = 1 << 20
_WHITE_SPACE = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def xml_name(name: str) -> str:
    """Return a name with characters that XML cannot hold replaced."""
    return "".join(char if _allowed(ord(char)) else _REPLACEMENT for char in name)


def class_names(classes: Sequence[LabelClass]) -> dict[int, str]:
    """Return, by class id, the names as XML can hold them; all differ."""
    names = unique_names(xml_name(one.name) for one in classes)
    return {one.id: name for one, name in zip(classes, names, strict=True)}


def name_losses(classes: Sequence[LabelClass]) -> tuple[Loss, ...]:
    """Return the loss of names that had to change."""
    names = class_names(classes)
    changed = [f"{one.name!r} → {names[one.id]!r}" for one in classes if names[one.id] != one.name]
    return (Loss("names changed", "; ".join(changed)),) if changed else ()


def _allowed(code: int) -> bool:
    """Tell whether XML 1.0 can hold a character."""
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or code >= 0x10000
    )


def text(value: Any) -> str:
    """Return a value as the text of an element; white space stays as it is."""
    return escape(xml_name(str(value)), _WHITE_SPACE)


def attributes(**values: Any) -> str:
    """Return attributes with a blank before each; ``_`` at the end of a name is left out."""
    return "".join(
        f" {key.rstrip('_').replace('__', '-')}={quoteattr(xml_name(str(value)), _WHITE_SPACE)}"
        for key, value in values.items()
    )


@dataclass(frozen=True)
class Events:
    """What to do with the parts of an XML file.

    Attributes
    ----------
    start : callable
        Gets the path of tags down to an element that begins, its attributes, and where its first
        byte stands in the file.
    end : callable
        Gets the path, the text directly inside, and where the first byte of its closing tag
        stands (of the element itself if it is written as one tag).
    """

    start: Callable[[tuple[str, ...], dict[str, str], int], None]
    end: Callable[[tuple[str, ...], str, int], None]


class _Target:
    """Passes on what the parser finds; keeps nothing but the open elements."""

    def __init__(self, events: Events) -> None:
        """Start with nothing open."""
        self.events = events
        self.parser: Any = None
        self.path: list[str] = []
        self.texts: list[list[str]] = []
        self.length = 0

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        """Open an element."""
        if len(self.path) >= MAX_DEPTH:
            raise FormatError(f"nested deeper than {MAX_DEPTH} levels")
        self.path.append(tag)
        self.texts.append([])
        self.length = 0
        self.events.start(tuple(self.path), attrs, self.parser.CurrentByteIndex)

    def data(self, data: str) -> None:
        """Collect text."""
        self.length += len(data)
        if self.length > MAX_TEXT:
            raise FormatError(f"a text of more than {MAX_TEXT} characters")
        if self.texts:
            self.texts[-1].append(data)

    def end(self, _tag: str) -> None:
        """Close an element."""
        found = "".join(self.texts.pop())
        self.events.end(tuple(self.path), found, self.parser.CurrentByteIndex)
        self.path.pop()

    def close(self) -> None:
        """Finish."""


def parse(stream: BinaryIO, events: Events, where: str) -> None:
    """Go through an XML file piece by piece, without keeping it.

    Document types, entities and references to other files are refused.

    Parameters
    ----------
    stream
        The file's bytes.
    events
        What to do with its elements.
    where
        What to call the file in errors.

    Raises
    ------
    FormatError
        If the XML is broken, unsafe or nested too deeply; names the line.
    """
    target = _Target(events)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.parser = parser.parser
    try:
        while chunk := stream.read(_CHUNK):
            parser.feed(chunk)
        parser.close()
    except DefusedXmlException as error:
        raise FormatError(
            f"{where} declares a document type or entities, which are not read: remove "
            "<!DOCTYPE …> and <!ENTITY …>"
        ) from error
    except ParseError as error:
        raise FormatError(
            f"{where}, line {error.position[0]}: this is not valid XML: {error}"
        ) from error
    except (LookupError, UnicodeError) as error:
        raise FormatError(f"{where} is in an encoding that cannot be read: {error}") from error
    except FormatError as error:
        line = parser.parser.CurrentLineNumber
        raise FormatError(f"{where}, line {line}: {error}") from None


def root_tag(path: Path) -> str | None:
    """Return the name of the first element of a file that begins like XML, else None.

    Reads the first kilobytes only.
    """
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return None
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return None
    for piece in head.split(b"<")[1:]:
        if piece[:1] not in (b"?", b"!"):
            name = piece.replace(b"/", b" ").replace(b">", b" ").split()
            return name[0].decode("utf-8", "replace") if name else None
    return None
