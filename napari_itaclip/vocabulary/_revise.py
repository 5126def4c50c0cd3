"""Writing changed values into YAML text and leaving all other lines as they are.

A person's file keeps its comments, order, quotes and blank lines: what did not change is copied
line by line, only what did is written anew. Comments above an entry go with it; those inside an
entry that is written anew are put above it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

WIDTH = 96
"""Where written lines are wrapped."""

_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")  # what YAML counts as the end of a line
_ASIDE = re.compile(r"\s*(?:#.*|---\s*(?:#.*)?|%.*)?")
_DASH = re.compile(r"( *)- +")


class NotPlainError(Exception):
    """The text is laid out in a way that is not revised line by line."""


@dataclass
class _Entry:
    """One item of a block: the comments above it, its lines, and what they hold."""

    key: Any
    lead: list[str]
    body: list[str]
    first: int
    value: Any  # a node of PyYAML, which has no types


@dataclass
class _Text:
    """The lines of the old text, without their ends, and the comments at each."""

    lines: list[str]
    comments: dict[int, str]


def revise(
    text: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    pinned: Callable[[tuple[Any, ...], str], bool] = lambda where, key: False,
) -> str:
    """Return ``text``, which holds ``old``, changed so that it holds ``new``.

    Parameters
    ----------
    text
        YAML: a block mapping, or a block list that stands for its key ``classes``.
    old, new
        Plain values. What they agree in is not touched, also where the text leaves it out.
    pinned
        Tells for the place of a mapping and a key whether the key is written even so.

    Raises
    ------
    NotPlainError
        When the text is in flow style at its root, or otherwise unusual. The result must be read
        again and compared in any case: this function knows lines, not all of YAML.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    held = _Text(_BREAK.split(text), _comments(text))
    if held.lines and held.lines[-1] == "":
        del held.lines[-1]
    end = len(held.lines)
    reviser = _Reviser(held, pinned)
    if isinstance(root, yaml.SequenceNode):
        if {key: old[key] for key in old if key != "classes"} != {
            key: new[key] for key in new if key != "classes"
        }:
            # A bare list has no place for more than classes.
            return revise(f"classes:\n{text}", old, new, pinned=pinned)
        lines = reviser.block(root, 0, end, old["classes"], new["classes"], ("classes",))
    else:
        lines = reviser.block(root, 0, end, old, new, ())
    newline = "\r\n" if "\r\n" in text else "\n"
    return newline.join([*lines, ""])


