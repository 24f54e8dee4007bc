"""A browser's part in a test: its headers, its forms as they are, and what a reader sees."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

PASSWORD = "correct horse"
VOID = {"meta", "link", "input", "br", "hr", "img"}


class Browser:
    """Flask's test client, as a browser on the page's own site would use it."""

    def __init__(self, app: Flask, address: str = "192.0.2.1") -> None:
        self.client = app.test_client()
        self.environ = {"REMOTE_ADDR": address}

    def log_in(self, password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/login", False, password=password, **fields)

    def get(self, path: str, follow: bool = True, /, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=named, follow_redirects=follow, environ_base=self.environ, buffered=True)

    def json(self, path: str) -> Any:
        return self.get(path, Accept="application/json").get_json()

    def post(self, path: str, follow: bool = True, /, **fields: str | list[str]) -> TestResponse:
        headers = {"Sec-Fetch-Site": "same-origin"}
        return self.client.post(path, data=fields, headers=headers, follow_redirects=follow, environ_base=self.environ)

    def submit(self, path: str, **changed: str) -> TestResponse:
        """Open the form at this address, change some of its fields and send it; an empty text unchecks a box."""
        form = Document(self.get(path).text).forms[-1]
        assert changed.keys() <= form.fields.keys() | form.boxes, f"{changed.keys()} of {form.fields.keys()}"
        sent = {key: value for key, value in (form.fields | changed).items() if value or key not in form.boxes}
        return self.post(form.action or path, **sent)


class Form:
    """Where a form goes, and what it would send."""

    def __init__(self, action: str) -> None:
        self.action = action
        self.fields: dict[str, str] = {}
        self.boxes: set[str] = set()


class Document(HTMLParser):
    """A page as it is parsed: its elements, its forms and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self._select = self._area = ""
        self.feed(html)
        self.close()

    @property
    def text(self) -> str:
        """What a reader sees, with single spaces."""
        return re.sub(r"\s+", " ", " ".join(self.texts)).strip()

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.elements.append((tag, found))
        if tag not in VOID:
            self.open.append(tag)
        self._control(tag, found)

    def _control(self, tag: str, found: dict[str, str]) -> None:
        name = found.get("name", "")
        if tag == "form":
            self.forms.append(Form(found.get("action", "")))
        if not self.forms or "form" not in self.open:
            return
        fields = self.forms[-1].fields
        if tag == "input" and found.get("type") in ("checkbox", "radio"):
            self.forms[-1].boxes |= {name} if found["type"] == "checkbox" else set()
            fields |= {name: "on" if found["type"] == "checkbox" else found["value"]} if "checked" in found else {}
        elif tag == "input":
            fields[name] = found.get("value", "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and self._select and ("selected" in found or self._select not in fields):
            fields[self._select] = found.get("value", "")
        elif tag == "textarea":
            self._area = name
            fields[name] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1].fields[self._area] += data
        self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            while self.open.pop() != tag:
                continue
        self._area = "" if tag == "textarea" else self._area
        self._select = "" if tag == "select" else self._select


def text(answer: TestResponse) -> str:
    """What a reader of the answer sees."""
    return Document(answer.text).text
