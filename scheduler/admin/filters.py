"""Template filters: instants, durations and values in readable form."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from scheduler.status.rows import EXPECTED_FAILURE, STATES
from scheduler.storage.instants import from_seconds, iso
from scheduler.timing import get_zone

Instant = datetime | float | None
#: Least seconds, seconds per unit, unit; the same table as in live.js.
UNITS = ((5_184_000, 2_592_000, "months"), (172_800, 86_400, "days"), (5_400, 3_600, "h"), (90, 60, "min"))
TONES = {
    "good": ("ok", "succeeded"),
    "bad": ("failed", "lost", "quarantined", "overdue", "unreadable"),
    "busy": ("running", "queued"),
    "held": ("paused", "skipped", "stopped"),
}


def add_filters(app: Flask) -> None:
    """Register the filters and globals that templates use."""
    times = (iso, absolute, relative, length_of, delay, with_seconds, clock_change)
    for filter_ in (*times, brief, local_field, value, pretty, marked, sentence, capital, size, first_line, tone):
        app.add_template_filter(filter_)
    app.jinja_env.globals["states"] = STATES
    app.jinja_env.globals["expected_failure"] = EXPECTED_FAILURE


def moment(instant: Instant) -> datetime | None:
    """An aware instant; None for 0 and None."""
    return instant if isinstance(instant, datetime) else from_seconds(instant) if instant else None


def absolute(instant: Instant, zone: str = "UTC", seconds: bool | None = None) -> str:
    """``Thu 26 Nov 02:30 EST``: with seconds unless they are 0, with the year unless it is this year."""
    aware = moment(instant)
    if aware is None:
        return "–"
    local = aware.astimezone(get_zone(zone))
    year = "" if local.year == datetime.now(local.tzinfo).year else " %Y"
    return local.strftime(f"%a %d %b{year} %H:%M{':%S' if (local.second if seconds is None else seconds) else ''} %Z")


def local_field(instant: Instant, zone: str) -> str:
    """``2026-11-26T02:30``, as a field for a local time holds it."""
    aware = moment(instant)
    local = aware.astimezone(get_zone(zone)).replace(tzinfo=None) if aware else None
    return local.isoformat(timespec="seconds").removesuffix(":00") if local else ""


def brief(instant: Instant) -> str:
    """``11:27 UTC``; of another day ``28 Nov``, of another year ``28 Nov 2025``."""
    aware = moment(instant)
    if aware is None:
        return ""
    today, day = datetime.now(UTC).date(), aware.astimezone(UTC).date()
    if day == today:
        return f"{aware:%H:%M} UTC"
    return f"{aware.day} {aware:%b}" if day.year == today.year else f"{aware.day} {aware:%b %Y}"


def with_seconds(instants: Iterable[Instant]) -> bool:
    """Whether an instant of the column has seconds: then the whole column shows them."""
    return any(aware.second for instant in instants if (aware := moment(instant)))


def relative(instant: Instant) -> str:
    """``in 4 min``, ``3 h ago``."""
    aware = moment(instant)
    if aware is None:
        return "never"
    seconds = aware.timestamp() - time.time()
    words = span(abs(seconds))
    return "now" if words == "0 s" else f"in {words}" if seconds > 0 else f"{words} ago"


def span(seconds: float) -> str:
    """A duration in one unit: rounded, and seconds rounded down."""
    for least, unit, name in UNITS:
        if seconds >= least:
            return f"{int(seconds / unit + 0.5)} {name}"
    return f"{int(seconds)} s"


def length_of(seconds: float | None) -> str:
    """A duration: ``20 ms``, ``1.25 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds is None:
        return "–"
    if seconds < 0.9995:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def delay(seconds: float | None) -> str:
    """A delay: ``+30 ms``."""
    return "–" if seconds is None else f"+{length_of(seconds)}"


def value(field: Any) -> str:
    """A field's value on one line: text as it is, anything else as JSON."""
    return field if isinstance(field, str) else json.dumps(field, ensure_ascii=False)


def pretty(text: str) -> str:
    """A result as indented JSON; unchanged if it is not JSON."""
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text


def marked(sentence: str) -> Markup:
    """A sentence as HTML, with text in backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(sentence))))  # noqa: S704 - escaped before


def sentence(text: str) -> str:
    """A remedy as a sentence: with a capital letter, unless a command comes first, and a full stop."""
    return f"{capital(text)}{'' if text.endswith(('.', '!', '?')) else '.'}"


def capital(text: str) -> str:
    """The text with a capital letter, unless a place in a file comes first: ``schedules.yaml:12:5:``."""
    return text if text.partition(" ")[0].endswith(":") else f"{text[:1].upper()}{text[1:]}"


def size(number: int) -> str:
    """``41.2 MB``."""
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"


def first_line(text: str, limit: int = 120) -> str:
    """The first line of a text, cut to ``limit`` characters."""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def tone(word: str) -> str:
    """The colour class of a state or an outcome."""
    return next((name for name, words in TONES.items() if word in words), "calm")


def clock_change(instant: datetime, zone: str) -> str:
    """The zone's clock change on the day of this instant, such as ``clocks go back 60 min``; empty without one."""
    # The page marks every run of the day on which the clocks change.
    midnight = instant.astimezone(get_zone(zone)).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    before, after = midnight.utcoffset(), (midnight + timedelta(days=1)).utcoffset()
    if before is None or after is None or before == after:
        return ""
    minutes = int(abs(after - before).total_seconds() // 60)
    return f"clocks go {'forward' if after > before else 'back'} {minutes} min"
