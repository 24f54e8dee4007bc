"""A line chart as SVG text, both axes logarithmic: readable in light and dark, and drawn without a library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 168, 64, 56  #: what is left free around the lines
TEXT_HEIGHT = 16
STYLE = """
  svg { font: 13px system-ui, sans-serif; --paper: #fcfcfb; --ink: #0b0b0b; --quiet: #52514e; --grid: #e3e2de;
        --line-0: #5598e7; --line-1: #2a78d6; --line-2: #1c5cab; --line-3: #0d366b; }
  @media (prefers-color-scheme: dark) {
    svg { --paper: #1a1a19; --ink: #ffffff; --quiet: #c3c2b7; --grid: #383835;
          --line-0: #256abf; --line-1: #3987e5; --line-2: #6da7ec; --line-3: #b7d3f6; }
  }
  .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
  .quiet { fill: var(--quiet); } .name { fill: var(--ink); } .grid { stroke: var(--grid); }
  polyline { fill: none; stroke-width: 2; } circle { stroke: var(--paper); stroke-width: 2; }
"""
Line = Sequence[tuple[float, float]]


def draw(title: str, x_name: str, y_name: str, lines: Mapping[str, Line]) -> str:
    """The chart of these lines, each with its name at its end; every value is above 0."""
    points = [point for line in lines.values() for point in line]
    across = Scale([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = Scale([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="var(--paper)"/>', text(16, 24, title, "title")]
    parts += [text(16, 44, y_name, "quiet"), text(LEFT, HEIGHT - 12, x_name, "quiet")]
    for value in up.ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {up(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(text(LEFT - 8, up(value) + 4, f"{value:,g}", "quiet", "end"))
    parts += [text(across(value), HEIGHT - BOTTOM + 22, f"{value:,.0f}", "quiet", "middle") for value in across.ticks]
    for number, line in enumerate(lines.values()):
        parts += curve(f"var(--line-{number % 4})", [(across(x), up(y)) for x, y in line], line)
    parts += names({name: (across(line[-1][0]), up(line[-1][1])) for name, line in lines.items()})
    body = "\n".join(parts)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    return f"{head} aria-label={escape(title)!r}>\n<style>{STYLE}</style>\n{body}\n</svg>\n"


class Scale:
    """Places values between two ends of an axis; the powers of ten around them are its ticks."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.ticks = [10.0**power for power in range(low, max(high, low + 1) + 1)]
        self.low, self.high = low, max(high, low + 1)
        self.begin, self.end = begin, end

    def __call__(self, value: float) -> float:
        return self.begin + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.begin)


def curve(colour: str, places: Sequence[tuple[float, float]], values: Line) -> list[str]:
    """A line with a point for each value, which says its numbers where a mouse is over it."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" stroke="{colour}"/>']
    for (x, y), (across, up) in zip(places, values, strict=True):
        said = f"<title>{across:,.0f}: {up:,.0f}</title>"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}">{said}</circle>')
    return parts


def names(ends: Mapping[str, tuple[float, float]]) -> list[str]:
    """The name of each line beside its last point, moved down where it would touch the one above."""
    parts, lowest = [], -math.inf
    for name, (x, y) in sorted(ends.items(), key=lambda it: it[1][1]):
        lowest = max(y + 4, lowest + TEXT_HEIGHT)
        parts.append(text(x + 12, lowest, name, "name"))
    return parts


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
