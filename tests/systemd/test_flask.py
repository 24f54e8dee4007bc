"""What docs/tasks.md tells a Flask developer to type on a server with the service installed."""

from __future__ import annotations

import json

from tests.support.documents import commands, of_kind
from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER
from tests.systemd.conftest import SHORT
from tests.systemd.host import Host

PAGE = "docs/tasks.md"


def test_a_flask_application_moves_to_a_server_by_the_page_alone(host: Host) -> None:
    (app,) = (text for text in of_kind(PAGE, "python") if text.startswith("# app.py"))
    (file,) = (text for text in of_kind(PAGE, "yaml") if "app.sum_up" in text)
    host.run("mkdir", "-p", "/root/shop")
    host.write("/root/shop/app.py", app)
    host.write("/root/shop/schedules.yaml", file)
    try:
        for command in commands(PAGE, "console host"):
            host.shell(f"cd /root/shop && {command.replace('sudo ', '')}")
        until(lambda: "300 EUR" in results(host), 60, "a run of the application's task")
    finally:
        host.write("/etc/celery-scheduler/environment", SHORT)


def results(host: Host) -> str:
    """What the succeeded runs returned."""
    rows = json.loads(host.shell(f"{SCHEDULER} history takings --json"))
    return " ".join(str(row["result"]) for row in rows if row["outcome"] == "succeeded")
