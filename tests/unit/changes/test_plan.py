"""The plan: who wins, file or page, field by field."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.changes import plan
from scheduler.changes.plan import Change, Plan, plan_file
from scheduler.model import Declared, Entry, Overlaid, Pause
from tests.support.schedules import HOUR, MINUTE, NOON, declared, entry_of

LATER = NOON + HOUR


def only(made: Plan) -> Change:
    (change,) = made.changes
    return change


def load(stored: Entry | None, wanted: Declared) -> Entry:
    """What is stored after the file, which says this, was loaded an hour later."""
    made = plan_file({} if stored is None else {stored.name: stored}, {wanted.name: wanted}, LATER)
    if not made.changes:
        assert stored is not None
        return stored
    after = only(made).after
    assert after is not None
    return after


def on_page(entry: Entry, by: str = "ann", **fields: Any) -> Entry:
    """The entry after somebody set these fields on the page; None takes a field away."""
    chosen = entry.fields | {key.rstrip("_"): value for key, value in fields.items()}
    wanted = {key: value for key, value in chosen.items() if value is not None}
    wanted.pop("excluded", None)
    return plan.edit(entry, declared(entry.name, **wanted), by, NOON, "because")


def test_a_new_schedule_is_added_and_first_due_after_now() -> None:
    change = only(plan_file({}, {"job": declared(cron="0 * * * *")}, NOON))
    assert change.kind == "add"
    assert change.after is not None
    assert (change.after.origin, change.after.due) == ("file", NOON + HOUR)
    assert change.after.fields == change.after.base == {"task": "reports.build", "cron": "0 * * * *"}


def test_loading_the_same_file_again_changes_nothing() -> None:
    wanted = declared(
        args=[1, {"a": [2.5]}], tags=["x"], expires="1h", except_=["free"], calendars={"free": ("2026-12-25",)}
    )
    made = plan_file({"job": entry_of(wanted)}, {"job": wanted}, LATER)
    assert made.changes == ()
    assert made.summary() == "no changes"


def test_a_field_that_the_file_changed_is_updated_and_told_with_both_values() -> None:
    change = only(plan_file({"job": entry_of(declared(args=[1]))}, {"job": declared(args=[2], queue="slow")}, LATER))
    assert change.kind == "update"
    assert change.fields == {"args": ([1], [2]), "queue": (None, "slow")}
    assert str(change) == "update job (args: [1] → [2]; queue: None → 'slow')"


def test_a_change_that_has_nothing_to_do_with_time_leaves_the_due_instant_alone() -> None:
    stored = entry_of(declared(args=[1]))
    assert load(stored, declared(args=[2])).due == stored.due


@pytest.mark.parametrize(
    "change", [{"every": "7m"}, {"timezone": "Europe/Berlin"}, {"jitter": "5s"}, {"enabled": False}]
)
def test_a_change_of_the_timing_is_due_next_after_now(change: dict[str, Any]) -> None:
    assert load(entry_of(declared()), declared(**change)).due > LATER  # type: ignore[operator]


def test_a_finished_schedule_goes_on_when_it_may_run_more_often() -> None:
    finished = replace(entry_of(declared(max_runs=3)), due=None, total_run_count=3)
    assert load(finished, declared(max_runs=5)).due == LATER + MINUTE


def test_a_field_that_the_file_left_alone_keeps_what_the_page_set() -> None:
    stored = on_page(entry_of(declared(args=[1], queue="fast")), args=[9])
    after = load(stored, declared(args=[1], queue="slow"))
    assert (after.fields["args"], after.fields["queue"]) == ([9], "slow")
    assert set(after.overlay) == {"args"}


def test_a_field_that_the_file_changed_takes_its_value_and_the_plan_names_what_is_dropped() -> None:
    stored = on_page(entry_of(declared(args=[1])), args=[9])
    change = only(plan_file({"job": stored}, {"job": declared(args=[2])}, LATER))
    assert change.after is not None
    assert change.after.fields["args"] == [2]
    assert not change.after.overlay
    assert str(change) == "update job (args: [9] → [2]; drops the change of ann: args=[9])"


def test_a_field_that_the_page_took_away_stays_away_until_the_file_changes_it() -> None:
    stored = on_page(entry_of(declared(queue="fast")), queue=None)
    assert "queue" not in stored.fields
    assert "queue" not in load(stored, declared(queue="fast", args=[1])).fields
    assert load(stored, declared(queue="slow")).fields["queue"] == "slow"


def test_the_timing_keys_of_the_page_stay_together() -> None:
    stored = on_page(entry_of(declared(cron="0 * * * *")), cron=None, every="10s")
    after = load(stored, declared(cron="0 * * * *", args=[1]))
    assert "cron" not in after.fields
    assert after.fields["every"] == "10s"


def test_the_timing_keys_of_the_page_go_together_when_the_file_changes_its_timing() -> None:
    stored = on_page(entry_of(declared(cron="0 * * * *")), cron=None, every="10s")
    after = load(stored, declared(cron="30 * * * *"))
    assert "every" not in after.fields
    assert after.fields["cron"] == "30 * * * *"
    assert not after.overlay


def test_a_file_that_moves_to_another_kind_of_timing_wins_over_the_page() -> None:
    stored = on_page(entry_of(declared(every="1m")), every="10s")
    after = load(stored, declared(cron="0 * * * *"))
    assert after.fields == {"task": "reports.build", "cron": "0 * * * *"}


def test_calendars_of_the_page_and_their_days_go_and_stay_together() -> None:
    days = {"free": ("2026-12-25",)}
    more = {"free": ("2026-12-25", "2026-12-26")}
    stored = on_page(entry_of(declared(except_=["free"], calendars=days)), except_=None)
    assert not {"except", "excluded"} & stored.fields.keys()
    after = load(stored, declared(except_=["free"], calendars=more))
    assert not {"except", "excluded"} & after.fields.keys()


def on_page_except(entry: Entry, names: list[str], calendars: dict[str, tuple[str, ...]]) -> Entry:
    fields = {key: value for key, value in entry.fields.items() if key not in ("excluded", "except")}
    return plan.edit(entry, declared(entry.name, calendars, **fields, except_=names), "ann", NOON)


DAYS: dict[str, tuple[str, ...]] = {"free": ("2026-12-25",), "more": ("2026-12-31",)}


@pytest.mark.parametrize("own", [[], ["more"]])
def test_a_calendar_that_the_page_chose_is_followed_when_the_file_changes_its_days(own: list[str]) -> None:
    wanted = declared(except_=own, calendars=DAYS)
    stored = on_page_except(entry_of(wanted), ["free"], DAYS)
    assert stored.fields["excluded"] == ["2026-12-25"]
    now = DAYS | {"free": ("2026-12-25", "2026-12-26")}
    change = only(plan_file({"job": stored}, {"job": wanted}, LATER, now))
    assert change.after is not None
    assert change.after.fields["excluded"] == ["2026-12-25", "2026-12-26"]
    assert change.after.fields["except"] == ["free"]
    assert (change.after.overlay["excluded"].by, dict(change.dropped)) == ("ann", {})
    assert plan_file({"job": change.after}, {"job": wanted}, LATER, now).changes == ()


def test_a_calendar_that_the_page_chose_and_the_file_took_away_keeps_its_days() -> None:
    stored = on_page_except(entry_of(declared()), ["free"], DAYS)
    assert plan_file({"job": stored}, {"job": declared()}, LATER, {"more": DAYS["more"]}).changes == ()


def test_a_calendar_that_became_what_the_file_excludes_needs_no_overlay_of_days() -> None:
    wanted = declared(except_=["more"], calendars=DAYS)
    stored = on_page_except(entry_of(wanted), ["free"], DAYS)
    change = only(plan_file({"job": stored}, {"job": wanted}, LATER, DAYS | {"free": DAYS["more"]}))
    assert change.after is not None
    assert set(change.after.overlay) == {"except"}
    assert change.after.fields["excluded"] == ["2026-12-31"]
    assert dict(change.dropped) == {}


def test_a_schedule_of_the_page_follows_the_files_calendars_and_is_else_left_alone() -> None:
    made = entry_of(declared(except_=["free"], calendars=DAYS), "admin")
    change = only(plan_file({"job": made}, {}, LATER, DAYS | {"free": ()}))
    assert change.after is not None
    assert (change.kind, change.after.origin) == ("update", "admin")
    assert "excluded" not in change.after.fields
    assert change.why == "the days of its calendars changed in the file"
    assert plan_file({"job": made}, {}, LATER, DAYS).changes == ()
    assert plan_file({"job": made}, {}, LATER, {}).changes == ()


def test_a_timing_that_the_page_and_the_file_make_impossible_together_is_the_files() -> None:
    stored = on_page(entry_of(declared(cron="0 0 * * *")), end="2026-06-01 00:00")
    change = only(plan_file({"job": stored}, {"job": declared(cron="0 0 * * *", start="2027-01-01 00:00")}, LATER))
    assert change.after is not None
    assert "end" not in change.after.fields
    assert set(change.dropped) == {"end"}


def test_a_damaged_overlay_gives_way_to_the_file() -> None:
    stored = replace(entry_of(declared()), overlay={"retries": Overlaid("many", "ann", 1.0)}, error="ValidationError")
    after = load(stored, declared())
    assert (after.fields, after.overlay) == (declared().fields(), {})


def test_a_pause_is_no_edit_and_survives_a_reload() -> None:
    stored = replace(entry_of(declared(args=[1])), pause=Pause("ann", 1.0, "broken disk"))
    assert load(stored, declared(args=[2])).pause == stored.pause


def test_a_schedule_that_left_the_file_is_removed() -> None:
    stored = {"job": entry_of(declared()), "other": entry_of(declared("other"))}
    change = only(plan_file(stored, {"other": declared("other")}, LATER))
    assert (change.kind, change.name, change.after) == ("remove", "job", None)


@pytest.mark.parametrize("origin", ["admin", "redbeat"])
def test_schedules_of_the_page_and_of_other_programs_are_never_removed_by_a_file(origin: str) -> None:
    assert plan_file({"job": entry_of(declared(), origin)}, {}, LATER).changes == ()


@pytest.mark.parametrize("origin", ["admin", "redbeat"])
def test_a_name_that_somebody_else_took_is_a_conflict_and_stays_as_it_is(origin: str) -> None:
    change = only(plan_file({"job": entry_of(declared(), origin)}, {"job": declared(args=[1])}, LATER))
    assert (change.kind, change.after) == ("conflict", None)
    assert str(change) == f"conflict job (a schedule of this name already exists, with origin {origin})"


def test_a_renamed_schedule_keeps_its_runs_its_due_instant_and_what_the_page_set() -> None:
    stored = on_page(entry_of(declared("old", args=[1]), total_run_count=7, last_run_at=NOON), args=[9])
    made = plan_file({"old": stored}, {"new": declared("new", args=[1], renamed_from="old")}, LATER)
    change = only(made)
    assert (change.kind, change.name) == ("rename", "new")
    assert change.after is not None
    kept = (change.after.name, change.after.due, change.after.total_run_count, change.after.last_run_at)
    assert kept == ("new", stored.due, 7, NOON)
    assert change.after.fields["args"] == [9]
    assert "from old" in str(change)


def test_the_former_name_may_stay_in_the_file_after_the_rename() -> None:
    wanted = declared("new", renamed_from="old")
    assert plan_file({"new": entry_of(wanted)}, {"new": wanted}, LATER).changes == ()


def test_a_schedule_is_no_heir_of_one_that_the_page_made() -> None:
    made = plan_file({"old": entry_of(declared("old"), "admin")}, {"new": declared("new", renamed_from="old")}, LATER)
    assert [change.kind for change in made.changes] == ["add"]


def test_a_schedule_that_was_set_aside_is_written_anew_by_the_same_file() -> None:
    wanted = declared()
    stored = replace(entry_of(wanted), error="ValueError: damaged", due=None)
    after = load(stored, wanted)
    assert (after.error, after.due) == ("", LATER + MINUTE)


@pytest.mark.parametrize(
    ("stored", "removed", "mass"),
    [(4, 1, False), (4, 2, False), (4, 3, True), (4, 4, True), (1, 1, True), (2, 1, False), (2, 2, True), (3, 2, True)],
)
def test_removing_more_than_half_is_a_mass_removal(stored: int, removed: int, mass: bool) -> None:
    names = [f"s{number}" for number in range(stored)]
    wanted = {name: declared(name) for name in names[removed:]}
    assert plan_file({name: entry_of(declared(name)) for name in names}, wanted, LATER).is_mass_removal is mass


def test_a_file_that_renames_everything_removes_nothing() -> None:
    stored = {name: entry_of(declared(name)) for name in "abc"}
    wanted = {name + "2": declared(name + "2", renamed_from=name) for name in "abc"}
    made = plan_file(stored, wanted, LATER)
    assert not made.is_mass_removal
    assert made.summary() == "3 rename"


def test_a_summary_counts_every_kind_of_change() -> None:
    stored = {name: entry_of(declared(name)) for name in ("stays", "changes", "goes")}
    stored["taken"] = entry_of(declared("taken", args=[7]), "admin")
    wanted = {name: declared(name) for name in ("stays", "new", "newer", "taken")}
    wanted["changes"] = declared("changes", args=[1])
    assert plan_file(stored, wanted, LATER).summary() == "2 add, 1 update, 1 remove, 1 conflict"


def test_an_edit_of_a_file_schedule_is_an_overlay_with_who_when_and_why() -> None:
    note = on_page(entry_of(declared(args=[1])), args=[9]).overlay["args"]
    assert (note.value, note.by, note.at, note.why) == ([9], "ann", NOON.timestamp(), "because")


def test_an_edit_back_to_the_files_value_takes_the_overlay_away() -> None:
    stored = entry_of(declared(args=[1]))
    assert on_page(on_page(stored, args=[9]), args=[1]) == stored


def test_an_edit_of_another_field_leaves_the_author_of_the_first_alone() -> None:
    edited = on_page(on_page(entry_of(declared()), args=[9]), by="bob", queue="slow")
    assert {name: note.by for name, note in edited.overlay.items()} == {"args": "ann", "queue": "bob"}


def test_an_edit_of_a_schedule_of_the_page_needs_no_overlay() -> None:
    edited = on_page(entry_of(declared(args=[1]), "admin"), args=[9])
    assert (edited.fields["args"], edited.overlay, edited.base) == ([9], {}, {})


def test_an_edit_of_the_timing_is_due_next_after_now_and_never_before() -> None:
    stored = entry_of(declared(cron="0 8 * * *"), due=NOON - HOUR)
    assert on_page(stored, cron="0 11 * * *").due == NOON + 23 * HOUR


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "args": st.sampled_from([None, [1], [2]]),
    "queue": st.sampled_from([None, "fast", "slow"]),
    "retries": st.sampled_from([None, 1, 2]),
    "timing": st.sampled_from([{"every": "1m"}, {"every": "2m"}, {"cron": "0 * * * *"}]),
}
SIDE = st.fixed_dictionaries(FIELDS)
STEP = st.tuples(st.sampled_from(["file", "page"]), SIDE)


def as_fields(side: dict[str, Any]) -> dict[str, Any]:
    timing: dict[str, Any] = side["timing"]
    return timing | {key: value for key, value in side.items() if key != "timing" and value is not None}


@given(SIDE, st.lists(STEP, max_size=8))
def test_whatever_file_and_page_do_the_last_one_to_change_a_field_wins(
    first: dict[str, Any], steps: list[tuple[str, dict[str, Any]]]
) -> None:
    entry = load(None, declared(**as_fields(first)))
    file, governs = dict(first), dict(first)
    for who, side in steps:
        if who == "file":
            entry = load(entry, declared(**as_fields(side)))
            governs |= {key: side[key] for key in FIELDS if side[key] != file[key]}
            file = dict(side)
        else:
            entry = plan.edit(entry, declared(**as_fields(side)), "ann", NOON)
            governs = dict(side)
        assert entry.fields == {"task": "reports.build", **as_fields(governs)}
        assert entry.base == {"task": "reports.build", **as_fields(file)}
        assert entry.overlay.keys() == plan.compare(entry.base, entry.fields).keys() | {
            key for key in ("every", "cron") if key in entry.overlay
        }


def test_a_schedule_of_the_page_that_the_file_declares_alike_becomes_the_files() -> None:
    made = entry_of(declared(args=[1]), "admin", due=NOON, total_run_count=7, pause=Pause("ann", 1.0, "why"))
    [change] = plan_file({"job": made}, {"job": declared(args=[1])}, LATER).changes
    assert (change.kind, change.fields) == ("update", {})
    assert change.why == "the file now declares this schedule, which was created on the page"
    assert change.after == replace(made, origin="file", base=made.fields)
    again = plan_file({"job": change.after}, {"job": declared(args=[1])}, LATER)
    assert again.changes == ()


def test_a_file_that_says_what_the_page_said_ends_the_overlay_and_drops_nothing() -> None:
    over = plan.edit(entry_of(declared(args=[1], queue="a")), declared(args=[2], queue="b"), "ann", NOON)
    [change] = plan_file({"job": over}, {"job": declared(args=[2], queue="c")}, NOON).changes
    assert change.why == "the file now has the page's value: args"
    assert {key: note.value for key, note in change.dropped.items()} == {"queue": "b"}
    assert change.after is not None
    assert (change.after.overlay, change.after.fields["args"]) == ({}, [2])
