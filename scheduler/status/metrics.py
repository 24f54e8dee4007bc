"""The service as metrics for Prometheus: the counters in Redis and what ``status`` shows.

Only schedules that ``settings.metrics_schedules`` names have series of their own, so that labels are bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from scheduler.model.reasons import Reason
from scheduler.settings import Settings
from scheduler.status import problems
from scheduler.status.problems.facts import Facts
from scheduler.storage.client import AWAY, REFUSED
from scheduler.storage.counters import Counters, counters
from scheduler.storage.entries import NEVER
from scheduler.storage.health import read_well
from scheduler.storage.store import Store

MAX_QUEUES = 100  #: queues that get series of their own: those in which most runs wait
MAX_SCHEDULES = 1000  #: schedules that get series of their own
MAX_SINKS = 100  #: sinks that get series of their own
OUTCOMES = ("succeeded", "failed", "stopped", "lost")
SKIPS = tuple(reason.value for reason in Reason if reason.outcome == "skipped")
SEVERITIES = ("critical", "warning")


class Metrics(Collector):
    """Reads Redis at each scrape: the cost does not grow with the number of schedules."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings

    def describe(self) -> Iterable[Metric]:
        """Nothing: a registry would otherwise collect once to learn the names."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every series; only ``scheduler_up`` while Redis does not answer."""
        try:
            series = list(self.series())
        except (*AWAY, *REFUSED, OSError):
            series = []
        yield gauge("up", "Whether Redis answers this page.", bool(series))
        yield from series

    def series(self) -> Iterator[Metric]:
        """All series but ``scheduler_up``; raises what the client does."""
        facts = Facts(self.store, self.settings)
        yield from runs(counters(facts.client, facts.keys))
        yield from beats(facts)
        yield from workers(facts)
        yield from queues(facts)
        yield from schedules(facts)
        yield from chosen_schedules(facts, self.settings.metrics_schedules)
        yield from file(facts)
        yield from alerts(facts)
        severe = Counter[str](problem.severity for problem in problems.look(facts))
        yield by_label("problems", "Problems that `status` names.", "severity", {it: severe[it] for it in SEVERITIES})


def gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"scheduler_{name}", text, value=float(value))


