"""Schedule names and run IDs in the page's routes."""

from __future__ import annotations

from werkzeug.routing import BaseConverter

from scheduler.model.page import escape, unescape


class SegmentConverter(BaseConverter):
    """``<segment:name>`` in a route."""

    def to_python(self, value: str) -> str:
        return unescape(value)

    def to_url(self, value: str) -> str:
        return super().to_url(escape(value))
