"""The admin page of a checkout: ``gunicorn app:app``. An installed service serves ``scheduler.web:app``, because a
project may have a module named ``app`` of its own."""

from __future__ import annotations

from scheduler.web import __getattr__ as __getattr__
from scheduler.web import create_app as create_app
