"""What others see of runs from inside the application: Sentry's cron monitors, and OpenTelemetry's spans."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.polling import until
from tests.support.worker import open_shop, running_worker

pytestmark = pytest.mark.xdist_group("runs")

SENTRY = """
    import json
    import os

    import sentry_sdk
    from celery import Celery
    from sentry_sdk.integrations.celery import CeleryIntegration
    from sentry_sdk.transport import Transport


    class File(Transport):
        # The check-ins that would go to Sentry's server: short lines, so that those of two processes do not mix.
        def capture_envelope(self, envelope):
            with open(os.environ["ENVELOPES"], "a") as file:
                for item in envelope.items:
                    if item.type == "check_in":
                        file.write(json.dumps(item.payload.json) + "\\n")


    sentry_sdk.init(
        dsn="http://key@localhost/1",
        transport=File,
        traces_sample_rate=1.0,
        integrations=[CeleryIntegration(monitor_beat_tasks=True, exclude_beat_tasks=["quiet-.*"])],
    )
    app = Celery("project")


    @app.task(name="project.work")
    def work():
        return 1


    @app.task(name="project.fail")
    def fail():
        raise ValueError("no")
"""


def check_ins(file: Path) -> list[dict[str, Any]]:
    """Those that Sentry got so far."""
    whole, _, _ = file.read_text().rpartition("\n") if file.exists() else ("", "", "")
    return [json.loads(line) for line in whole.splitlines()]


def test_an_application_with_sentry_gets_its_check_ins(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(textwrap.dedent(SENTRY))
    sent = tmp_path / "envelopes"
    environ = {"SCHEDULER_CELERY_APP": "project:app", "ENVELOPES": str(sent)}
    with running_worker(tmp_path, **environ) as (running, worker), open_shop(running, worker, tmp_path) as shop:
        (tmp_path / "schedules.yaml").write_text("schedules: {}\n", encoding="utf-8")
        running.start("beat").says("Leading: ")
        soon = f"start: '{datetime.now(UTC) + timedelta(seconds=4):%Y-%m-%dT%H:%M:%SZ}'"
        every = f"every: 1m, max_runs: 1, {soon}"
        (tmp_path / "schedules.yaml").write_text(
            f"""
schedules:
  good: {{task: project.work, {every}}}
  bad: {{task: project.fail, {every}}}
  again: {{task: project.fail, {every}, retries: 1}}
  quiet-one: {{task: project.work, {every}}}
  odd: {{task: project.work, rrule: FREQ=MINUTELY, max_runs: 1, {soon}}}
""",
            encoding="utf-8",
        )
        shop.run("project.work")  # a manual run is none that the monitor waits for
        for name in ("good", "bad", "again", "quiet-one", "odd"):
            until(lambda name=name: [it for it in running.runs(name) if it.finished], 180, f"{name} has run")  # type: ignore[misc]
        wanted = {"good": ["in_progress", "ok"], "bad": ["in_progress", "error"], "again": ["in_progress", "error"] * 2}
        until(lambda: len(check_ins(sent)) >= 8, 30, "the check-ins arrive")
        worker.stop()
    found = check_ins(sent)
    by_name: dict[str, list[dict[str, Any]]] = {}
    for it in found:
        by_name.setdefault(it["monitor_slug"], []).append(it)
    assert {name: [it["status"] for it in its] for name, its in by_name.items()} == wanted
    for its in by_name.values():
        for opened, closed in zip(its[::2], its[1::2], strict=True):
            assert opened["check_in_id"] == closed["check_in_id"]
            assert 0 <= closed["duration"] < 60
            assert opened["monitor_config"] == closed["monitor_config"]
    assert found[0]["monitor_config"] == {
        "schedule": {"type": "interval", "value": 1, "unit": "minute"},
        "timezone": "UTC",
    }
    assert len({it["check_in_id"] for it in found}) == 4


OPENTELEMETRY = """
    import os

    from celery import Celery
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

    file = open(os.environ["SPANS"], "a")
    exporter = ConsoleSpanExporter(out=file, formatter=lambda span: span.to_json(indent=None) + "\\n")
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    CeleryInstrumentor().instrument(tracer_provider=provider)
    app = Celery("project")


    @app.task(name="project.work")
    def work():
        return 1
"""


def test_opentelemetry_gets_a_span_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "project.py").write_text(textwrap.dedent(OPENTELEMETRY))
    spans = tmp_path / "spans"
    environ = {"SCHEDULER_CELERY_APP": "project:app", "SPANS": str(spans)}
    with running_worker(tmp_path, **environ) as running, open_shop(*running, tmp_path) as shop:
        run = shop.run("project.work")
        until(lambda: spans.exists() and spans.read_text().endswith("\n"), 30, "the span is written")
    [span] = [json.loads(line) for line in spans.read_text().splitlines()]
    assert span["name"] == "run/project.work"
    assert span["attributes"]["messaging.message.id"] == run.task_id
