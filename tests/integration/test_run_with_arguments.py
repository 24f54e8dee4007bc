"""A manual run with arguments of its own: checked, recorded, and kept by every further attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler import changes
from scheduler.beat.lost_messages import LostMessages
from scheduler.errors import Exit, NotFound, RefusedChange
from scheduler.model import Reason
from scheduler.registry import file_only, signatures
from scheduler.storage.audit import Audit
from scheduler.storage.client import Client
from scheduler.storage.keys import Keys
from tests.support.beats import arguments, runs_sent, sent
from tests.support.shell import Shell
from tests.support.shop import Shop, claim


def run(shop: Shop, name: str = "job", **given: Any) -> str:
    app = shop.dispatcher.app
    known = changes.Known(signatures(app), file_only(app))
    return changes.run(shop.dispatcher, shop.store, name, by="ann", known=known, **given)


def test_it_gets_them_in_place_of_the_schedules_and_the_ledger_and_the_audit_log_say_so(
    shop: Shop, client: Client, keys: Keys
) -> None:
    shop.add(task="scheduler.tasks.count_to", args=[9], kwargs={"seconds": 2})
    identity = run(shop, args=[3])
    (message,) = sent(client)
    assert arguments(message) == ([3], {"seconds": 2})
    found = shop.ledger.get(identity)
    assert (found.manual, found.by, json.loads(found.arguments)) == (True, "ann", [[3], {"seconds": 2}])
    (line,) = Audit(client, keys).lines()
    assert (line["change"], line["why"]) == ("run", f'{identity} with [[3], {{"seconds": 2}}]')
    client.delete("celery")
    shop.ledger.claim(found, "worker", "token")
    shop.ledger.close(identity, "succeeded", token="token")
    run(shop)
    assert arguments(sent(client)[0]) == ([9], {"seconds": 2}), "the next run has the schedule's"


def test_a_retry_and_a_message_that_was_lost_keep_them(shop: Shop, client: Client) -> None:
    shop.add()
    identity = run(shop, args=[7, 8])
    claim(shop)
    shop.ledger.close(identity, "failed", token="token", reason=Reason.ERROR)
    for _ in range(2):  # a second retry, since the first wrote the row anew
        client.delete("celery")
        changes.retry(shop.dispatcher, shop.store, shop.ledger, identity, by="bob")
        assert [arguments(message) for message in sent(client)] == [([7, 8], {})]
        claim(shop)
        shop.ledger.close(identity, "failed", token="token", reason=Reason.ERROR)
    changes.retry(shop.dispatcher, shop.store, shop.ledger, identity, by="bob")
    client.delete("celery")
    messages = LostMessages(shop.dispatcher.app, shop.store, shop.ledger, None)
    _, payload, *_ = messages.again(identity, shop.now)
    assert arguments(json.loads(str(payload))) == ([7, 8], {})


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"args": [1, 2, 3]},
            "the arguments do not match task 'scheduler.tasks.log_it': too many positional arguments",
        ),
        ({"kwargs": {"c": 1}}, "task 'scheduler.tasks.log_it' takes no argument 'c' — "),
        ({"args": ["${HOME}", 1]}, "a run cannot be given ${…}: only the schedule file may say"),
        ({"args": ["x" * 20_000, 1]}, "the arguments have more than 16384 characters"),
    ],
)
def test_wrong_ones_are_refused_before_anything_is_sent(
    shop: Shop, client: Client, given: dict[str, Any], problem: str
) -> None:
    shop.add()
    with pytest.raises(RefusedChange) as refused:
        run(shop, **given)
    assert problem in str(refused.value)
    assert runs_sent(client) == []


def test_what_acts_on_the_machine_by_its_arguments_takes_none(shop: Shop) -> None:
    shop.add(task=None, shell="true", args=[])
    with pytest.raises(RefusedChange, match="only the schedule file may set them"):
        run(shop, kwargs={"argv": ["rm", "-r", "/"]})
    with pytest.raises(NotFound):
        run(shop, "nothing", args=[])


def test_the_command_reads_json(shell: Shell, shop: Shop, client: Client) -> None:
    shop.add()
    for wrong in ("[1", '{"a": 1}', "null"):
        said = shell.apart("run", "job", "--args", wrong)
        assert said.code == Exit.USAGE
        assert "write a list such as '[1, 2]'" in said.err
    said = shell.apart("run", "job", "--args", "[5]", "--kwargs", '{"b": 6}', "--json")
    assert runs_sent(client) == [said.json["run"]]
    assert arguments(sent(client)[0]) == ([5], {"b": 6})
