"""The Celery application: ``celery -A scheduler.celeryapp beat`` and ``… worker``.

Importing this module reads the environment and touches neither Redis nor Flask.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from celery import Celery, signals
from celery.apps.beat import Beat

from scheduler.application import settings_table
from scheduler.application.beat_schedule import zone_of
from scheduler.application.target import (
    FailedHandlers,
    celery_target,
    importing,
    misnamed_settings,
    move_to_trial,
    refuse_other_broker,
)
from scheduler.errors import ConfigurationError, SchedulerError
from scheduler.events import emit
from scheduler.process import journal, pidfile
from scheduler.process.ending import give_up, must_succeed
from scheduler.process.modules import TaskModules
from scheduler.redis_url import SOCKET_TIMEOUT, amqp_url, parse
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, connect, refuse_unfit
from scheduler.storage.refusals import explain
from scheduler.worker import limits
from scheduler.worker import signals as worker_signals
from scheduler.worker.drain import Drain
from scheduler.worker.results import KEEP_RESULT_S
from scheduler.worker.unacknowledged import hold_messages, look_interval

HIGHEST_PRIORITY = 9  #: of a schedule, see model
#: Settings of Celery on which the promises depend; a module of the user's may change them after ``build``.
PROMISED = (
    "accept_content",
    "enable_utc",
    "task_acks_late",
    "task_always_eager",
    "task_protocol",
    "task_reject_on_worker_lost",
    "task_serializer",
    "timezone",
    "worker_consumer",
    "worker_prefetch_multiplier",
)
BROKER_VARIABLES = {"CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"}
MIN_VISIBILITY_TIMEOUT_S = 60  #: a worker must renew its messages more often than that
#: Celery's classes for results by the scheme of their URL, with the time that a schedule keeps its results.
RESULT_BACKENDS = {
    "redis": "scheduler.worker.results:RedisBackend",
    "rediss": "scheduler.worker.results:RedisBackend",
    "sentinel": "scheduler.worker.results:SentinelBackend",
}
LASTING = {"additional_connection_errors": ("redis.exceptions:ResponseError",)}  # full, busy or read-only: these pass


def build(settings: Settings) -> Celery:
    """The user's Celery application, or a fresh one, configured so that the promises hold."""
    failed = FailedHandlers()
    if settings.celery_app:
        app = celery_target(settings.celery_app)
        refuse_other_broker(app, settings)
        app.loader.import_default_modules = must_succeed(importing(app, settings.celery_app))
    else:
        app = Celery("scheduler")
    said = [*misnamed_settings(app), *move_to_trial(app, settings)]
    app.scheduler_zone = zone_of(app)
    ours = configuration(settings, app.scheduler_zone)
    app.scheduler_differences = (*said, *settings_table.differences(app.conf, ours))
    app.scheduler_keep_result = None if settings_table.is_set(app.conf, "result_expires") else KEEP_RESULT_S
    app.conf.update(settings_table.chosen(app.conf, ours))
    for name in BROKER_VARIABLES & os.environ.keys():
        os.environ[name] = ours["broker_url"]  # Celery reads these before its settings
    app.loader.override_backends = {**app.loader.override_backends, **RESULT_BACKENDS}
    app.scheduler_failed_handlers = failed.lines
    app.scheduler_settings = settings
    app.scheduler_modules = TaskModules(settings)
    worker_signals.connect_recorder(app, settings)
    app.set_default()
    return app


def configuration(settings: Settings, zone: str = "UTC") -> dict[str, Any]:
    """Celery's settings: JSON only, messages acknowledged when done, a timeout on every wait; ``zone`` is its own."""
    place = settings.place.celery()
    return {
        **place,
        **broker(settings),
        "broker_read_url": None,
        "broker_write_url": None,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,  # a Redis that became a replica answers with errors of this kind
        "result_backend_transport_options": LASTING | place["result_backend_transport_options"],
        "redis_socket_timeout": SOCKET_TIMEOUT,
        "redis_socket_connect_timeout": SOCKET_TIMEOUT,
        "result_expires": 86_400,
        "result_extended": True,
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        "timezone": zone,
        "enable_utc": True,
        "task_always_eager": False,  # beat would run the body itself
        "task_protocol": 2,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_redirect_stdouts": False,  # it would split a traceback into a log line for each word
        "worker_prefetch_multiplier": 1,
        "worker_enable_prefetch_count_reduction": False,  # says so at each reconnect, and does nothing on Redis
        "worker_consumer": "scheduler.worker.consumer:Consumer",
        "beat_scheduler": "scheduler.beat.scheduler:Scheduler",
        "beat_max_loop_interval": settings.max_interval,
        "redbeat_key_prefix": settings.key_prefix,
        "redbeat_lock_timeout": settings.lease,
        # RedBeat's own look at maxmemory-policy needs CONFIG GET; refuse_unfit does it with INFO.
        "redbeat_key_expiry_check": "ignore",
    }