@dataclass
class _Reviser:
    """The recursion over blocks."""

    text: _Text
    pinned: Callable[[tuple[Any, ...], str], bool]

    def block(
        self, node: Any, start: int, end: int, old: Any, new: Any, where: tuple[Any, ...]
    ) -> list[str]:
        """Return the lines ``start`` to ``end``, which hold a block collection, revised."""
        if isinstance(node, yaml.MappingNode) and isinstance(old, Mapping):
            column, entries, tail = self._entries(node, start, end)
            wanted = self._mapping(entries, old, new, where, column)
        elif isinstance(node, yaml.SequenceNode) and isinstance(old, list):
            column, entries, tail = self._entries(node, start, end)
            if len(entries) != len(old):
                raise NotPlainError("not one entry per item")
            wanted = self._sequence(entries, old, new, where, column)
        else:
            raise NotPlainError("neither a list nor a mapping")
        kept = {entry.first for entry, _ in wanted if entry is not None}
        # Comments set off by a blank line belong to what follows, also when an entry is removed;
        # those at the top of the file belong to the file.
        orphans: dict[int, list[str]] = {}
        prefix: list[str] = []
        for at, entry in enumerate(entries):
            if at == 0 and start == 0:
                prefix, entry.lead = entry.lead, []
            if entry.first not in kept:
                follower = next((e for e in entries[at:] if e.first in kept), None)
                place = -1 if follower is None else follower.first
                orphans[place] = [*orphans.get(place, []), *_header(entry.lead)]
        lines = prefix
        for known, body in wanted:
            if known is not None:
                lines += [*orphans.get(known.first, []), *known.lead]
            lines += body
        return [*lines, *orphans.get(-1, []), *tail]

    def _mapping(
        self,
        entries: list[_Entry],
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        where: tuple[Any, ...],
        column: int,
    ) -> list[tuple[_Entry | None, list[str]]]:
        """Return the entries of a revised mapping with their lines."""
        written = {entry.key for entry in entries}
        added = [
            key
            for key in new
            if key not in written and (new[key] != old.get(key) or self.pinned(where, key))
        ]
        result: list[tuple[_Entry | None, list[str]]] = []
        fresh = [(None, _render({key: new[key]}, column)) for key in added]
        for entry in entries:
            if entry.key == "classes" and not where:
                result += fresh  # the long list stays last
                fresh = []
            same = old.get(entry.key) == new.get(entry.key)
            if same and not self._pins_below((*where, entry.key), new.get(entry.key)):
                result.append((entry, entry.body))
            elif entry.key in new:
                value = (old.get(entry.key), new[entry.key])
                lines = self._value(entry, {entry.key: value[1]}, *value, where, column)
                result.append((entry, lines))
        return [*result, *fresh]

    def _sequence(
        self,
        entries: list[_Entry],
        old: list[Any],
        new: list[Any],
        where: tuple[Any, ...],
        column: int,
    ) -> list[tuple[_Entry | None, list[str]]]:
        """Return the entries of a revised list with their lines."""
        free = list(range(len(old)))
        result: list[tuple[_Entry | None, list[str]]] = []
        for item in new:
            at = next((at for at in free if old[at] == item), None)
            if at is None:
                at = next((at for at in free if _same_thing(old[at], item)), None)
            if at is None:
                result.append((None, _render([item], column)))
                continue
            free.remove(at)
            place = (*where, at)
            if old[at] == item and not self._pins_below(place, item):
                result.append((entries[at], entries[at].body))
            else:
                lines = self._value(entries[at], [item], old[at], item, where, column)
                result.append((entries[at], lines))
        return result

    def _pins_below(self, where: tuple[Any, ...], value: Any) -> bool:
        """Tell whether some key at or below a place must be written."""
        if isinstance(value, Mapping):
            return any(
                self.pinned(where, key) or self._pins_below((*where, key), item)
                for key, item in value.items()
            )
        if isinstance(value, list):
            return any(self._pins_below((*where, at), item) for at, item in enumerate(value))
        return False

    def _value(
        self,
        entry: _Entry,
        whole: Any,
        old: Any,
        new: Any,
        where: tuple[Any, ...],
        column: int,
    ) -> list[str]:
        """Return the lines of an entry with a new value: revised inside, or written anew."""
        try:
            return self._inside(entry, old, new, (*where, entry.key))
        except NotPlainError:
            pass
        lines = _render(whole, column)
        span = range(entry.first, entry.first + len(entry.body))
        comments = [self.text.comments[line] for line in span if line in self.text.comments]
        if len(comments) == len(lines) == 1:
            return [f"{lines[0]}  {comments[0]}"]
        return [*(" " * column + comment for comment in comments), *lines]

    def _inside(self, entry: _Entry, old: Any, new: Any, where: tuple[Any, ...]) -> list[str]:
        """Revise the block that is the value of an entry."""
        node = entry.value
        if not isinstance(node, yaml.CollectionNode) or node.flow_style:
            raise NotPlainError("not a block")
        if type(old) is not type(new) or not new:
            raise NotPlainError("another kind of value")
        line = int(node.start_mark.line)
        end = entry.first + len(entry.body)
        if line > entry.first:  # the block begins below its key or dash
            if not isinstance(entry.key, str):
                raise NotPlainError("a dash alone in its line")
            head = entry.body[: line - entry.first]
            # Comments between the key and its first entry belong to the block.
            return [head[0], *self.block(node, entry.first + 1, end, old, new, where)]
        before = self.text.lines[line][: node.start_mark.column]
        found = _DASH.fullmatch(before)
        if found is None:
            raise NotPlainError("a block in the line of something else")
        kept = self.text.lines[line]
        self.text.lines[line] = " " * len(before) + kept[len(before) :]
        try:
            lines = self.block(node, line, end, old, new, where)
        finally:
            self.text.lines[line] = kept
        first = next(at for at, content in enumerate(lines) if not _ASIDE.fullmatch(content))
        dash = len(found[1])
        lines[first] = f"{lines[first][:dash]}-{lines[first][dash + 1 :]}"
        return lines

    def _entries(self, node: Any, start: int, end: int) -> tuple[int, list[_Entry], list[str]]:
        """Split a block into its entries; also return its column and the lines after the last."""
        if node.flow_style:
            raise NotPlainError("in flow style")
        is_mapping = isinstance(node, yaml.MappingNode)
        pairs: list[tuple[Any, Any]] = node.value if is_mapping else list(enumerate(node.value))
        column = int(node.start_mark.column)
        entries: list[_Entry] = []
        position = start
        for key, value in pairs:
            mark = (key if is_mapping else value).start_mark
            first = int(mark.line)
            if not is_mapping:
                found = _DASH.fullmatch(self.text.lines[first][: mark.column])
                if found is None or len(found[1]) != column:
                    raise NotPlainError("a list that is not one item per dash")
            lead = self.text.lines[position:first]
            if first < position or not all(_ASIDE.fullmatch(line) for line in lead):
                raise NotPlainError("several entries in one line")
            position = _last_line(value, first) + 1
            name = key.value if is_mapping else key
            entries.append(_Entry(name, lead, self.text.lines[first:position], first, value))
        return column, entries, self.text.lines[position:end]


def _last_line(node: Any, first: int) -> int:  # a node of PyYAML
    """Return the last line that belongs to a value, without comments below it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        mark = node.end_mark
        at_next = mark.column == 0 and mark.line > first  # as block scalars end
        return max(int(mark.line) - int(at_next), first)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last, first)


def _header(lead: list[str]) -> list[str]:
    """Return the part of the lines above an entry that is set off from it by a blank line."""
    blank = max((at for at, line in enumerate(lead) if not line.strip()), default=-1)
    header = lead[: blank + 1]
    return header if any("#" in line for line in header) else []


def _same_thing(old: object, new: object) -> bool:
    """Tell whether a new item is an old one with other values: by its id, or else by its text."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return False
    key = next((key for key in ("id", "text", "word") if key in new), None)
    return key is not None and key in old and old[key] == new[key]


def _render(value: Any, column: int) -> list[str]:
    """Return a value as lines of block style that begin at a column."""
    text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=WIDTH - column)
    return [" " * column + line for line in text.splitlines()]


def _comments(text: str) -> dict[int, str]:
    """Return the comments of YAML text by line (from 0): they stand between tokens."""
    comments: dict[int, str] = {}
    end, line = 0, 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        between = _BREAK.split(text[end : token.start_mark.index])
        for offset, piece in enumerate(between):
            if "#" in piece:
                comments[line + offset] = piece[piece.index("#") :].rstrip()
        end, line = token.end_mark.index, int(token.end_mark.line)
    return comments
