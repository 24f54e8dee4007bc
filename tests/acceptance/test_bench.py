"""The ratios to stock RedBeat and Celery. This finds a collapse; smaller losses show on a quiet machine only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.upstream import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_ratio_to_stock_is_out_of_its_bound(tmp_path: Path) -> None:
    said = tmp_path / "said"
    with said.open("wb") as out:
        command = [sys.executable, "-m", "bench", "--quick"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True)
        try:
            code = process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert code == 0, said.read_text()
    assert said.read_text().count("\n| ") > 10
