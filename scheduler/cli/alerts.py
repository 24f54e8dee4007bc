"""Commands about alerts."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import click

from scheduler import schedule_file
from scheduler.alerts.alert import Alert
from scheduler.alerts.messages import linked, of_service
from scheduler.alerts.sinks import KINDS
from scheduler.alerts.sinks.sink import SinkFailed
from scheduler.changes import Invalid
from scheduler.cli.common import Service, as_json, with_service
from scheduler.cli.printing import print_json, say
from scheduler.errors import Exit, NotFound
from scheduler.validate import validate


@click.group()
def alerts() -> None:
    """Messages to people about a change of health."""


@alerts.command()
@click.argument("sink", required=False)
@click.option("--file", "path", type=click.Path(path_type=Path), help="The schedule file; SCHEDULER_FILE if left out.")
@as_json
@with_service
def test(service: Service, sink: str | None, path: Path | None, json_: bool) -> int:
    """Send a test alert to one sink or to all.

    Prints what each sink answered; exits with 1 if one failed. Needs neither Redis nor a running service.
    """
    valid = validate(schedule_file.read(path or service.settings.file), tasks=None)
    if valid.errors:
        raise Invalid(valid.errors)
    sinks = valid.alerts.stored({})["sinks"]
    if not sinks or (sink and sink not in sinks):
        known = ", ".join(sinks) or "none"
        raise NotFound(f"there is no sink '{sink}' (declared: {known})" if sink else "the file declares no sinks")
    chosen = {name: kind for name, kind in sinks.items() if sink in (None, name)}
    with ThreadPoolExecutor(max_workers=min(len(chosen), 20)) as pool:
        answers = dict(
            zip(chosen, pool.map(partial(send, page=service.settings.admin_url), chosen.values()), strict=True)
        )
    if json_:
        print_json([{"sink": name, "ok": not error, "error": error} for name, error in answers.items()])
    else:
        for name, error in answers.items():
            say(f"{name}: {error or 'sent'}", err=bool(error))
    return Exit.PROBLEMS if any(answers.values()) else Exit.OK


def send(sink: dict[str, Any], page: str) -> str:
    """What went wrong; empty if the sink took the alert, which links to the page at this address."""
    [(kind, options)] = sink.items()
    reason = "a person asked for a test with `scheduler alerts test`"
    alert = Alert(uuid.uuid4().hex, "test", "ok", "scheduler", time.time(), reason=reason)
    try:
        KINDS[kind].send(linked(of_service(alert), page), KINDS[kind].Options.model_validate(options))
    except SinkFailed as error:
        return str(error)
    return ""


COMMANDS = (alerts,)
