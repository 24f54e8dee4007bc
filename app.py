"""The admin page as a WSGI application: ``gunicorn --preload app:app``. Importing this touches no Redis."""

from __future__ import annotations

from flask import Flask

from scheduler import admin, celeryapp
from scheduler.errors import SchedulerError


def create_app() -> Flask:
    """The page over the Celery application of the environment; raises ConfigurationError without credentials."""
    return admin.create_app(celeryapp.app)


def __getattr__(name: str) -> Flask:
    """``app`` is made when first asked for, so that importing this module needs no credentials."""
    if name != "app":
        raise AttributeError(name)
    try:
        app = globals()["app"] = create_app()
        return app
    except SchedulerError as error:
        celeryapp.give_up(error)
        raise
