"""An act of the page as a command line that asks the API for it."""

from __future__ import annotations

import json
import shlex
from typing import Any

from flask import request, url_for

from scheduler.admin.service import service


def curl(operation: str, body: dict[str, Any] | None = None, /, **path: Any) -> str:
    """The command for an operation of the API, with the token in the shell's variable TOKEN.

    curl hides the value of this option from `ps`, but not that of a header.
    """
    root = service().settings.admin_url or request.host_url.rstrip("/")
    address = root + url_for(f"api.{operation}", **path)
    words = ["curl", "-X", "POST", "--oauth2-bearer", '"$TOKEN"']
    words += ["--json", shlex.quote(json.dumps(body, ensure_ascii=False))] if body else []
    return " ".join([*words, shlex.quote(address)])
