"""The package index, from which a clone without pip gets it."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from urllib.parse import unquote, urljoin, urlsplit

PYPI = "https://pypi.org/simple"
PIP_WHEEL = "pip-26.3-py3-none-any.whl"
PIP_WHEEL_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"


class Unreachable(Exception):
    """A package index that does not answer, or not usefully."""

    def __init__(self, index: str, why: str) -> None:
        parts = urlsplit(index)
        shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        super().__init__(
            f"cannot reach {shown} ({why}): connect this machine to it, or name a mirror in PIP_INDEX_URL "
            "(for uv: UV_DEFAULT_INDEX), then start again"
        )


def package_index(uv: bool = False) -> str:
    """The URL of the index that uv or pip asks, without a slash at its end."""
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL") if uv else ("PIP_INDEX_URL",)
    return next((os.environ[name] for name in names if os.environ.get(name)), PYPI).rstrip("/")


def fetch_pip() -> bytes:
    """Download the pinned pip wheel through the index's page; its hash makes every mirror trustworthy."""
    page = package_index() + "/pip/"
    try:
        links = [urljoin(page, link) for link in re.findall(r'href="([^"]+)"', download(page).decode())]
        link = next((link for link in links if f"/{PIP_WHEEL}" in link), None)
        if link is None:
            raise Unreachable(page, f"it does not offer {PIP_WHEEL}")
        wheel = download(link)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ValueError) as error:
        raise Unreachable(page, str(getattr(error, "reason", error))) from None
    if hashlib.sha256(wheel).hexdigest() != PIP_WHEEL_SHA256:
        raise Unreachable(page, f"its {PIP_WHEEL} does not have the pinned hash")
    return wheel


def download(url: str) -> bytes:
    """Fetch through the environment's proxy, with the user and password in the URL, if any."""
    parts = urlsplit(url)
    login, _, place = parts.netloc.rpartition("@")
    request = urllib.request.Request(parts._replace(netloc=place).geturl())  # noqa: S310 - the index is the user's choice
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(unquote(login).encode()).decode())
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310 - what it brings is checked by its hash
        content: bytes = answer.read()
    return content
