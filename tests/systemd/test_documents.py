"""Every command that docs/operations.md gives for a server, typed on one in the order of the page."""

from __future__ import annotations

import json

from tests.support.documents import ROOT, commands
from tests.support.polling import until
from tests.systemd.accounts import SCHEDULER
from tests.systemd.host import Host

SAID_BY_EXIT_CODE = {"status --json": (0, 1), "status": (0, 1), "doctor": (0, 1)}


def test_the_commands_of_the_page_work_and_a_restore_brings_the_backup_back(host: Host) -> None:
    host.write("/etc/celery-scheduler/schedules.yaml", (ROOT / "schedules.yaml").read_text(encoding="utf-8"))
    host.run("systemctl", "start", "celery-beat", "celery-worker", "celery-admin")
    until(lambda: states(host).get("log-it"), 60, "beat has loaded the file")
    typed = commands("docs/operations.md", "console host")
    assert len(typed) > 20
    for command in typed:
        if "tar " in command:
            host.shell(f"{SCHEDULER} pause log-it --note kept")
        if command.endswith("stop celery-beat celery-worker celery-admin redis-server"):
            host.shell(f"{SCHEDULER} resume log-it")
        done = host.attempt("sh", "-c", command.replace("sudo ", ""))
        allowed = next((codes for end, codes in SAID_BY_EXIT_CODE.items() if command.endswith(f" {end}")), (0,))
        assert done.returncode in allowed, f"{command}\n{done.stdout}"
        if command.endswith("start celery-beat celery-worker celery-admin"):
            until(lambda: states(host).get("log-it") == "paused", 60, "what was paused at the backup is paused")
    assert host.run("redis-cli", "--scan", "--pattern", "redbeat:*") == ""
    host.run("systemctl", "disable", "--now", "celery-worker@reports")
    host.run("systemctl", "start", "celery-beat")
    until(lambda: states(host).get("log-it") == "paused", 30, "the snapshot brings it back without Redis")


def states(host: Host) -> dict[str, str]:
    """State of each schedule, as the command line says it."""
    listed = host.shell(f"{SCHEDULER} list --json", check=False)
    return {row["name"]: row["state"] for row in json.loads(listed or "[]")}
