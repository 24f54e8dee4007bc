"""The ratios to stock RedBeat and Celery, guarded with bounds that a busy machine keeps too."""

from __future__ import annotations

import subprocess
import sys

from tests.support.upstream import ROOT


def test_no_ratio_to_stock_is_out_of_its_bound() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-2000:]}"
    assert done.stdout.count("\n| ") > 10
