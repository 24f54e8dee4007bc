"""README and ``docs/``: their pages, and the fenced blocks in them.

The words behind ``` say how a block is tested: ``console`` is run beside ``up``, ``console page`` asks its page,
``console host`` is typed on a host with the service installed, ``console flask`` in a developer's directory,
``console moving`` in that of a Celery application. ``yaml`` passes the check of schedule files, ``python`` compiles,
``nginx``, ``caddyfile`` and ``ini`` are compared with the units and the command line. ``text`` is a sample that nobody
types.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
KINDS = (
    "console",
    "console host",
    "console page",
    "console flask",
    "console moving",
    "yaml",
    "python",
    "text",
    "ini",
    "nginx",
    "caddyfile",
)


def blocks(page: str) -> list[tuple[str, str]]:
    """Kind and text of each block, in their order."""
    return re.findall(r"^```([\w ]+)\n(.*?)^```$", PAGES[page], re.DOTALL | re.MULTILINE)


def of_kind(page: str, kind: str) -> list[str]:
    return [text for this, text in blocks(page) if this == kind]


def commands(page: str, kind: str = "console") -> list[str]:
    """The lines of its console blocks, without their comments."""
    return [line.split("  #")[0].strip() for text in of_kind(page, kind) for line in text.splitlines()]
