"""Join a schedule file and its included files into one document; positions name the file."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from scheduler.model import Position, Problem
from scheduler.schedule_file.document import Document, Positions, printable
from scheduler.schedule_file.document import Path as KeyPath

SHARED = ("schedules", "calendars")  #: keys allowed in an included file, beside alerts: with sinks: alone
MAX_FILES = 1000
MAX_BYTES_TOGETHER = 20_000_000
NO_MATCH = "check the pattern, which is relative to this file's directory; ignore this if the files come later"
UNREAD = "create it, fix its mode, or change include:"

Read = Callable[[Path], Document]  #: reads one file


def patterns(document: Document) -> list[tuple[KeyPath, str]]:
    """The patterns under ``include:``, one or a list, each with its key path; the validator reports other values."""
    include = document.data.get("include")
    items = list(enumerate(include)) if isinstance(include, list) else []
    texts = [(("include",), include)] if isinstance(include, str) else [(("include", index), it) for index, it in items]
    return [(path, text.strip()) for path, text in texts if isinstance(text, str) and text.strip()]


def included(directory: Path, pattern: str) -> list[Path]:
    """The files that a pattern matches, sorted. One without ``*``, ``?`` and ``[`` is that file, even if missing."""
    if not glob.has_magic(pattern):
        return [directory / pattern]
    try:
        return [directory / name for name in sorted(glob.glob(pattern, root_dir=directory))]
    except ValueError:  # a name that no file system allows
        return []


def join(main: Document, path: Path, read: Read) -> Document:
    """The main document, with the data of all included files."""
    wanted = patterns(main)
    if not wanted:
        return main
    joined = Joined(main)
    seen = {path.absolute()}
    for at, pattern in wanted:
        files = included(path.parent, pattern)
        for file in files:
            if file.absolute() not in seen:
                seen.add(file.absolute())
                joined.add(file, at, read)
        if not files:
            joined.note(at, f"include: {printable(repr(pattern))} matches no file", NO_MATCH, "warning")
    return joined.document(tuple(pattern for _, pattern in wanted))


class Joined:
    """Merges included files into the main document."""

    def __init__(self, main: Document) -> None:
        self.main = main
        own = main.data.items()
        self.data = {key: dict(value) if key in SHARED and isinstance(value, dict) else value for key, value in own}
        self.problems = list(main.problems)
        self.parts: dict[KeyPath, Positions] = {}
        self.files: list[Path] = []
        self.digest = hashlib.sha256(main.digest.encode())
        self.length = 0
        self.incomplete = main.incomplete
        self.unended = main.unended

    def add(self, file: Path, at: KeyPath, read: Read) -> None:
        """Read an included file and merge it; ``at`` is the place of ``include`` that names it."""
        if len(self.files) >= MAX_FILES or self.length > MAX_BYTES_TOGETHER:
            if not self.incomplete:
                what = (
                    f"the included files are more than {MAX_FILES}, or larger than {MAX_BYTES_TOGETHER // 1_000_000} MB"
                )
                self.note(at, what, "include fewer")
            self.incomplete = True
            return
        part = read(file)
        self.files.append(file)
        self.length += part.length
        self.digest.update(f"{file.name} {part.digest}\n".encode("utf-8", "surrogatepass"))
        self.incomplete |= part.incomplete
        self.unended += part.unended
        self.problems += [it if it.position else self.unread(it, at) for it in part.problems]
        for key, value in part.data.items():
            self.take(key, value, part)

    def unread(self, problem: Problem, at: KeyPath) -> Problem:
        """A problem of a file that cannot be read, at the place that includes it."""
        return replace(problem, position=self.main.positions.nearest(at), remedy=UNREAD)

    def take(self, key: str, value: Any, part: Document) -> None:
        """Merge one key of an included file."""
        if key == "alerts" and isinstance(value, dict) and value.keys() == {"sinks"}:
            self.take_sinks(value["sinks"], part)
        elif key not in SHARED:
            what = f"{printable(repr(key))} is not allowed in an included file"
            remedy = (
                f"move it to {self.main.name}; included files may have only schedules, calendars and alerts: sinks:"
            )
            self.problem(part.positions.key((key,)), what, remedy)
        elif isinstance(value, dict):
            self.merge(key, value, part)
        elif value is not None or key == "schedules":
            what = f"{key} must be a mapping" if value is not None else f"{key} is empty"
            self.problem(part.positions.nearest((key,)), what, "write name: below it, or {} for none")

    def merge(self, key: str, value: Mapping[str, Any], part: Document) -> None:
        """Merge the schedules or calendars of an included file."""
        mine = self.data.setdefault(key, {})
        if isinstance(mine, dict):  # or else the validator reports it
            self.merge_into(mine, (key,), value, part)

    def take_sinks(self, sinks: Any, part: Document) -> None:
        """Merge the sinks of an included file. They get what names them: what names no sink goes to the main file's."""
        alerts = self.data.get("alerts", {})
        own = alerts.get("sinks", {}) if isinstance(alerts, dict) else None
        if not isinstance(sinks, dict):
            place = part.positions.nearest(("alerts", "sinks"))
            self.problem(place, "sinks must be a mapping", "write name: below it")
        elif isinstance(own, dict):
            merged = dict(own)
            self.data["alerts"] = {"to": [*own], **alerts, "sinks": merged}
            self.merge_into(merged, ("alerts", "sinks"), sinks, part)

    def merge_into(self, mine: dict[str, Any], path: KeyPath, value: Mapping[str, Any], part: Document) -> None:
        """Add what an included file has at a path to what there is; a name that exists already is a problem."""
        for name, item in value.items():
            if name in mine:
                place = part.positions.key((*path, name))
                first = self.parts.get((*path, name), self.main.positions).key((*path, name))
                what = f"{str(path[-1])[:-1]} {printable(repr(name))} is declared twice: {first} and {place}"
                self.problem(place, what, "delete or rename one of them", name if path == ("schedules",) else "")
            else:
                mine[name] = item
                self.parts[*path, name] = part.positions

    def note(self, at: KeyPath, what: str, remedy: str, severity: Any = "error") -> None:
        place = self.main.positions.nearest(at)
        self.problems.append(Problem(what, remedy, key="include", position=place, severity=severity))

    def problem(self, place: Position, what: str, remedy: str, schedule: str = "") -> None:
        self.problems.append(Problem(what, remedy, printable(schedule, 100), position=place))

    def document(self, patterns: tuple[str, ...]) -> Document:
        """The main document with everything merged; ``patterns`` are those of ``include``."""
        positions = JoinedPositions(self.main.positions, self.parts)
        return replace(
            self.main,
            data=self.data,
            positions=positions,
            problems=tuple(self.problems),
            digest=self.digest.hexdigest()[:12],
            files=tuple(self.files),
            patterns=patterns,
            incomplete=self.incomplete,
            unended=self.unended,
        )


class JoinedPositions(Positions):
    """Positions in all files; the first two keys of a path decide in which one, or three for a sink."""

    def __init__(self, main: Positions, parts: Mapping[KeyPath, Positions]) -> None:
        super().__init__(main.file, lambda: main.root)
        self.parts = parts

    def part(self, path: KeyPath) -> Positions | None:
        """Those of the included file that has this path; None for the main file."""
        part = self.parts.get(path[:2])
        return self.parts.get(path[:3]) if part is None else part

    def __getitem__(self, path: KeyPath) -> Position:
        part = self.part(path)
        return super().__getitem__(path) if part is None else part[path]

    def __iter__(self) -> Iterator[KeyPath]:
        yield from super().__iter__()
        for start, part in self.parts.items():
            yield from (path for path in part if path[: len(start)] == start)

    def key(self, path: KeyPath) -> Position:
        part = self.part(path)
        return super().key(path) if part is None else part.key(path)

    def nearest(self, path: KeyPath) -> Position:
        part = self.part(path)
        return super().nearest(path) if part is None else part.nearest(path)
