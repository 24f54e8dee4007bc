"""The worker's consumer: while Redis is away it waits, says so once, and takes messages again within seconds.

Celery's own waits up to half a minute between two attempts, and logs each of them with a traceback.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery.bootsteps import RUN
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import consumer, heartbeat
from celery.worker.consumer import Mingle
from celery.worker.state import maybe_shutdown

from scheduler import faults
from scheduler.events import emit
from scheduler.model import Reason
from scheduler.process import notify
from scheduler.sending.headers import run_of
from scheduler.sending.readable import Unreadable
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, connect, take_a_write
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import UNTAKEN, Ledger
from scheduler.storage.refusals import code_of, sentence
from scheduler.worker.drain import forgive, hand_back, stop_once
from scheduler.worker.intake import Intake
from scheduler.worker.lacking import LEARN_INTERVAL_S, Lacking
from scheduler.worker.prepare import prepare
from scheduler.worker.requests import context_of, plain_calls_of_this_worker
from scheduler.worker.unacknowledged import QoS

LOOK_INTERVAL_S = 2.0  #: seconds between two looks at a Redis that is there
MAX_PAUSE_S = 2.0  #: seconds between two attempts to reach Redis at most
#: Loggers that add a traceback to each attempt of a timer, or to store a result, while Redis is away or refuses.
REPEATING = ("kombu.transport.redis", "kombu.asynchronous.hub", "celery.backends.base")


class Heartbeat(heartbeat.Heart):
    """Celery's sign of life to other workers. Celery would retry each one without end, and block its loop."""

    def _send(self, event: str, retry: bool = True) -> None:
        # Any other sign of life is outdated when the connection is back.
        self.eventer.buffer_while_offline = event == "worker-offline"
        with suppress(*self.eventer.connection.channel_errors):  # Redis is there, and refuses writes for a while
            super()._send(event, retry=False)


class Heart(consumer.Heart):
    """Celery's step, with that sign of life."""

    def start(self, c: Consumer) -> None:
        """Start a heartbeat that does not block while Redis hangs, in place of Celery's."""
        c.heart = Heartbeat(c.timer, c.event_dispatcher, self.heartbeat_interval)
        c.heart.start()


