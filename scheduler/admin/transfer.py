"""Answers that cost little: compressed, and empty for a reader who has what they say already."""

from __future__ import annotations

import gzip
import hashlib
import re

from flask import Flask, Response, request

MIN_BYTES = 1000  #: below that, compressing saves nothing
COMPRESSED = ("text/html", "text/css", "text/javascript", "text/plain", "text/csv", "application/json", "image/svg+xml")
#: What live.js counts by itself does not make a page another one.
RELATIVE = re.compile(rb"(<time [^>]* data-relative>)[^<]*")


def add_transfer(app: Flask) -> None:
    """Give every answer to a look a tag, and compress what the reader can unpack."""
    app.after_request(compress)
    app.after_request(tag)  # Flask calls the last one first


def tag(response: Response) -> Response:
    """Tag a page or its JSON by what it says; 304 for a reader who names the tag of what it has."""
    if request.method != "GET" or response.status_code != 200 or response.mimetype not in COMPRESSED:
        return response
    if not response.is_streamed and "ETag" not in response.headers:
        said = RELATIVE.sub(rb"\1", response.get_data())
        response.set_etag(hashlib.blake2b(said, digest_size=12).hexdigest(), weak=True)
        response.make_conditional(request)
    return response


def compress(response: Response) -> Response:
    """Compress it. No page has a secret beside text that another site could choose, so its length betrays nothing."""
    if response.mimetype not in COMPRESSED or response.status_code == 304 or "Content-Encoding" in response.headers:
        return response
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings.quality("gzip"):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) >= MIN_BYTES:
        response.set_data(gzip.compress(body, 6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
