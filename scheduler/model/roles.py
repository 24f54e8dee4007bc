"""What a person or a token may do on the page."""

from __future__ import annotations

ROLES = ("viewer", "operator", "editor", "admin")  #: each may do all that those before it may
