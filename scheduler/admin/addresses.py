"""Names and run identities as one segment of a URL, whatever characters they hold."""

from __future__ import annotations

import re

from werkzeug.routing import BaseConverter

TAKEN = ("", ".", "..", "new")  #: would be another page, or be resolved away by the browser


def escape(text: str) -> str:
    """The text without slashes and unlike any taken segment; ``unescape`` gives it back."""
    escaped = re.sub(r"[~/\\]", lambda found: f"~{ord(found[0]):02X}", text)
    if escaped in TAKEN:
        return f"~{ord(text[0]):02X}{text[1:]}" if text else "~"
    return escaped


def unescape(segment: str) -> str:
    """What ``escape`` was given."""
    return "" if segment == "~" else re.sub(r"~([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), segment)


class SegmentConverter(BaseConverter):
    """``<segment:name>`` in a route."""

    def to_python(self, value: str) -> str:
        return unescape(value)

    def to_url(self, value: str) -> str:
        return super().to_url(escape(value))
