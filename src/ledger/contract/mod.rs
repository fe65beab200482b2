//! What every ledger promises, whatever database is behind it. Each test is written once, against a [`Bench`], and
//! [`contract`] runs it on each kind of storage. What only one database has is tested beside it: files, damage, reboots.
//!
//! Clocks go forward here, and back only under a nonce: which clock else may be set depends on where the database has
//! its time from.

mod bench;
mod credentials;
pub mod deliveries;
mod exchanges;
pub mod fixtures;
mod hooks;
mod nonces;
mod payments;
pub mod slots;

use bench::Bench;
use deliveries::{bounds, jobs, received, unknown};

/// Runs each test on each kind of storage, as `contract::sqlite::slots::…`. Those that need a server are ignored;
/// `.ci/postgres` has one for them.
macro_rules! contract {
    ($($tests:tt)+) => {
        on! { sqlite, cfg(test), Bench::sqlite(), $($tests)+ }

        #[cfg(feature = "postgres")]
        on! {
            postgres,
            ignore = "needs a PostgreSQL: set TILLDECK_TEST_DATABASE_URL",
            Bench::postgres(),
            $($tests)+
        }
    };
}

/// Runs each test on one kind of storage: its name, an attribute of each test, a new bench.
macro_rules! on {
    ($storage:ident, $when:meta, $bench:expr, $($part:ident: $($test:ident),+;)+) => {
        mod $storage {
            $(mod $part {
                use crate::ledger::contract::{self as tests, Bench};

                $(#[tokio::test]
                #[$when]
                async fn $test() {
                    tests::$part::$test($bench).await;
                })+
            })+
        }
    };
}

contract! {
    slots:
        a_slot_is_freed_one_period_after_the_response_was_seen,
        a_dead_process_holds_its_slots_as_long_as_a_request_can_last,
        a_hold_lasts_its_time_in_every_process_until_it_is_lifted,
        the_highest_limits_do_not_overflow,
        the_budget_is_never_exceeded,
        a_slot_whose_caller_has_gone_is_returned;
    nonces:
        a_nonce_is_never_reused_and_never_runs_ahead,
        eight_processes_get_distinct_rising_nonces,
        a_key_lock_has_one_holder_until_dropped,
        a_key_lock_held_for_too_long_is_an_error,
        a_process_that_pauses_holds_no_key_lock,
        nonces_follow_the_providers_time_once_the_clock_is_known_to_be_wrong,
        a_nonce_that_ran_ahead_stops_the_next_until_the_provider_catches_up_or_the_operator_allows_it,
        a_single_wrong_date_neither_moves_a_nonce_nor_stops_one,
        a_wrong_time_that_was_trusted_stops_nothing_for_long;
    received:
        callbacks_that_come_together_are_all_saved_as_reported,
        a_message_is_processed_once_whichever_process_receives_it_again,
        a_hint_is_a_repeat_while_its_check_waits_and_once_the_payment_is_settled,
        a_check_that_found_nothing_new_ends_with_that_of_a_later_callback,
        deliveries_are_paged_and_filtered,
        deliveries_are_searched_by_words_subject_and_profile,
        a_row_that_cannot_be_read_hides_no_other_and_its_job_ends;
    jobs:
        open_jobs_are_counted_by_kind_and_owner,
        callbacks_with_failed_jobs_are_found_behind_any_number_of_others,
        dropped_checks_hide_no_job_that_failed_for_good,
        a_process_takes_jobs_of_its_own_targets_and_after_a_day_those_of_others,
        one_process_at_a_time_leases_a_job_until_it_is_done,
        any_delivery_can_be_given_a_job,
        a_failed_job_runs_again_as_new_and_any_other_stays_as_it_is,
        only_answers_that_say_not_found_are_counted_until_the_job_runs_again,
        what_is_given_back_or_blocked_uses_up_no_retries,
        only_long_due_jobs_of_the_given_account_keys_are_abandoned,
        every_change_is_forwarded_to_the_shop_whatever_our_own_check_finds,
        a_clock_that_is_set_back_puts_no_job_off,
        a_wait_of_hours_that_a_shop_asked_for_is_no_clock_that_was_set_back;
    bounds:
        each_kind_is_dropped_by_itself_and_due_jobs_never,
        open_jobs_are_bounded,
        a_flood_of_one_account_pushes_out_nothing_of_others;
    unknown:
        a_flood_of_made_up_payments_shuts_nothing_out,
        a_payment_that_is_named_again_and_again_is_checked_at_a_measured_pace,
        a_change_reported_while_its_payment_is_checked_is_checked_too,
        a_flood_to_one_account_pushes_out_nothing_of_another,
        a_payment_that_its_provider_knows_was_not_made_up,
        a_made_up_callback_is_found_while_it_is_replayed,
        a_payment_that_becomes_known_goes_first_when_it_is_named_again;
    payments:
        an_observation_is_saved_only_where_something_changed,
        an_older_answer_that_is_saved_later_opens_no_final_payment,
        what_another_host_of_the_account_reported_is_not_read,
        hostile_words_come_back_as_they_were,
        watches_are_kept_by_profile,
        payments_that_were_checked_and_are_not_watched_are_listed_newest_change_first,
        an_expectation_outlives_its_watch_and_changes_only_with_a_yes,
        an_alert_stays_handled_until_it_is_unmarked_and_both_are_remembered,
        notes_outlive_the_watch_and_the_newest_is_listed_with_it,
        a_write_of_another_process_changes_the_data_version;
    hooks:
        one_process_runs_a_hook_of_a_payment_and_only_once,
        a_profile_has_a_hook_since_the_first_program_that_had_it,
        payments_that_came_to_their_state_without_a_run_since_are_found,
        a_failed_or_interrupted_hook_of_the_profile_is_listed_with_its_reason;
    credentials:
        the_last_verified_state_is_saved_and_untested_is_not;
    exchanges:
        hostile_text_comes_back_as_it_was,
        the_log_is_paged_and_filtered,
        the_log_is_searched_by_all_that_a_request_has,
        requests_about_a_payment_are_found_however_long_the_log_is,
        only_old_exchanges_are_dropped,
        exchanges_are_dropped_while_a_busy_process_records_more;
}
