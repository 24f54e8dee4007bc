"""The commands that check and mend what is around the schedules: doctor, rebuild."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial

import click

from scheduler.cli.common import Service, as_json, print_json, say, with_service
from scheduler.errors import Exit
from scheduler.sending.broker import worker_answers
from scheduler.status.doctor import examine
from scheduler.storage import health
from scheduler.storage.client import answering


@click.command()
@as_json
@with_service
def doctor(service: Service, json_: bool) -> int:
    """Check Redis, the clocks, beat and the workers.

    Exits with 1 if there is a problem.
    """
    with answering(service.settings):
        service.store.file_facts()  # a Redis that serves nothing is waited for, and ends this
        asked = partial(worker_answers, service.celery)
        findings = examine(service.store.client, service.store.keys, service.settings, ask_workers=asked)
    problems = [finding for finding in findings if finding.severity == "problem"]
    if json_:
        print_json({"ok": not problems, "findings": [asdict(finding) for finding in findings]})
        return Exit.PROBLEMS if problems else Exit.OK
    for finding in findings:
        say(f"{finding.severity:<8} {finding}")
    if not problems:
        say(f"no problems found: Redis at {service.settings.shown_redis_url}, clocks, beat, workers")
    return Exit.PROBLEMS if problems else Exit.OK


@click.command()
@with_service
def rebuild(service: Service) -> int:
    """Work out from the ledgers again which schedules are failing.

    The leader does so every hour by itself, and nothing has to be stopped for it.
    """
    client, keys = service.store.client, service.store.keys
    with answering(service.settings):
        health.rebuild(client, keys)
        total = health.failing(client, keys, 1).total
    say(f"read every ledger: {total} failing schedule{'' if total == 1 else 's'}")
    return Exit.OK


COMMANDS = (doctor, rebuild)