class Consumer(consumer.Consumer):
    """Celery's consumer, which connects only to a Redis that takes writes: not to a replica, not to a full one."""

    class Blueprint(consumer.Consumer.Blueprint):
        """Celery's steps. That they cannot say goodbye over a lost connection is no news."""

        default_steps = tuple(
            Heart if step == "celery.worker.consumer.heart:Heart" else step
            for step in consumer.Consumer.Blueprint.default_steps
        )

        def restart(self, parent: Any, *arguments: Any, **options: Any) -> None:
            """Connect again without asking other workers and without Celery's tracebacks."""
            for step in parent.steps:
                if isinstance(step, Mingle):  # what it asks the others is known, and it would wait for them for seconds
                    step.start = lambda _: None
            with muted("celery.bootsteps"):
                super().restart(parent, *arguments, **options)

    returned: frozenset[str] = frozenset()  #: plain calls whose messages return to the queue with the lost connection
    lost_at = 0.0  #: when Redis was there last (monotonic), 0 while it is there
    learning: Any = None  #: the timer that imports modules
    pause = 0.0  #: seconds until the next attempt
    looked_at = 0.0  #: when Redis took a write last, or should have (monotonic)

    def __init__(self, on_task_request: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(on_task_request, *arguments, **options)
        for name in REPEATING:
            logging.getLogger(name).addFilter(is_news)
        prepare(self.app)  # the pool forks later
        self.redis = connect(self.app.scheduler_settings)
        self.pool.on_stop = stop_once(self.pool)
        self.intake = Intake(self.app, self.connection_errors)
        self.lacking = Lacking(self)
        give = self.controller._process_task
        guarded = self.intake.guard_pool(self.controller)
        if on_task_request == give:  # else Celery looks for a free place in the pool first, and calls it then
            self.on_task_request = guarded

    def create_task_handler(self, *arguments: Any, **options: Any) -> Any:
        """What Celery does with each message, which reads only what it can."""
        self.intake.guard_channels(self.task_consumer.channel)
        return self.intake.guard_tasks(super().create_task_handler(*arguments, **options))

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """The body cannot be decoded."""
        self.intake.refuse(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """The message names no task."""
        self.intake.refuse(message, Unreadable("it is not Celery's: it names no task"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """No task of that name is registered here; a run waits, any other message fails as Celery lets it."""
        if not self.lacking.hold(message, str((message.headers or {}).get("task"))):
            super().on_unknown_task(body, message, exc)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Celery can make no request of the message."""
        self.intake.refuse(message, exc)

    def _limit_task(self, request: Any, bucket: Any, tokens: int) -> Any:
        """Hold a task back for Celery's ``rate_limit``, and write to the ledger that its run waits for that."""
        taken = super()._limit_task(request, bucket, tokens)
        if (request, tokens) in bucket.contents:
            self.note_rate_limit(run_of(context_of(request)), bucket.expected_time(len(bucket.contents) * tokens))
        return taken

    def note_rate_limit(self, run_id: str | None, seconds: float) -> None:
        """Without the note, beat would take the message for lost and send the run again."""
        if run_id is None:
            return
        settings: Settings = self.app.scheduler_settings
        when = time.time() + seconds
        until = when + UNTAKEN.total_seconds()
        try:
            with connect(settings) as client:
                ledger = Ledger(client, Keys(settings.key_prefix), settings)
                limited = Reason.RATE_LIMITED
                ledger.close(run_id, "queued", when=when, until=until, unclaimed=True, reason=limited)
        except (*AWAY, *REFUSED) as error:
            emit("ledger.away", run=run_id, outcome="queued", error=error)

    def connect(self) -> Any:
        """A connection to the broker; waits until Redis can be used."""
        self.wait_for_redis()
        faults.reach("consumer.before_connect")
        if self.app.scheduler_settings.has_outbox:
            return super().connect()
        connection = self.app.connection_for_read(heartbeat=self.amqheartbeat)
        # Redis may be away again by now. Celery would pause for up to half a minute between two attempts, and the
        # watchdog would kill a worker that is silent for so long.
        pauses = {"interval_start": 0, "interval_step": 0.2, "interval_max": MAX_PAUSE_S}
        connection.ensure_connection(self.wait_again, callback=maybe_shutdown, **pauses)
        if self.hub:
            connection.transport.register_with_event_loop(connection.connection, self.hub)
        return connection

    def wait_again(self, error: Exception, _: float) -> None:
        """What kombu calls after each attempt that failed, with the pause in seconds that follows."""
        self.tell(error)
        self.wait_for_redis()

    def wait_for_redis(self) -> None:
        """Return when Redis takes a write; ends the worker where it was asked to stop meanwhile."""
        settings: Settings = self.app.scheduler_settings
        with connect(settings) as client:
            while True:
                if self.lost_at:
                    time.sleep(self.pause)
                    self.pause = min(max(2 * self.pause, 0.25), MAX_PAUSE_S)
                maybe_shutdown()
                try:
                    take_a_write(client, Keys(settings.key_prefix))
                    forgive(client, Keys(settings.key_prefix), self.returned)
                    self.returned = frozenset()
                    return
                except (*AWAY, *REFUSED) as error:
                    self.tell(error)

    def on_ready(self) -> None:
        """Messages are taken from here on."""
        self.take_runs()
        if self.learning is None:  # Celery keeps the timer over every connection
            self.learning = self.timer.call_repeatedly(LEARN_INTERVAL_S, self.lacking.learn)
        super().on_ready()

    def take_runs(self) -> None:
        """Redis is there: say so, the first time and after it was away."""
        self.tell_ready()
        if self.lost_at:
            emit("worker.redis_back", seconds=time.monotonic() - self.lost_at)
        self.lost_at = self.pause = 0.0

    def tell_ready(self) -> None:
        """What the unit's status says of a worker that takes runs."""
        queues = ", ".join(self.app.amqp.queues.consume_from)
        notify.ready(f"takes runs from {queues}, {self.pool.num_processes} at a time{self.lacking.sentence}")

    def register_with_event_loop(self, hub: Any) -> None:
        """Show systemd's watchdog that the loop turns, by the loop itself, and look at Redis."""
        super().register_with_event_loop(hub)
        hub.on_tick.add(self.turn)

    def perform_pending_operations(self) -> None:
        """The same for pools without that loop."""
        self.turn()
        super().perform_pending_operations()

    def turn(self) -> None:
        """What each turn of the loop does; an error of Redis ends the loop, and the worker waits."""
        notify.alive()
        if time.monotonic() - self.looked_at >= LOOK_INTERVAL_S and self.blueprint.state == RUN:
            self.looked_at = time.monotonic()
            self.look_at_redis()

    def look_at_redis(self) -> None:
        """Raise why Redis takes no write; a full one would still give messages, and could not note who has them.

        Messages of another broker are kept there, and their runs wait for Redis.
        """
        settings: Settings = self.app.scheduler_settings
        try:
            take_a_write(self.redis, Keys(settings.key_prefix))
        except (*AWAY, *REFUSED) as error:
            if not settings.has_outbox:
                raise
            self.tell(error)
            return
        if self.lost_at:
            self.take_runs()

    def cancel_active_requests(self) -> None:
        """Cut off what runs, and let it run again: its message returns to the queue as the connection is closed."""
        hand_back(self.app.scheduler_settings)
        QoS.keeps_running = False
        super().cancel_active_requests()

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """One log line for a Redis that is away, in place of Celery's tracebacks."""
        self.returned |= {*plain_calls_of_this_worker()}
        self.close_task_channel()
        if self.app.scheduler_settings.has_outbox:  # it is another broker's, which Celery logs
            super().on_connection_error_after_connected(exc)
            return
        self.tell(exc)
        with muted("celery.worker.consumer.consumer"), warnings.catch_warnings():
            warnings.simplefilter("ignore", CPendingDeprecationWarning)
            super().on_connection_error_after_connected(exc)

    def close_task_channel(self) -> None:
        """Close kombu's channel for Redis, which returns its messages, while the channel still knows its address.

        Celery's cleanup stops at the first channel that fails, and takes the address from all. A later attempt to
        return messages raises AttributeError, which is no connection error and would end the worker.
        """
        if self.task_consumer is None or self.connection.transport.driver_type != "redis":
            return
        for _ in range(2):  # while a BRPOP is under way, the first attempt only ends the BRPOP
            self.connection.maybe_close_channel(self.task_consumer.channel)

    def tell(self, error: Exception) -> None:
        """Say once, until Redis is back, what is wrong with it."""
        problem = sentence(error, self.app.scheduler_settings)
        if not self.lost_at:
            self.lost_at = time.monotonic()
            emit("worker.redis_refuses" if isinstance(error, REFUSED) else "worker.redis_away", problem=problem)
        notify.waiting_for_redis(self.lost_at, problem)


def is_news(record: logging.LogRecord) -> bool:
    """False for a log record about a Redis that is away or refuses: the worker itself logs that once."""
    error = record.exc_info[1] if record.exc_info else None
    return error is None or not (isinstance(error, AWAY) or code_of(error))


@contextmanager
def muted(name: str) -> Iterator[None]:
    """Nothing from this logger meanwhile."""
    logger = logging.getLogger(name)
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = False
