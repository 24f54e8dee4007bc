"""Stops a worker: what runs may end within SCHEDULER_DRAIN seconds, the rest is handed back.

Celery's own warm shutdown has no limit, and systemd would end it with SIGKILL. The messages of a killed worker return
only when their leases have ended.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Collection
from typing import Any

from celery import signals
from celery.worker import state

from scheduler.events import emit
from scheduler.process import notify
from scheduler.sending.headers import run_of
from scheduler.settings import Settings
from scheduler.storage.client import AWAY, REFUSED, Client, connect
from scheduler.storage.keys import Keys
from scheduler.storage.ledger import Ledger
from scheduler.storage.refusals import sentence
from scheduler.worker.requests import active_requests, claimed_by, context_of, plain_calls_of_this_worker

ENDING_S = 20.0  #: seconds after the drain that handing back and ending may take


class Drain:
    """Turns a warm shutdown into a cold one when its time is over; both are Celery's."""

    def __init__(self, settings: Settings) -> None:
        self.seconds = settings.drain
        self.is_draining = False

    def connect(self) -> None:
        """Connect to Celery's signal of a shutdown; does nothing in a thread, which gets no signals."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGALRM, self.cut_off)
            signals.worker_shutting_down.connect(self.begin, weak=False)
            signals.worker_shutdown.connect(self.end, weak=False)

    def begin(self, how: str, **_: Any) -> None:
        """Set a timer of the kernel: Celery calls this inside a signal handler, where no thread can be started."""
        if how != "Warm" or self.is_draining:
            return
        self.is_draining = True
        notify.stopping(f"stopping: what runs may end within {self.seconds:g} s", self.seconds + ENDING_S)
        signal.setitimer(signal.ITIMER_REAL, max(self.seconds, 0.001))

    def cut_off(self, *_: object) -> None:
        """The drain is over: ask for Celery's cold shutdown if tasks still run."""
        if state.active_requests:
            os.kill(os.getpid(), signal.SIGQUIT)

    def end(self, **_: Any) -> None:
        """The pool is empty; Python itself takes no signals from here on."""
        signal.setitimer(signal.ITIMER_REAL, 0)


def stop_once(pool: Any) -> Callable[[], None]:
    """The pool's own way to stop, which a signal may interrupt.

    Celery's cold shutdown, in the handler of that signal, then stops the pool first. Celery alone would log a
    traceback, because it looks for processes that are gone.
    """
    stop = pool.on_stop

    def stopped() -> None:
        processes = pool._pool
        try:
            stop()
        except AttributeError:
            if processes is None or pool._pool is not None:
                raise

    return stopped


def hand_back(settings: Settings) -> None:
    """Mark what runs here as queued again in the ledger; a body that ends meanwhile still writes its outcome.

    Call it before the messages return to their queue: the next worker would take them for duplicates.
    """
    runs = {run_id: claimed_by(it) for it in map(context_of, active_requests()) if (run_id := run_of(it)) is not None}
    calls = plain_calls_of_this_worker()
    if not runs and not calls:
        return
    try:
        with connect(settings) as client:
            keys = Keys(settings.key_prefix)
            ledger = Ledger(client, keys, settings)
            for run_id, worker in runs.items():
                if ledger.hand_back(run_id, worker):
                    emit("run.handed_back", run=run_id)
            forgive(client, keys, calls)
    except (*AWAY, *REFUSED) as error:
        emit("worker.redis_away", problem=sentence(error, settings))


def forgive(client: Client, keys: Keys, calls: Collection[str]) -> None:
    """Count no delivery of these plain calls: their process did not die."""
    if calls:
        client.delete(*map(keys.deliveries, calls))
