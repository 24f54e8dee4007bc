"""The admin page as a WSGI application, ``gunicorn scheduler.web:app``. Importing this touches no Redis."""

from __future__ import annotations

from functools import cache

from flask import Flask

from scheduler import admin, celeryapp
from scheduler.errors import SchedulerError
from scheduler.process.ending import give_up


def create_app() -> Flask:
    """The page over the Celery application of the environment; raises ConfigurationError without credentials."""
    return admin.create_app(celeryapp.app)


@cache
def only_app() -> Flask:
    """The one that gunicorn serves; ends the process with one line without credentials."""
    try:
        celeryapp.name_unknown_settings(celeryapp.app.scheduler_settings)
        celeryapp.complete_modules(celeryapp.app)
        return create_app()
    except SchedulerError as error:
        give_up(error)


def __getattr__(name: str) -> Flask:
    """``app`` is made when first asked for, so that importing this module needs no credentials."""
    if name != "app":
        raise AttributeError(name)
    return only_app()
