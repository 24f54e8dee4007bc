"""Answers about the service as a whole, for the API's document."""

from __future__ import annotations

from pydantic import Field

from scheduler.operations.answers.runs import At, Backfill, Waiting
from scheduler.operations.operation import Model
from scheduler.status.problems.problem import Severity


class Problem(Model):
    """What needs a person."""

    sentence: str
    remedy: str
    severity: Severity
    subject: str
    since: At | None


class Problems(Model):
    """What needs a person, in the order in which to fix it, and the checks that could not be made."""

    ok: bool
    problems: list[Problem]
    unknown: list[Problem]


class Leader(Model):
    """The beat that sends."""

    name: str
    lease_ends_in: float
    since: At | None


class Group(Model):
    """A group, what has a place in it and what waits for one, by since when in epoch seconds."""

    name: str
    places: int
    running: list[str]
    waiting: dict[str, float]


class Minute(Model):
    """What was due, started and failed in a minute."""

    at: At
    due: int
    started: int
    failed: int


class Status(Model):
    """The service: who leads, the file, what needs a person, and the last hour."""

    leader: Leader | None
    standbys: list[str]
    file: dict[str, str]
    problems: list[Problem]
    news: list[str]
    groups: list[Group]
    backfills: list[Backfill]
    waiting: list[Waiting]
    total: int
    minutes: list[Minute]


class Standby(Model):
    """A beat that waits."""

    name: str
    same_file: bool


class Worker(Model):
    """A worker."""

    name: str
    slots: int
    busy: int
    version: str
    queues: list[str]
    seen: At | None
    silent: bool


class Queue(Model):
    """A queue, what waits in it, who takes from it, and the first of the schedules whose runs go there."""

    name: str
    waiting: int
    since: At | None
    workers: list[str]
    schedules: list[str]
    schedule_count: int


class Redis(Model):
    """What Redis says of itself."""

    address: str
    version: str
    used_bytes: int
    limit_bytes: int
    eviction: str
    persistence: str
    replicas: int


class LeadingBeat(Leader):
    """The beat that sends, and for how long its lock is not renewed."""

    lease_age: float | None


class Health(Model):
    """Each part of the service."""

    headline: str
    problems: list[Problem]
    unknown: list[Problem]
    news: list[str]
    beat: LeadingBeat | None
    standbys: list[Standby]
    workers: list[Worker]
    queues: list[Queue]
    groups: list[Group]
    redis: Redis
    file: dict[str, str]


class Session(Model):
    """A person who is logged in to the page."""

    id: str
    name: str
    at: At
    address: str
    agent: str = Field(description="The browser, as it calls itself.")


class Sessions(Model):
    """Sessions, the newest first."""

    items: list[Session]


class Task(Model):
    """A task that a schedule can run."""

    name: str
    signature: str = Field(description="As its author wrote it; empty where it is not known.")
    doc: str = Field(description="Its docstring, at most 1,000 characters of it.")
    file_only: bool = Field(description="Whether only the schedule file may declare a schedule of it.")


class Tasks(Model):
    """Tasks by name."""

    items: list[Task]


class Wrong(Model):
    """One thing that is wrong with what was sent."""

    field: str
    detail: str


class Refusal(Model):
    """What was wrong, as RFC 9457 says it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Wrong] | None = None
