"""Schedule names and run IDs as one URL segment, whatever characters they contain."""

from __future__ import annotations

import re

from werkzeug.routing import BaseConverter

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


class SegmentConverter(BaseConverter):
    """``<segment:name>`` in a route."""

    def to_python(self, value: str) -> str:
        return unescape(value)

    def to_url(self, value: str) -> str:
        return super().to_url(escape(value))
