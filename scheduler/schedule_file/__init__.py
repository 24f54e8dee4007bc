"""Read ``schedules.yaml`` into plain data, with line and column of every value.

No content makes this raise or hang: errors come back as problems.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import replace
from pathlib import Path

from scheduler.model import Position, Problem
from scheduler.schedule_file import quick
from scheduler.schedule_file.builder import Builder
from scheduler.schedule_file.document import Document, Node, Positions, owner, printable
from scheduler.schedule_file.scalars import plain
from scheduler.schedule_file.several import included, join

__all__ = [
    "Document",
    "Positions",
    "digest",
    "empty",
    "imports_of",
    "included",
    "owner",
    "parse",
    "parse_bytes",
    "plain",
    "printable",
    "read",
    "read_alone",
]

MAX_BYTES = 20_000_000
TOO_LARGE = f"the file is larger than {MAX_BYTES // 1_000_000} MB"
CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
IMPORTS = re.compile(rb"^imports[ \t]*:", re.MULTILINE)
NEXT_KEY = re.compile(rb"\n(?![ \t\r\n#-])(?=.)")
EXAMPLE = "write `schedules: {}` for none"


def parse(text: str, name: str) -> Document:
    """Parse the text of a schedule file; ``name`` is the file's name in positions."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > MAX_BYTES:
        return _refused(name, raw, TOO_LARGE, "split it")
    text = text.removeprefix("\ufeff")
    if control := CONTROL.search(text):
        what = f"the character U+{ord(control[0]):04X} is not allowed in YAML"
        return _refused(name, raw, what, "delete it", _place(text[: control.start()], name))
    data = quick.read(text)
    if data is not None:
        positions = Positions(name, lambda: Builder(text, name).build())
        return Document(name, data, positions, (), _digest(raw), len(raw))
    return _explained(text, name, raw)


def _explained(text: str, name: str, raw: bytes) -> Document:
    """The document of a text with anchors, tags or errors."""
    builder = Builder(text, name)
    root = builder.build()
    problems = builder.problems or _shape(root, name)
    data = root.value if root and isinstance(root.value, dict) else {}
    positions = Positions(name, lambda: root)
    cut_short = root is None and bool(builder.problems)
    return Document(name, data, positions, tuple(problems), _digest(raw), len(raw), cut_short)


def parse_bytes(raw: bytes, name: str) -> Document:
    """Parse the bytes of a schedule file."""
    if len(raw) > MAX_BYTES:
        return _refused(name, raw, TOO_LARGE, "split it")
    try:
        document = parse(raw.decode(), name)
    except UnicodeDecodeError as error:
        place = _place(raw[: error.start].decode(), name)
        return _refused(name, raw, "the file is not UTF-8 text", "save it as UTF-8", place)
    return replace(document, unended=(name,)) if _is_unended(raw) else document


def empty(path: Path) -> Document:
    """The document of a file without schedules."""
    return replace(parse("{}", str(path)), digest=_digest(b""))


def read(path: Path) -> Document:
    """Read and parse a file and its included files."""
    return join(read_alone(path), path, read_alone)


def read_alone(path: Path) -> Document:
    """Read and parse one file. If it cannot be read, the document has one problem, without a position."""
    name = str(path)
    try:
        raw = _bytes(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        remedy = "create it, or set SCHEDULER_FILE to another file"
        return _document(name, b"", Problem(f"{name} cannot be read: {reason.lower()}", remedy))
    return parse_bytes(raw, name)


def imports_of(path: Path) -> tuple[str, ...]:
    """The modules that a file imports; none if it cannot be read. Nearly always, only that part of it is parsed."""
    try:
        raw = _bytes(path)
    except (OSError, ValueError):
        return ()
    if b"imports" not in raw:
        return ()
    places = list(IMPORTS.finditer(raw))
    if len(places) == 1:
        end = NEXT_KEY.search(raw, places[0].end())
        part = parse_bytes(raw[places[0].start() : end.start() if end else len(raw)], str(path))
        if not part.problems:
            return part.imports
    return parse_bytes(raw, str(path)).imports


def digest(path: Path, patterns: tuple[str, ...]) -> str | None:
    """What ``read(path).digest`` is for a file that includes these; None if one cannot be read. Nothing is parsed."""
    joined = join(replace(_unparsed(path), data={"include": [*patterns]}), path, _unparsed)
    return None if any(problem.severity == "error" for problem in joined.problems) else joined.digest


def _unparsed(path: Path) -> Document:
    name = str(path)
    try:
        raw = _bytes(path)
    except (OSError, ValueError) as error:
        return _document(name, b"", Problem(str(error)))
    return Document(name, {}, Positions(name, lambda: None), (), _digest(raw), len(raw))


def _bytes(path: Path) -> bytes:
    """Read at most MAX_BYTES + 1 bytes; refuses a pipe or device, which could block."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise ValueError("it is a directory" if stat.S_ISDIR(mode) else "it is not a regular file")
        return file.read(MAX_BYTES + 1)


def _is_unended(raw: bytes) -> bool:
    """Whether the file may be cut short: its last line has no line break. A file in braces shows its own end."""
    return not raw.endswith((b"\n", b"\r")) and not raw.lstrip().startswith(b"{")


def _shape(root: Node | None, name: str) -> list[Problem]:
    if root is None or root.value is None:
        return [Problem("the file is empty", EXAMPLE, position=Position(name, 1, 1))]
    if not isinstance(root.value, dict):
        kind = "a list" if isinstance(root.value, list) else "a single value"
        place = Positions(name, lambda: root).at(root.place)
        return [Problem(f"the file is {kind}, not a mapping with keys such as schedules:", EXAMPLE, position=place)]
    return []


def _refused(name: str, raw: bytes, what: str, remedy: str, place: Position | None = None) -> Document:
    return _document(name, raw, Problem(what, remedy, position=place or Position(name, 1, 1)))


def _document(name: str, raw: bytes, problem: Problem) -> Document:
    return Document(name, {}, Positions(name, lambda: None), (problem,), _digest(raw), len(raw), incomplete=True)


def _place(before: str, name: str) -> Position:
    lines = re.split(r"\r\n|[\r\n\x85\u2028\u2029]", before)
    return Position(name, len(lines), len(lines[-1]) + 1)


def _digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()[:12]
