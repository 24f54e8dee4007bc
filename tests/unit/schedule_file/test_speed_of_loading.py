"""Ten thousand schedules are read and judged in less time than PyYAML's C loader takes to load the same text."""

from __future__ import annotations

import time

import yaml

from bench.loading import judge, text
from scheduler import schedule_file
from scheduler.validate import meaning

ROUNDS = 5


def test_reading_and_judging_takes_less_time_than_pyyaml_takes_to_load() -> None:
    written = text(2_000)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        meaning.judged.cache_clear()
        begun = time.process_time()
        judge(schedule_file.parse(written, "schedules.yaml"))
        between = time.process_time()
        yaml.load(written, yaml.CSafeLoader)
        ours.append(between - begun)
        theirs.append(time.process_time() - between)
    assert min(ours) < min(theirs), f"{ours} against {theirs}"
