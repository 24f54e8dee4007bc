"""The description of the package, which pyproject.toml cannot compute: README as it reads outside the repository."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup


def outside_the_repository(text: str) -> str:
    """Without the image and its caption; a link to a page becomes the page's path in the source distribution."""
    text = re.sub(r"^!\[.*?\)\n\n\*.*?\*\n\n", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"\[([^\]]*)\]\((?!https?:)([^)]*)\)", r"\1 (`\2`)", text)


README = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
setup(long_description=outside_the_repository(README), long_description_content_type="text/markdown")
