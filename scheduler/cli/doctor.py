"""The command that looks at everything around the schedules: doctor."""

from __future__ import annotations

from dataclasses import asdict

import click

from scheduler.cli.common import Service, as_json, print_json, with_service
from scheduler.errors import Exit
from scheduler.sending.broker import worker_answers
from scheduler.status.doctor import examine
from scheduler.storage.client import answering


@click.command()
@as_json
@with_service
def doctor(service: Service, json_: bool) -> int:
    """Say what is wrong with Redis, the clocks, beat or the workers. Exits with 1 when something needs a person."""
    with answering(service.settings):
        service.store.client.ping()
        heard = worker_answers(service.celery)
        found = examine(service.store.client, service.store.keys, service.settings, worker_answers=heard)
    problems = [finding for finding in found if finding.severity == "problem"]
    if json_:
        print_json({"ok": not problems, "findings": [asdict(finding) for finding in found]})
        return Exit.PROBLEMS if problems else Exit.OK
    for finding in found:
        click.echo(f"{finding.severity:<8} {finding}")
    if not problems:
        click.echo(
            f"Redis at {service.settings.shown_redis_url}, the clocks, beat and the workers are as they have to be"
        )
    return Exit.PROBLEMS if problems else Exit.OK


COMMANDS = (doctor,)
