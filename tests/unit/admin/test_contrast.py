"""Whether the colours of the page can be read: WCAG 2.2, level AA."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scheduler.admin

STYLE = (Path(scheduler.admin.__file__).parent / "static" / "admin.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.S)[:2]
)
TEXT = [
    ("ink", "ground"),
    ("ink", "paper"),
    ("ink", "calm-ground"),
    ("soft", "ground"),
    ("soft", "paper"),
    ("link", "ground"),
    ("link", "paper"),
    ("on-strong", "strong"),
    ("good", "paper"),
    ("bad", "paper"),
    ("busy", "paper"),
    ("held", "paper"),
    ("good", "good-ground"),
    ("bad", "bad-ground"),
    ("busy", "busy-ground"),
    ("held", "held-ground"),
    ("soft", "held-ground"),
]
BORDERS = [("edge", "ground"), ("edge", "paper"), ("strong", "ground"), ("link", "paper")]


def luminance(colour: str) -> float:
    """Relative luminance of a colour such as #1b2330."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_its_ground(colours: dict[str, str]) -> None:
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in TEXT}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_borders_of_controls_and_the_focus_can_be_seen(colours: dict[str, str]) -> None:
    found = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in BORDERS}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 3} == {}
