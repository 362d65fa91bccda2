//! The stories, a file a topic. `UPDATE_EXPECT=1 cargo test` rewrites the transcripts; read the difference.

use expect_test::expect_file;

use super::story::play;

macro_rules! stories {
    ($($name:ident)*) => {
        /// All of them, for tests that want many logs.
        pub(super) const SCRIPTS: &[(&str, &str)] =
            &[$((stringify!($name), include_str!(concat!("../testdata/", stringify!($name), ".story")))),*];

        $(
            #[test]
            fn $name() {
                let path = concat!("../testdata/", stringify!($name), ".story");
                play(&expect_file![path], include_str!(concat!("../testdata/", stringify!($name), ".story")));
            }
        )*
    };
}

stories! {
    a_millisecond_after_an_hour
    alarms
    biz_log
    capacity
    cron_stalled
    delete
    depths
    drain_and_slots
    due_before_the_end
    e5_a_group_in_use_is_not_deleted
    e2_cancel_in_every_state
    expiry
    job_log
    job_log_retention
    limits
    misfire
    node_history
    one_batch_touches_one_job_often
    one_shot_life
    overlap
    pause_a_group
    priorities_and_kinds
    reclaim_limit
    rely_on_previous_cycle
    replace_with_another_type
    resent_results
    retries
    retry_by_hand
    retry_the_last_dead
    return_a_push
    series
    start_deadline
    suspend
    suspend_and_resubmit
    suspend_and_update
    suspend_periodic
    terminate
    trigger
    trigger_time
    w10_w18_w21_feedback
    update_a_schedule
    update_keys_and_ends
    update_moves_a_job
    w10_w22_one_command_for_an_end
    w11_w12_w19_cron_plans
    w13_on_conflict
    w14_update
    w15_requests
    w1_stale_completion
    w23_repeat
    w24_long_names
    w2_reclaim_hits_only_its_own_execution
    w3_tracker_life
    w5_w20_deadlines_are_in_the_state
    w6_to_w9_a_job_is_in_one_place
}
