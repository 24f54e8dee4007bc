"""Words of a run in arguments, such as ``${due}`` and ``${due:%Y-%m-%d}``: which there are, and their text."""

from __future__ import annotations

import re
from datetime import datetime

INSTANTS = ("due", "previous_due")  #: words that may have a format
WORDS = (*INSTANTS, "run", "attempt", "schedule")
DIRECTIVE = re.compile(r"%(?P<flag>[-_0^#]?)(?P<letter>.?)", re.DOTALL)
LETTERS = frozenset("aAbBcdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%")  #: what `date` and `strftime` have in common, but %f


def wrong_format(form: str) -> str:
    """Why a format of an instant cannot be meant, in a few words; empty if it can."""
    directives = [*DIRECTIVE.finditer(form)]
    if not directives:
        return "it has no directive such as %Y"
    unknown = next((match[0] for match in directives if match["letter"] not in LETTERS or not match["letter"]), None)
    return f"{unknown} is no directive" if unknown else ""


def in_format(instant: datetime | None, form: str) -> str:
    """An instant as its format says, in the instant's own zone; as ISO 8601 without one, and empty for no instant."""
    if instant is None:
        return ""
    # strftime would count the seconds of %s from this machine's zone.
    seconds = str(int(instant.timestamp()))
    form = DIRECTIVE.sub(lambda match: seconds if match["letter"] == "s" else match[0], form)
    return instant.strftime(form) if form else instant.isoformat()
