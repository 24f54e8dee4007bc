"""The parts of a traceback: what a person wrote, and what the libraries below it did."""

from __future__ import annotations

import re
from dataclasses import dataclass

LIBRARY = re.compile(r'File "[^"]*(?:/site-packages/|/dist-packages/|/lib/python|<frozen )')
FRAME = re.compile(r'^ +File "[^"]+", line \d+')


@dataclass
class Part:
    """Neighbouring lines; ``is_library`` for frames of code that is not the application's."""

    is_library: bool
    text: str
    frames: int = 0


def of(traceback: str) -> list[Part]:
    """The traceback in its order, library frames in a row as one part; one part where no frame is the application's."""
    parts: list[Part] = []
    is_library = False
    for line in traceback.splitlines():
        if FRAME.match(line):
            is_library = bool(LIBRARY.search(line))
        elif not line.startswith(" "):
            is_library = False
        if not parts or parts[-1].is_library != is_library:
            parts.append(Part(is_library, line))
        else:
            parts[-1].text += f"\n{line}"
        parts[-1].frames += bool(FRAME.match(line))
    own = [part for part in parts if part.frames and not part.is_library]
    return parts if own else [Part(False, traceback)] if traceback else []


def innermost(traceback: str) -> str:
    """The lines of the innermost frame of the application; empty where there is none."""
    parts = [part for part in of(traceback) if part.frames and not part.is_library]
    lines = parts[-1].text.splitlines() if parts else []
    starts = [number for number, line in enumerate(lines) if FRAME.match(line)]
    return "\n".join(line for line in lines[starts[-1] :] if line.startswith(" ")) if starts else ""
