//! The stories, a file a topic. `UPDATE_EXPECT=1 cargo test` rewrites the transcripts; read the difference.

use expect_test::expect_file;

use super::story::play;

macro_rules! stories {
    ($($(#[doc = $doc:literal])* $name:ident)*) => {
        $(
            $(#[doc = $doc])*
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
    biz_log
    cancel_in_every_state
    capacity
    cron_plans
    cron_stalled
    expiry
    limits
    misfire
    on_conflict
    one_batch_touches_one_job_often
    one_shot_life
    overlap
    priorities_and_kinds
    reclaim_limit
    rely_on_previous_cycle
    replace_with_another_type
    requests
    retries
    retry_by_hand
    return_a_push
    stale_completion
    start_deadline
    terminate
    tracker_life
    trigger_time
    w10_w22_completion_and_next_instant
    w23_repeat
    w2_reclaim_hits_only_its_own_execution
    w6_to_w9_a_job_is_in_one_place
}
