"""The runs of a search as a file: CSV for a spreadsheet, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint, Response, request, url_for

from scheduler.admin.run_list import RunSearch
from scheduler.admin.service import service
from scheduler.status.as_csv import lines
from scheduler.status.as_json import run_json
from scheduler.status.runs import Export

pages = Blueprint("run_export", __name__)
MAX_BYTES = 8_000_000  #: of a file, about; results may be long, and the page's process holds all of it in memory
TYPES = {"csv": "text/csv", "json": "application/json"}


@pages.get("/runs.<any(csv,json):kind>")
def show(kind: str) -> Response:
    """Download the newest runs of a search (RunSearch); if some are left out, the file's name says how many it has."""
    search = RunSearch.read(request.args)
    export = Export(service().ledger, search.wanted(service().catalogue.look()), search.place)
    parts = lines(export) if kind == "csv" else map(json.dumps, map(run_json, export))
    taken = list(bounded(parts, export))
    older = str(export.older or "")
    body = "".join(taken) if kind == "csv" else as_items(taken, older)
    response = Response(body.encode("utf-8", "backslashreplace"), mimetype=TYPES[kind])
    name = f"runs-newest-{len(taken) - (kind == 'csv')}" if older else "runs"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    if older:
        values: dict[str, Any] = search.query(before=older)
        following = url_for("run_export.show", kind=kind, **values)
        response.headers["Link"] = f'<{following}>; rel="next"'
    return response


def bounded(parts: Iterable[str], export: Export) -> Iterator[str]:
    """The parts up to MAX_BYTES."""
    size = 0
    for part in parts:
        size += len(part)
        export.is_full = size > MAX_BYTES
        yield part


def as_items(items: Iterable[str], older: str) -> str:
    """A list in the form that the API uses."""
    return f'{{"items": [{", ".join(items)}], "next": {json.dumps(older or None)}}}\n'
