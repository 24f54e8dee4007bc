"""The Celery application that SCHEDULER_CELERY_APP names, and what makes it unfit."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator

from celery import Celery
from celery.app.defaults import DEFAULTS
from celery.exceptions import ImproperlyConfigured

from scheduler.application.settings_table import CHANGED
from scheduler.errors import ConfigurationError, SchedulerError
from scheduler.redis_url import SCHEMES
from scheduler.registry import CannotImport, import_target, with_place
from scheduler.settings import Settings

VARIABLE = "SCHEDULER_CELERY_APP"
RENAMED = re.compile(r"^(\w+) +-> (\w+)$", re.MULTILINE)
TRIAL = "`up` uses a Redis of its own; set SCHEDULER_REDIS_URL to use yours"
MAX_NAMES = 3  #: settings that one line names
PREFIX = "CELERY_"


def celery_target(target: str) -> Celery:
    """A Celery application, its Flask application, or the factory of either; raises ConfigurationError."""
    named = made = import_target(target, VARIABLE)
    if callable(named) and not isinstance(named, Celery) and not hasattr(named, "extensions"):
        try:
            made = named()
        except (Exception, SystemExit) as error:
            raise CannotImport(f"{VARIABLE}={target} makes no application: {with_place(error)} — fix it") from error
    app = made if isinstance(made, Celery) else getattr(made, "extensions", {}).get("celery")
    if not isinstance(app, Celery):
        raise ConfigurationError(
            f"{VARIABLE}={target} is no Celery application: name one, a Flask application that has one as "
            "extensions['celery'], or the function that makes either"
        )
    refuse_unreadable_settings(app, target)
    return app


def refuse_unreadable_settings(app: Celery, target: str) -> None:
    """Read the application's settings, as Celery does when the first one is used; raises ConfigurationError."""
    try:
        app.conf.get("broker_url")
    except ImproperlyConfigured as error:
        renamed = [f"{old} to {new}" for old, new in RENAMED.findall(str(error))]
        if not renamed:
            raise ConfigurationError(f"{VARIABLE}={target}: its settings: {with_place(error)}") from None
        more = f" and {len(renamed) - MAX_NAMES} more" if len(renamed) > MAX_NAMES else ""
        raise ConfigurationError(
            f"{VARIABLE}={target}: its settings have old and new names, which Celery does not mix: "
            f"rename {', '.join(renamed[:MAX_NAMES])}{more}"
        ) from None
    except Exception as error:
        raise ConfigurationError(f"{VARIABLE}={target}: its settings cannot be read: {with_place(error)}") from None


def importing(app: Celery, target: str) -> Callable[[], None]:
    """What imports the application's modules; raises CannotImport, where Celery shows a traceback."""
    import_modules = app.loader.import_default_modules

    def imported() -> None:
        try:
            import_modules()
        except SchedulerError:
            raise
        except Exception as error:
            raise CannotImport(
                f"{VARIABLE}={target}: a module of its tasks cannot be imported: {with_place(error)} — fix it, or take "
                "it out of include, imports or autodiscover_tasks"
            ) from error

    return imported


def misnamed_settings(app: Celery) -> Iterator[str]:
    """A line for each setting named as in Celery's guide for Django that Celery does not read without a namespace."""
    for source in (app.loader.conf or {}, app.conf.changes):
        for name in sorted(name for name in source if isinstance(name, str) and name.startswith(PREFIX)):
            read = name.removeprefix(PREFIX).lower()
            if read in CHANGED and read != "broker_url":
                continue  # the service sets it in any case
            if read in DEFAULTS and app.conf.get(read) != source[name] and not app.namespace:
                remedy = f"rename it to {read}, or give config_from_object namespace='CELERY'"
                yield f"Celery does not read the application's setting {name}: {remedy}"


def refuse_other_broker(app: Celery, settings: Settings) -> None:
    """Refuse an application that publishes to another broker: no worker here would run its calls."""
    theirs = app.conf.broker_url
    if theirs and not settings.is_broker(theirs) and not settings.is_trial:
        variable = "SCHEDULER_BROKER_URL" if settings.broker else "SCHEDULER_REDIS_URL"
        raise ConfigurationError(
            f"{VARIABLE}={settings.celery_app} has a broker_url of its own, other than {variable}: "
            "set both to the same, or SCHEDULER_BROKER_URL to its broker"
        )


def move_to_trial(app: Celery, settings: Settings) -> Iterator[str]:
    """Let the application use the Redis of ``up``; a line for each setting that this changes."""
    if not settings.is_trial:
        return
    if app.conf.broker_url and not settings.is_broker(app.conf.broker_url):
        yield f"The application's broker_url is not used: {TRIAL}"
    if str(app.conf.result_backend or "").startswith(SCHEMES):
        os.environ.pop("CELERY_RESULT_BACKEND", None)
        app.conf.result_backend = None
        yield f"The application's result_backend is not used: {TRIAL}"


class FailedHandlers(logging.Handler):
    """Keeps what handlers of Celery's signals raise while the application is loaded, when Celery has no log yet.

    Such a handler often declares periodic tasks. There is one object at a time.
    """

    LOGGER = "celery.utils.dispatch.signal"

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []
        logger = logging.getLogger(self.LOGGER)
        for before in [it for it in logger.handlers if isinstance(it, FailedHandlers)]:
            logger.removeHandler(before)
        logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note the first MAX_NAMES errors."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and len(self.lines) < MAX_NAMES:
            self.lines.append(f"A handler of a signal failed, so what it declares is missing: {with_place(error)}")
