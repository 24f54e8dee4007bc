"""The admin page: shows what ``status`` reads; changes schedules only through ``changes``."""

from __future__ import annotations

from datetime import timedelta

from celery import Celery
from flask import Flask, redirect, url_for
from flask.helpers import get_debug_flag
from jinja2 import StrictUndefined
from werkzeug.wrappers import Response

from scheduler import __version__
from scheduler.admin import (
    api,
    audit,
    backfilling,
    bulk,
    bulk_runs,
    edit_form,
    errors,
    export,
    filters,
    health,
    login,
    metrics,
    run_export,
    run_with,
    runs,
    schedules,
    security,
    sessions,
    timeline,
    transfer,
)
from scheduler.admin.addresses import SegmentConverter
from scheduler.admin.answers import messages
from scheduler.admin.api.curl import curl
from scheduler.admin.people import may, person
from scheduler.admin.service import Service
from scheduler.admin.strip import strip
from scheduler.errors import ConfigurationError
from scheduler.storage.sessions import LIFETIME_S

SESSION_LENGTH = timedelta(seconds=LIFETIME_S)
MAX_FORM_BYTES = 256 * 1024
PARTS = (
    login,
    sessions,
    schedules,
    edit_form,
    export,
    runs,
    run_export,
    run_with,
    backfilling,
    timeline,
    bulk,
    bulk_runs,
    audit,
    health,
    metrics,
    api,
)
BLUEPRINTS = tuple(it.pages for it in PARTS)


def create_app(celery: Celery) -> Flask:
    """The Flask application for this Celery application and its Redis; connects at the first request.

    Raises ConfigurationError without a password hash or secret key, for a file of accounts with an error, and with
    Flask's debugger on.
    """
    settings = celery.scheduler_settings
    security.require_credentials(settings)
    if get_debug_flag():
        raise ConfigurationError("FLASK_DEBUG is on, and lets anyone who reaches the page run code: unset it")
    app = Flask(__name__)
    app.jinja_options = {**app.jinja_options, "undefined": StrictUndefined}
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="scheduler_session",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=SESSION_LENGTH,
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
    )
    app.url_map.converters["segment"] = SegmentConverter
    app.extensions["scheduler"] = Service.over(celery)
    newest_headline = app.extensions["scheduler"].pill.look
    app.jinja_env.globals.update(
        curl=curl, version=__version__, may=may, messages=messages, person=person, newest_headline=newest_headline
    )
    filters.add_filters(app)
    app.add_template_filter(strip)
    security.add_checks(app)
    errors.add_error_pages(app)
    transfer.add_transfer(app)
    for pages in BLUEPRINTS:
        app.register_blueprint(pages)
    app.add_url_rule("/", "home", home)
    return app


def home() -> Response:
    """Redirect ``/`` to the list."""
    return redirect(url_for("schedules.index"))