def broker(settings: Settings) -> dict[str, Any]:
    """Where the messages go and come from."""
    if settings.speaks_amqp:
        # Without confirmations, a message is lost with the connection that it was written to.
        options = {"confirm_publish": True}
        tls = {"server_hostname": None} if settings.broker.startswith("amqps:") else False  # None: the URL's host
        sent_to = {"broker_url": amqp_url(settings.broker), "broker_transport_options": options, "broker_use_ssl": tls}
        # An application's own queues may exist without them, and RabbitMQ refuses to declare those again.
        return sent_to if settings.celery_app else {**sent_to, "task_queue_max_priority": HIGHEST_PRIORITY}
    place = parse(settings.broker or settings.redis_url).celery()
    waits = {
        "visibility_timeout": 3600,  # for messages of other programs' workers, which do not renew theirs
        "unacked_restore_interval": look_interval(settings.run_lease),
        "socket_timeout": 2.0,  # Celery asks over several connections, one after the other
        "socket_connect_timeout": 2.0,
        # No timeout ends the wait for a message, so kombu ends one without an answer for twice this and a second, which
        # is within ten seconds. The worker's look at Redis has a timeout, and finds one that is gone earlier.
        "health_check_interval": 4.0,
    }
    return {
        "broker_url": place["broker_url"],
        "broker_transport_options": waits | place["broker_transport_options"],
        "broker_use_ssl": place.get("broker_use_ssl", False),
    }


@signals.import_modules.connect
@must_succeed
def import_task_modules(sender: Celery, **_: Any) -> None:
    """Import the modules that hold tasks; a broken one ends the process with one line, not a traceback."""
    if modules := getattr(sender, "scheduler_modules", None):
        modules.start()


def complete_modules(app: Celery) -> None:
    """Import the modules of the last good schedule file too; a broken one of the settings ends the process."""
    try:
        app.scheduler_modules.complete()
    except ConfigurationError as error:
        give_up(error)


def refuse_changed_settings(app: Celery) -> None:
    """Raise ConfigurationError if a setting was changed so that runs would be lost, doubled or held up."""
    wanted = promised(configuration(app.scheduler_settings, app.scheduler_zone))
    for name, value in promised(app.conf).items():
        if value != wanted[name]:
            raise ConfigurationError(
                f"Celery's {name} is {value!r}, and one run per due instant needs {wanted[name]!r}: "
                "take it out of your modules and of the command line"
            )


def promised(configured: Mapping[str, Any]) -> dict[str, Any]:
    """Those of these settings that are promised."""
    timeout = configured["broker_transport_options"].get("visibility_timeout")
    waits = {"visibility_timeout": timeout and min(timeout, MIN_VISIBILITY_TIMEOUT_S)}
    zone = {"timezone": str(configured["timezone"])}  # which may be an object
    return {name: configured[name] for name in PROMISED} | zone | waits


@signals.worker_init.connect
@must_succeed
def prepare_worker(sender: Any, **_: Any) -> None:
    """A result waits for Redis; that would hold up a page, but in a worker the run is not over before."""
    complete_modules(sender.app)
    name_unknown_settings(sender.app.scheduler_settings)
    name_differences(sender.app)
    if sender.app.conf.result_backend == configuration(sender.app.scheduler_settings)["result_backend"]:
        sender.app.conf.result_backend_always_retry = True
    sender.app.conf.worker_prefetch_multiplier = sender.prefetch_multiplier  # the command line may say another
    refuse_changed_settings(sender.app)
    refuse_unfit_redis(sender.app.scheduler_settings)
    limits.prepare(sender, sender.app.scheduler_settings)
    hold_messages(sender.app.scheduler_settings)
    Drain(sender.app.scheduler_settings).connect()


@signals.beat_init.connect
@must_succeed
def prepare_beat(sender: Any, **_: Any) -> None:
    """Beat without RedBeat would send everything a second time."""
    from scheduler.beat.scheduler import Scheduler  # the worker and the admin have no use for it

    if not isinstance(sender.scheduler, Scheduler):
        give_up(ConfigurationError(f"beat runs with {type(sender.scheduler).__name__}: start it without -S"))
    sender.scheduler.stop.take_signals()  # before anything waits for Redis
    complete_modules(sender.app)
    name_unknown_settings(sender.scheduler.settings)
    name_differences(sender.app)
    refuse_changed_settings(sender.app)
    refuse_unfit_redis(sender.scheduler.settings)


def take_signals(_: Beat, service: Any) -> None:
    """In the place of Celery's own handler, whose SystemExit can be swallowed where it is raised in a callback."""
    if stop := getattr(service.scheduler, "stop", None):
        stop.take_signals()


def name_unknown_settings(settings: Settings) -> None:
    """Log each variable that looks like a setting and is none: a typing error there would change nothing, unseen."""
    for problem in settings.unknown:
        emit("settings.unknown", problem=problem)


def name_differences(app: Celery) -> None:
    """Log each setting of the application that the service changes or does not use."""
    for difference in (*app.scheduler_differences, *settings_table.unused(app.conf), *app.scheduler_failed_handlers):
        emit("settings.differ", difference=difference)


def refuse_unfit_redis(settings: Settings) -> None:
    """End this process if its Redis would lose schedules, or does not let it in; one that is away is waited for."""
    try:
        with connect(settings) as client:
            refuse_unfit(client.info(), settings)
    except REFUSED as error:
        give_up(ConfigurationError(str(explain(error, settings))))
    except AWAY:
        return
    except ConfigurationError as error:
        give_up(error)


def from_environment() -> Celery:
    """Build the application, or end the process with one line."""
    sys.path.insert(0, os.getcwd())  # also where it is there: Celery takes its own away once -A is imported
    try:
        settings = Settings.from_environ()
        journal.log_to_journal(settings)
        return build(settings)
    except SchedulerError as error:
        give_up(error)


pidfile.replace_celerys_pidfile()
Beat.install_sync_handler = take_signals
app = from_environment()
