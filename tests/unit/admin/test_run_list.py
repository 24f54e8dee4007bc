"""What the list of runs begins with."""

from __future__ import annotations

from datetime import datetime

import pytest
import time_machine

from scheduler.admin.run_list import beginning


@pytest.mark.parametrize("now", ["2026-03-02T00:00:00Z", "2026-03-02T17:59:59Z", "2026-03-02T23:59:59Z"])
def test_last_night_began_at_18_00_of_the_day_before(now: str) -> None:
    with time_machine.travel(now, tick=False):
        assert beginning("night") == datetime.fromisoformat("2026-03-01T18:00:00Z").timestamp()
