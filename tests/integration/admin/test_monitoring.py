"""The rules and the dashboard of docs/monitoring: Prometheus accepts them, and they ask for series that exist."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler.admin.service import Service
from scheduler.status.metrics import Metrics
from tests.support import need
from tests.support.documents import PAGES, ROOT
from tests.support.shop import Shop

RULES = ROOT / "docs/monitoring/alerts.yaml"
DASHBOARD = json.loads((ROOT / "docs/monitoring/dashboard.json").read_text(encoding="utf-8"))
RULE_TESTS = Path(__file__).parent / "alert_rules.yaml"
ENDS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}


def promtool(*arguments: str | Path) -> str:
    """What it says; AssertionError with that if it finds anything wrong."""
    done = subprocess.run([need.program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def queries() -> Iterator[str]:
    """Every PromQL expression of the dashboard, with what Grafana fills in."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$instance", ".*").replace("$__rate_interval", "5m")


@pytest.fixture
def exposed(shop: Shop, service: Service) -> set[str]:
    """The series of a page while a beat leads that has loaded its file."""
    client, keys = service.store.client, service.store.keys
    assert client.exists(keys.lock)
    client.hset(keys.leader, "since", time.time())
    client.hset(keys.file, mapping={"read": time.time(), "applied": time.time()})
    families: list[Any] = [*Metrics(service.store, replace(service.settings, metrics_schedules=("job",))).collect()]
    return {f"{family.name}{end}" for family in families for end in ENDS.get(family.type, ("",))}


def test_prometheus_accepts_the_alert_rules() -> None:
    number = RULES.read_text(encoding="utf-8").count("- alert:")
    assert f"{number} rules found" in promtool("check", "rules", RULES)


def test_an_alert_fires_when_its_reason_has_lasted_and_not_before() -> None:
    promtool("test", "rules", RULE_TESTS)


def test_every_series_of_the_rules_and_of_the_dashboard_is_one_that_the_page_serves(exposed: set[str]) -> None:
    rules = [rule["expr"] for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]
    for expression in (*rules, *queries()):
        named = set(re.findall(r"\bscheduler_\w+", expression))
        assert named
        assert named <= exposed, expression


def test_the_table_of_series_is_what_the_page_serves(exposed: set[str]) -> None:
    rows = re.findall(r"^\| (`scheduler_.*?) \|", PAGES["docs/operations.md"], re.MULTILINE)
    named = {name.removesuffix("_total") for row in rows for name in re.findall(r"`(scheduler_\w+)", row)}
    served = {re.sub("_(total|bucket|sum|count)$", "", name) for name in exposed}
    assert named == served


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


def test_no_panel_of_the_dashboard_covers_another() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24  # Grafana's grid
