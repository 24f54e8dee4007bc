"""docs/how-it-works.md lists every key and channel of the service, and no other."""

from __future__ import annotations

import inspect
import re

from scheduler.storage.keys import Key, Keys
from tests.support.documents import PAGES

SECTION = PAGES["docs/how-it-works.md"].partition("## Keys in Redis")[2].partition("\n## ")[0]
LISTED = {
    re.sub(r"[A-Z]+", "*", name)
    for row in re.findall(r"^\| (`redbeat:.*?) \|", SECTION, re.MULTILINE)
    for name in re.findall(r"`(.+?)`", row)
}


def named() -> set[str]:
    """Every name that the code builds, with a ``*`` for each part that varies."""
    keys, names = Keys(), set()
    for attribute, it in vars(Keys).items():
        if isinstance(it, Key):
            names.add(getattr(keys, attribute))
        elif inspect.isfunction(it) and not attribute.startswith("__"):
            varying = ["*"] * (len(inspect.signature(it).parameters) - 1)
            names.add(it(keys, *varying))
    return {name for name in names if name.startswith(keys.prefix)}


def test_every_key_has_a_row_and_every_row_is_a_key() -> None:
    beginnings = tuple(name for name in named() if name.endswith(":"))
    whole = named() - {*beginnings}
    assert len(whole) > 50
    assert whole - LISTED == set(), "add a row to docs/how-it-works.md"
    assert {name for name in LISTED - whole if not name.startswith(beginnings)} == set(), "drop the row"
    for beginning in beginnings:
        assert any(name.startswith(beginning) for name in LISTED), f"add a row for {beginning}"
