"""Addresses inside the page: schedule names and run IDs as one URL segment, whatever characters they contain."""

from __future__ import annotations

import re
from urllib.parse import quote

RESERVED = ("", ".", "..", "new")  #: segments that are another page, or that browsers resolve away


def escape(text: str) -> str:
    """Encode a text without slashes and unlike any RESERVED segment; ``unescape`` is the inverse."""
    escaped = re.sub(r"[~/\\]", lambda match: f"~{ord(match[0]):02X}", text)
    if escaped in RESERVED:
        return f"~{ord(text[0]):02X}{text[1:]}" if text else "~"
    return escaped


def unescape(segment: str) -> str:
    """Decode a segment made by ``escape``."""
    return "" if segment == "~" else re.sub(r"~([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), segment)


def schedule_path(name: str = "", run_id: str = "") -> str:
    """The path of a run's page, of its schedule's, or of the list of schedules."""
    segments = ["schedules", *([name] if name else []), *(["runs", run_id] if name and run_id else [])]
    return "".join(f"/{quote(escape(segment), safe='', errors='replace')}" for segment in segments)
