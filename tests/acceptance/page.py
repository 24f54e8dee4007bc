"""A browser's part in a test: cookies, forms as they are, and the headers that tell the same site. Standard library."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any


class Page:
    """The admin at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.cookies = CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    @property
    def cookie(self) -> str:
        """The header that this browser sends."""
        return "Cookie: " + "; ".join(f"{it.name}={it.value}" for it in self.cookies)

    def get(self, path: str, accept: str = "text/html") -> str:
        request = urllib.request.Request(self.url + path, headers={"Accept": accept})
        with self.opener.open(request, timeout=60) as answer:
            return str(answer.read().decode())

    def json(self, path: str) -> Any:
        return json.loads(self.get(path, "application/json"))

    def post(self, path: str, **fields: str) -> str:
        """Send a form; answers other than success raise HTTPError."""
        body = urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(self.url + path, body, {"Origin": self.url, "Sec-Fetch-Site": "same-origin"})
        with self.opener.open(request, timeout=60) as answer:
            return str(answer.read().decode())

    def log_in(self, password: str) -> None:
        self.post("/login", password=password)

    def form(self, path: str) -> dict[str, str]:
        """What a browser would send from the page's form with the most fields, were nothing typed."""
        reader = FormReader()
        reader.feed(self.get(path))
        return max(reader.forms, key=len)

    def submit(self, path: str, **changed: str) -> str:
        """Open the form at `path`, change these fields and send it to the same place."""
        fields = self.form(path)
        unknown = changed.keys() - fields.keys()
        assert not unknown, f"the form at {path} has no fields {unknown}, it has {sorted(fields)}"
        return self.post(path, **fields | changed)


class FormReader(HTMLParser):
    """The successful controls of each form, as HTML calls them."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self.select = self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        name = found.get("name", "")
        if tag == "form":
            self.forms.append({})
        elif not self.forms:
            return
        elif tag == "input" and name and (found.get("type") not in ("checkbox", "radio") or "checked" in found):
            self.forms[-1][name] = found.get("value", "on")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select and ("selected" in found or self.select not in self.forms[-1]):
            self.forms[-1][self.select] = found.get("value", "")
        elif tag == "textarea":
            self.area = name
            self.forms[-1][name] = ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.forms[-1][self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self.area:
            self.forms[-1][self.area] = self.forms[-1][self.area].removeprefix("\n")  # HTML drops the first line break
            self.area = ""
        if tag == "select":
            self.select = ""
