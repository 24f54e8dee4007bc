"""Acts on many schedules: first what would happen to each, then the act."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from scheduler.admin.answers import as_json, is_check, page, wants_json
from scheduler.admin.editing import read_until
from scheduler.admin.listing import Search, found_by
from scheduler.admin.people import may, user
from scheduler.admin.service import service
from scheduler.changes import clock
from scheduler.changes.bulk import DEFAULT_SPREAD, EDIT, OF_RUNS, OPERATE, Answer, Asked, unique
from scheduler.errors import RefusedChange
from scheduler.operations.bulk import bulk_of
from scheduler.sending.upcoming import due_instants
from scheduler.status.problems.facts import Facts
from scheduler.status.rows import read_job
from scheduler.timing import TimingError, parse_duration

pages = Blueprint("bulk", __name__)
MAX_TEXT = 1000  #: characters of a field


@dataclass(frozen=True)
class Words:
    """How an act is called: on its button, in the past, and what its field asks for."""

    verb: str
    past: str
    will: str  #: what happens to those that it is for
    field: str = ""


WORDS = {
    "run": Words("Run now", "Sent a run of", "will run now"),
    "stop": Words("Stop the runs of", "Stopped, or asked to stop, the runs of", "will have each run under way stopped"),
    "retry": Words("Retry the last run of", "Retried the last run of", "will have the last run sent again"),
    "pause": Words("Pause", "Paused", "will be paused", "until"),
    "resume": Words("Resume", "Resumed", "will be resumed"),
    "skip": Words("Skip the next run of", "Will skip the next run of", "will skip the next run"),
    "unskip": Words("No longer skip the next run of", "No longer skipped:", "will no longer skip the next run"),
    "enable": Words("Enable", "Enabled", "will be enabled"),
    "disable": Words("Disable", "Disabled", "will be disabled"),
    "spread": Words("Spread", "Spread", "will be spread", "jitter"),
    "tag": Words("Add a tag to", "Tagged", "will get the tag", "tag"),
    "untag": Words("Remove a tag from", "Removed the tag from", "will lose the tag", "tag"),
    "revert": Words("Revert", "Reverted", "will go back to what is declared"),
    "delete": Words("Delete", "Deleted", "will be deleted"),
}


@pages.post(f"/bulk/<any({','.join(OPERATE)}):act>", endpoint="plan")
@pages.post(f"/bulk/<any({','.join(EDIT)}):act>", endpoint="plan_edit")
def plan(act: str) -> AnyResponse:
    """What the act would do to the chosen schedules, with the form for what it needs; changes nothing."""
    names = chosen_schedules()
    if not names:
        flash("Choose at least one schedule.", "held")
        return back()
    try:
        return dry_run(act, names, wrong_value(act) if request.form.get("value") else {})
    except RefusedChange as error:
        if wants_json():
            raise
        flash(f"Nothing was changed: {error}.", "bad")
        return back()


def dry_run(act: str, names: list[str], errors: dict[str, list[str]]) -> Response:
    value = "" if "value" in errors else typed("value")
    asked = Asked(act, user(), value=value)
    answer = bulk_of(service()).forecast(asked, names)
    if wants_json():
        return as_json({"would": answer.done, "left": answer.left})
    context: dict[str, Any] = {
        "act": act,
        "noun": "schedule",
        "place": "Schedules",
        "action": url_for("bulk.carry_out_edit" if act in EDIT else "bulk.carry_out", act=act),
        "kept": Search.read(request.form).query(),
        "errors": errors,
        "given": {key: typed(key) for key in ("why", "until", "value")},
        "is_final": act in OF_RUNS,
        "names": json.dumps(answer.done),
        "most": 0,  # a choice of too many is refused
        "next": next_runs(answer) if act == "spread" else (),
        "words": WORDS[act],
        "would": answer,
        "back_to": back_to(),
    }
    return page("bulk.html", 422 if errors else 200, **context)


def next_runs(answer: Answer) -> list[tuple[str, Any, Any, str]]:
    """The next run of each of the first schedules, before and after a spread, and its zone."""
    rows = []
    for before, after in answer.pairs[:10]:
        old, new = read_job(before)[0], read_job(after)[0]
        if old is None or new is None:
            continue
        due = next(due_instants(before, old, clock()), None)
        if due is not None:
            rows.append((before.name, old.timing.send_at(due), new.timing.send_at(due), new.timing.zone))
    return rows


@pages.post(f"/bulk/<any({','.join(OPERATE)}):act>/now", endpoint="carry_out")
@pages.post(f"/bulk/<any({','.join(EDIT)}):act>/now", endpoint="carry_out_edit")
def carry_out(act: str) -> AnyResponse:
    """Do it to those that the dry run named, and say how many there are."""
    names = chosen_schedules()
    if is_check():
        return dry_run(act, names, {})
    try:
        until = read_until(typed("until"), "UTC") if act == "pause" else None
    except TimingError as error:
        return dry_run(act, names, {"until": [str(error).removesuffix(" — ")]})
    if errors := wrong_value(act):
        return dry_run(act, names, errors)
    answer = bulk_of(service()).carry_out(Asked(act, user(), typed("why"), until, typed("value")), names)
    if wants_json():
        return as_json({"done": answer.done, "left": answer.left, "group": answer.group})
    can_undo = answer.done and act not in OF_RUNS and may("audit.undo_group")
    flash(told(WORDS[act].past, answer) + (" Undo it in the audit log." if can_undo else ""))
    return back()


def typed(key: str) -> str:
    """What a field of the form has."""
    return request.form.get(key, "").strip()[:MAX_TEXT]


def wrong_value(act: str) -> dict[str, list[str]]:
    """The error of a tag that is missing, or of a length of time that is none."""
    field, value = WORDS[act].field, typed("value")
    if field == "tag" and not value:
        return {"value": ["write the tag"]}
    try:
        parse_duration(value or DEFAULT_SPREAD) if field == "jitter" else None
    except TimingError as error:
        return {"value": [str(error)]}
    return {}


def told(past: str, answer: Answer, noun: str = "schedule") -> str:
    """What was done, and the first of those that were left alone, with the reason."""
    number = len(answer.done)
    text = f"{past} {number} {noun}{'' if number == 1 else 's'}."
    left = next(iter(answer.left.values()), "")
    return text + (f" Left alone: {len(answer.left)}; {left}." if left else "")


def chosen_schedules() -> list[str]:
    """Those of a dry run, those that are checked, or all that match the search of the list."""
    facts = Facts(service().store, service().settings)
    return chosen("name", lambda: found_by(facts, service().catalogue.look(), Search.read(request.form)).names)


def chosen(field: str, matching: Callable[[], Iterable[str]]) -> list[str]:
    """What the form has: as the dry run named them, as they are checked, or all ``matching`` where that is checked."""
    if "names" in request.form:
        try:
            sent = json.loads(request.form["names"])
        except (ValueError, RecursionError):
            sent = None
        if not isinstance(sent, list):
            raise RefusedChange("the form is damaged: choose again")
        return unique(map(str, sent))
    return list(matching()) if "all" in request.form else unique(request.form.getlist(field))


def back_to() -> str:
    """The list with the search that the schedules were chosen in."""
    return url_for("schedules.index", **Search.read(request.form).query())


def back() -> AnyResponse:
    return redirect(back_to(), 303)
