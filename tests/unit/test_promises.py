"""What the page promises, and the tests that show each promise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent
ADMIN, BROWSER = "integration/admin", "browser"
PROMISES: dict[str, tuple[str, ...]] = {
    "A worker that stopped is named by the pill and by status, which fails; no health turns better.": (
        f"{ADMIN}/test_promises::test_a_worker_that_stopped_a_minute_ago_is_named_by_pill_and_status_and_no_health_turns_better",
    ),
    "A queue without a consumer: its schedules are stuck, in red, and doctor fails.": (
        f"{ADMIN}/test_promises::test_a_queue_without_a_consumer_makes_its_schedule_stuck_on_the_page_and_doctor_fails",
        f"{BROWSER}/test_health::test_the_health_page_says_what_is_wrong_since_when_and_what_to_do",
    ),
    "Seven failing schedules are seven at every look, whatever runs or waits.": (
        f"{ADMIN}/test_promises::test_seven_failing_schedules_are_seven_at_each_of_sixty_looks_while_runs_of_all_come_and_go",
    ),
    "A run that failed at night and is well since: two taps from home on a phone, with its error and line.": (
        f"{BROWSER}/test_reach::test_what_failed_last_night_and_is_well_again_is_two_taps_from_home_on_a_phone",
    ),
    "Of 10,000 schedules, those that fail and the one that is quarantined are told on every page of the list.": (
        f"{ADMIN}/test_failing::test_of_ten_thousand_schedules_the_worst_ten_are_named_and_all_that_fail_are_counted",
    ),
    "The list with any filter, and the runs of a day, cost the same however many schedules there are.": (
        f"{ADMIN}/test_promises::test_a_look_at_the_list_with_any_filter_and_at_the_runs_of_a_day_reads_one_page_however_many_there_are",
    ),
    "Many readers and the worst filters keep neither /healthz nor a schedule's page waiting.": (
        f"{ADMIN}/test_serving::test_its_health_answers_while_slow_requests_hold_every_thread",
        f"{ADMIN}/test_serving::test_searches_take_turns_so_that_every_other_page_is_answered_beside_the_slowest",
    ),
    "An open list costs at most a kilobyte per look while nothing changes, and says when it is old.": (
        f"{BROWSER}/test_weight::test_an_open_list_costs_at_most_a_kilobyte_per_look_while_nothing_changes",
        f"{BROWSER}/test_weight::test_data_older_than_15_seconds_says_as_of_when_it_is_and_is_fresh_soon_after",
        f"{BROWSER}/test_interrupted::test_an_open_list_says_how_old_it_is_while_redis_is_away_and_is_fresh_ten_seconds_after_its_return",
    ),
    "The indexes equal a full scan after a hundred kills.": (
        "chaos/test_random_kills::test_beat_is_killed_a_hundred_times",
        "chaos/test_random_kills::test_the_failing_schedules_are_known_whatever_is_killed",
    ),
    "All of a tag are paused until six in six steps, with one line in the audit log and one undo.": (
        f"{BROWSER}/test_bulk::test_all_of_a_tag_are_paused_until_six_in_six_steps_with_one_undo",
    ),
    "A pile-up is seen, spread and undone in eight steps.": (
        f"{BROWSER}/test_bulk::test_a_pile_up_is_seen_spread_and_undone_in_eight_steps",
    ),
    "The form shows while typing when the schedule runs, and beat does exactly that.": (
        f"{ADMIN}/test_promises::test_the_form_shows_the_instants_at_which_beat_then_sends",
        f"{BROWSER}/test_pages::test_the_form_shows_what_it_would_do_and_saves_nothing",
    ),
    "Every field can be set on the page, and a schedule made there has the file's zone and defaults.": (
        "unit/admin/test_form_fields::test_every_field_that_the_page_may_set_is_in_the_form",
        f"{ADMIN}/test_form::test_a_new_schedule_starts_with_what_the_file_gives_to_its_own",
    ),
    "A schedule of a task whose arguments one forgot is made without opening its source.": (
        f"{ADMIN}/test_arguments::test_a_schedule_of_a_task_with_forgotten_arguments_is_made_without_its_source",
        f"{BROWSER}/test_pages::test_a_schedule_of_a_task_whose_arguments_were_forgotten_is_made_without_its_source",
    ),
    "Two who edit both keep their changes or get a choice; a session that ends, or Redis away, loses nothing typed.": (
        f"{ADMIN}/test_edit_conflict::test_two_who_change_different_fields_both_keep_their_change",
        f"{ADMIN}/test_edit_conflict::test_only_fields_that_both_changed_need_a_choice",
        f"{ADMIN}/test_arguments::test_two_who_change_different_arguments_both_keep_theirs",
        f"{ADMIN}/test_form::test_what_was_typed_outlives_the_session",
        f"{ADMIN}/test_redis_away::test_what_was_typed_is_kept_in_the_page_that_says_that_redis_is_away",
        f"{BROWSER}/test_interrupted::test_what_is_typed_outlives_a_session_that_ends_below_the_open_form",
        f"{BROWSER}/test_interrupted::test_what_is_typed_outlives_a_redis_that_is_away_when_it_is_saved",
    ),
    "Of a megabyte of output the tail is live, the cut is told, all that is kept is downloaded, nothing in it acts.": (
        f"{ADMIN}/test_promises::test_of_a_megabyte_of_output_the_tail_is_shown_the_cut_is_told_all_kept_is_downloaded_and_nothing_in_it_acts",
        f"{BROWSER}/test_pages::test_run_now_leads_to_the_run_and_follows_it",
        "acceptance/test_output::test_the_output_is_read_while_the_run_goes",
    ),
    "From its own page a run is stopped, retried and run with other arguments, with the name of who did it.": (
        f"{ADMIN}/test_promises::test_from_its_own_page_a_run_is_stopped_retried_and_run_with_other_arguments_and_the_ledger_names_who",
        f"{BROWSER}/test_by_hand::test_a_run_is_stopped_and_another_retried_by_touch_on_a_phone",
        "acceptance/test_stop::test_a_running_body_is_stopped_and_does_not_run_again",
    ),
    "Every route, role and method is in one table; tokens are hashed; no page breaks its policy.": (
        f"{ADMIN}/test_roles::test_each_role_gets_in_exactly_where_the_table_says",
        f"{ADMIN}/test_tokens::test_a_token_is_no_password_and_its_hash_is_no_token",
        f"{BROWSER}/test_pages::test_every_page_fits_a_phone_and_breaks_no_policy",
    ),
    "No axe findings and no sideways scroll, in both schemes and widths; all by keyboard and without JavaScript.": (
        f"{BROWSER}/test_reach::test_dialog_schedule_run_and_forms_fit_and_axe_finds_nothing",
        f"{BROWSER}/test_every_page::test_an_edit_fits_and_axe_finds_nothing_with_its_preview_and_with_errors",
        f"{BROWSER}/test_reach::test_ten_common_tasks_need_no_mouse",
        f"{BROWSER}/test_by_hand::test_a_run_is_stopped_and_another_retried_by_keyboard_alone",
        f"{BROWSER}/test_by_hand::test_a_schedule_is_found_paused_resumed_skipped_edited_and_that_undone_with_neither_mouse_nor_javascript",
        f"{BROWSER}/test_by_hand::test_runs_are_started_stopped_and_retried_with_neither_mouse_nor_javascript",
    ),
    "Fourteen rows at a desk and six cards on a phone are seen without scrolling.": (
        f"{BROWSER}/test_weight::test_fourteen_rows_at_a_desk_and_six_cards_on_a_phone_are_seen_without_scrolling",
        f"{BROWSER}/test_weight::test_on_a_bad_night_the_worst_five_problems_and_the_schedules_that_fail_are_seen_without_scrolling",
    ),
}


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_of_the_page_has_its_tests(promise: str) -> None:
    for place in PROMISES[promise]:
        module, _, name = place.partition("::")
        tree = ast.parse((TESTS / f"{module}.py").read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place
