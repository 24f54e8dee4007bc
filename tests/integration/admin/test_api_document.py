"""The API answers as its OpenAPI document says, whatever it is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limited
from hypothesis import strategies as st
from schemathesis import openapi
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from scheduler import changes
from scheduler.admin.accounts import Account, hash_token, make_token, write
from scheduler.admin.service import Service
from scheduler.model import Entry
from scheduler.operations.every import EVERY
from scheduler.settings import Settings
from scheduler.storage.sessions import Opened, OpenSessions

EXAMPLES = 5  #: requests for each operation that are valid, and as many that are not


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The service's, without a limit on requests."""
    return replace(settings, api_rate=1_000_000)


@pytest.fixture
def token(settings: Settings) -> Iterator[str]:
    """A token that may do everything."""
    made = make_token()
    settings.accounts.parent.mkdir(exist_ok=True)
    write(settings.accounts, [Account("ci", "admin", hash_token(made))])
    yield made
    settings.accounts.unlink()


@pytest.mark.timeout(120)
def test_every_answer_is_as_the_document_says(app: Flask, service: Service, nightly: Entry, token: str) -> None:
    run = service.dispatcher.run_now(nightly, "ann")
    changes.pause(service.store, "nightly", by="ann", note="why")
    known = {"group": "0", "name": "nightly", "run_id": run, "line_id": service.store.audit.lines(1)[0]["id"]}
    OpenSessions(service.store.client, service.store.keys).begin(Opened("s", "ann", time.time(), "127.0.0.1", "Mosaic"))
    known["session_id"] = "s"
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"}
    schema = openapi.from_wsgi("/api/v1/openapi.json", app, headers=headers)
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == len(EVERY)
    for operation in operations:
        for mode in GenerationMode:
            try_out(operation, mode, known, headers)


def try_out(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, known: dict[str, str], headers: dict[str, str]
) -> None:
    """Send some requests, valid or not, for what exists and what does not, and compare the answers."""

    @limited(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def check(case: Any, is_known: bool) -> None:
        if is_known and mode == GenerationMode.POSITIVE:
            case.path_parameters = {key: known[key] for key in case.path_parameters or {}}
        # What a schedule may say, no JSON Schema can: a request that fits the document may be refused.
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

    check()
