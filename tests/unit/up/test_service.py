"""What ``up`` gives to the processes that it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scheduler.settings import Settings
from scheduler.up import web
from scheduler.up.service import Service
from scheduler.up.state import StateDirectory


@pytest.mark.parametrize("named", ["", "https://jobs.example.com"])
def test_alerts_link_to_the_page_that_up_serves_unless_the_settings_name_another_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(Service, "launch", lambda *_, **more: given.update(more))
    with web.listen("127.0.0.1", 0) as listener:
        service = Service(Settings(admin_url=named), StateDirectory(tmp_path), listener, None)
        service.launch_beat()
        served = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert given["more"] == {"SCHEDULER_ADMIN_URL": named or served}