def by_label(name: str, text: str, label: str, values: dict[str, float]) -> Metric:
    family = GaugeMetricFamily(f"scheduler_{name}", text, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def count(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"scheduler_{name}", text, value=value)


def counts(name: str, text: str, label: str, words: Iterable[str], values: Counter[str]) -> Metric:
    """A counter by label; a word that is not among the known ones counts as ``other``, so that labels are bounded."""
    family = CounterMetricFamily(f"scheduler_{name}", text, labels=[label])
    known = [*words]
    for word in known:
        family.add_metric([word], values[word])
    family.add_metric(["other"], sum(values[word] for word in values.keys() - {*known}))
    return family


def runs(totals: Counters) -> Iterator[Metric]:
    """What became of due instants and runs."""
    yield count("due_instants", "Due instants that beat sent or skipped.", totals.due)
    yield count("runs_sent", "Runs that beat or a person handed over to a queue.", totals.sent)
    yield count("runs_started", "Runs whose first attempt started.", totals.started)
    yield counts("runs_finished", "Runs that ended, by outcome.", "outcome", OUTCOMES, totals.ended)
    yield counts("due_instants_skipped", "Due instants without a run, by reason.", "reason", SKIPS, totals.skipped)
    lateness = HistogramMetricFamily("scheduler_run_lateness_seconds", "From the due instant to the first start.")
    lateness.add_metric([], totals.lateness.cumulative, totals.lateness.sum_s)
    yield lateness
    text = "From the first start of a run to its end, retries included."
    duration = HistogramMetricFamily("scheduler_run_duration_seconds", text, labels=["outcome"])
    for outcome in OUTCOMES:
        if took := totals.duration.get(outcome):
            duration.add_metric([outcome], took.cumulative, took.sum_s)
    yield duration


def beats(facts: Facts) -> Iterator[Metric]:
    leader = facts.leader
    yield gauge("leaders", "Beats that lead: 1, or 0 when nothing is sent.", leader is not None)
    yield gauge("standbys", "Beats that wait to lead.", len(facts.standbys))
    if leader:
        age = max(0.0, facts.settings.lease - leader.remaining)
        yield gauge("lease_age_seconds", "Seconds since the leader renewed its lock.", age)
        if leader.since:
            yield gauge("leader_since_timestamp_seconds", "When this leader began to lead.", leader.since)


def workers(facts: Facts) -> Iterator[Metric]:
    live, known = len(facts.live_workers), len(facts.workers)
    states: dict[str, float] = {"live": live, "silent": known - live}
    yield by_label("workers", "Workers that report, and those that stopped without a word.", "state", states)
    slots, busy = (sum(getattr(it, name) for it in facts.live_workers) for name in ("slots", "busy"))
    yield gauge("worker_slots", "Tasks that the live workers can run at once.", slots)
    yield gauge("worker_slots_busy", "Tasks that they ran when each reported last.", busy)


def queues(facts: Facts) -> Iterator[Metric]:
    """Runs that wait for a worker, by queue; priorities count as one queue."""
    waiting = facts.waiting_by_queue
    shown: dict[str, float] = dict(Counter({name: it.waiting for name, it in waiting.items()}).most_common(MAX_QUEUES))
    ages = {queue: max(0.0, facts.now - waiting[queue].since) for queue in shown}
    yield by_label("queue_waiting_runs", "Runs that no worker took yet.", "queue", shown)
    yield by_label("queue_oldest_run_age_seconds", "How long the oldest of them waits.", "queue", ages)


def schedules(facts: Facts) -> Iterator[Metric]:
    yield gauge("schedules", "Stored schedules.", facts.client.zcard(facts.keys.schedule))
    unwell: dict[str, float] = {
        "failing": facts.failing.total,
        "quarantined": facts.quarantined[0],
        **{state: sum(it.state == state for it in facts.unstarted.schedules) for state in ("late", "stuck")},
    }
    yield by_label("schedules_unhealthy", "Schedules with this health.", "health", unwell)


def chosen_schedules(facts: Facts, names: Iterable[str]) -> Iterator[Metric]:
    """Series of the schedules that the settings name; one that is not stored has none. Takes one round trip."""
    wanted = list(dict.fromkeys(names))[:MAX_SCHEDULES]
    failures = GaugeMetricFamily(
        "scheduler_schedule_failures", "Failed or lost since the last success.", labels=["schedule"]
    )
    success = at_by_schedule("last_success", "The due instant that succeeded last.")
    following = at_by_schedule(
        "next_due", "The next due instant; none where there is none, or while it is quarantined."
    )
    with facts.client.pipeline(transaction=False) as pipe:
        for name in wanted:
            pipe.zscore(facts.keys.schedule, facts.keys.entry(name))
            pipe.hget(facts.keys.ledger(name), ":health")
        answers = iter(pipe.execute(raise_on_error=False))
    for name, due, health in zip(wanted, answers, answers, strict=False):
        if not isinstance(due, float):
            continue
        well, count = read_well(health)
        failures.add_metric([name], count)
        if well:
            success.add_metric([name], well)
        if due != NEVER:
            following.add_metric([name], due)
    yield from (failures, success, following) if wanted else ()


def at_by_schedule(name: str, text: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"scheduler_schedule_{name}_timestamp_seconds", text, labels=["schedule"])


def file(facts: Facts) -> Iterator[Metric]:
    """What became of the schedule file."""
    stored = facts.file
    yield gauge(
        "schedule_file_rejected",
        "1 while the file has errors and the last good one runs.",
        bool(stored.get("problems")),
    )
    for fact, text in (("read", "When the leader read the file last."), ("applied", "When it took effect last.")):
        if at := float(stored.get(fact) or 0):
            yield gauge(f"schedule_file_{fact}_timestamp_seconds", text, at)


def alerts(facts: Facts) -> Iterator[Metric]:
    """What became of alerts, by sink of the schedule file."""
    sent = CounterMetricFamily("scheduler_alerts_sent", "Alerts that a sink took.", labels=["sink"])
    failed = CounterMetricFamily("scheduler_alert_attempts_failed", "Attempts that failed.", labels=["sink"])
    given_up = CounterMetricFamily("scheduler_alerts_given_up", "Alerts that a sink never took.", labels=["sink"])
    for sink, state in islice(facts.sinks.items(), MAX_SINKS):
        sent.add_metric([sink], state.sent)
        failed.add_metric([sink], state.failed)
        given_up.add_metric([sink], state.given_up)
    yield from (sent, failed, given_up)
