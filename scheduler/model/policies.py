"""How runs are sent, limited and retried: in a schedule, or in ``defaults:`` for all of them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from scheduler.model.fields import (
    NONE,
    WHOLE,
    Duration,
    QueueName,
    Size,
)
from scheduler.model.noun import Noun
from scheduler.model.retry import BACKOFF, Failure, RetryBackoff, RetryDelay, Retrying

KEEP_RESULT = timedelta(hours=1)
KILL_AFTER = timedelta(seconds=15)


class Policies(Noun):
    """Policies: in a schedule, or in ``defaults:`` for every schedule that does not set its own."""

    queue: Annotated[QueueName | None, NONE] = Field(
        None, description="Celery queue of its runs; `none` for the task's own queue.", examples=["reports"]
    )
    priority: Annotated[Annotated[int, Field(ge=0, le=9, strict=True), WHOLE] | None, NONE] = Field(
        None,
        description="Celery message priority: on Redis 0 goes first, on RabbitMQ 9; `none` for the broker's default.",
        examples=[5],
    )
    expires: Annotated[Duration | None, NONE] = Field(
        None,
        description="Skip a run as `expired` if no worker starts it within this time after its due instant (with "
        "`jitter`, after its later start; if `catch_up` sends it late, after it was sent). With `none`, it expires at "
        "the next due instant under `overlap: skip`, and otherwise never.",
    )
    late_after: Annotated[Duration | None, NONE] = Field(
        None,
        description="Report the schedule as late if a run waits longer than this in its queue; `none` for as long as "
        "`expires`, or 5 minutes without it.",
    )
    slow_after: Annotated[Duration | None, NONE] = Field(
        None, description="Send an alert if a run takes longer than this; `none` for never. The run is not stopped."
    )
    timeout: Annotated[Duration | None, NONE] = Field(
        None, description="Stop a run that takes longer; it has failed, as `time limit`. `none` for no limit."
    )
    kill_after: Duration = Field(
        KILL_AFTER,
        description="How long a run may take to end once `timeout` or a person asks it to; then it is killed, with all "
        "that it started. Left out, the time between the task's own `soft_time_limit` and `time_limit` comes first.",
    )
    max_memory: Annotated[Size | None, NONE] = Field(
        None,
        description="Kill a run that uses more memory; it has failed, as `memory limit`. `none` for no limit. Only the "
        "pool `prefork` can keep it.",
        examples=["512MB"],
    )
    retries: Annotated[int, Field(ge=0, le=100, strict=True), WHOLE] = Field(
        0,
        description="How often a failed run is retried, after pauses of 1, 2, 4 … up to 600 s if the next four keys do "
        "not say otherwise.",
    )
    retry_delay: RetryDelay = Field(
        timedelta(seconds=1), description="How long after a failure the first retry starts; at most `1d`."
    )
    retry_backoff: RetryBackoff = Field(
        BACKOFF,
        description="Double the pause with each retry, up to this. `true` is `10m`; with `false` or `none`, every "
        "pause is as long as `retry_delay`.",
        examples=["1h"],
    )
    retry_jitter: bool = Field(
        False,
        strict=True,
        description="Make each pause a random part of its length, so that runs that failed together do not start "
        "together.",
    )
    retry_for: tuple[Failure, ...] = Field(
        (),
        max_length=50,
        description="Retry only these failures: names of exceptions or of their base classes, and exit codes of "
        "`command` and `shell`. Every failure, if left out.",
        examples=[["ConnectionError", 75]],
    )
    overlap: Literal["skip", "queue", "allow", "replace"] = Field(
        "skip",
        description="If the previous run has not ended: skip the new one, let it wait, run both, or stop the previous "
        "one and start the new one when it has ended.",
    )
    max_queued: Annotated[int, Field(ge=1, le=100, strict=True), WHOLE] = Field(
        1,
        description="How many runs of the schedule wait at most: for the run before, with `overlap: queue`, or for a "
        "place in their `group`. What falls due beyond is skipped.",
    )
    catch_up: Literal["none", "latest", "all"] = Field(
        "latest",
        description="Which missed due instants run when a beat is back. Due instants in a pause are not caught up.",
    )
    catch_up_window: Duration = Field(
        timedelta(days=1), description="Never run a missed due instant that is older than this."
    )
    on_lost: Literal["report", "rerun"] = Field(
        "report", description="If a run's worker disappears: only report the run as lost, or also run it again."
    )
    pause_after_failures: Annotated[Annotated[int, Field(ge=1, le=1000, strict=True), WHOLE] | None, NONE] = Field(
        None,
        description="Pause the schedule after so many runs in a row that failed or were lost, until a person resumes "
        "it; `none` for never. Then it counts again from 0.",
        examples=[3],
    )
    keep_result: Annotated[Duration | None, NONE] = Field(
        KEEP_RESULT,
        description="How long Redis keeps a run's result for programs that ask Celery for it; `none` keeps none. The "
        "ledger keeps its own copy. Left out, an application's own `result_expires` comes before the hour.",
    )

    @property
    def retrying(self) -> Retrying:
        """When a failed run is retried, for the worker."""
        backoff = None if self.retry_backoff is None else self.retry_backoff.total_seconds()
        return Retrying(self.retry_delay.total_seconds(), backoff, self.retry_jitter, self.retry_for)
