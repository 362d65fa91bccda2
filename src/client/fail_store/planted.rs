//! Whether the tests of the SDK see the bugs that are planted in it: LTS's of its FailStore, and of its feedback.

use std::panic::catch_unwind;

use super::{shelf, tests};
use crate::client::listen;
use crate::planted::{ALL, Bug, Lane, plant_here};

/// The test that must fail with a bug.
fn test_of(bug: Bug) -> Option<fn()> {
    match bug {
        Bug::FailStoreByTaskId => Some(shelf::tests::two_submissions_with_one_task_id_are_two),
        Bug::FailStoreOfEachStart => {
            Some(tests::a_restarted_client_has_the_same_identity_and_sends_what_the_earlier_one_saved)
        }
        Bug::ReplayUnderANewKey => {
            Some(tests::a_submit_that_was_done_without_an_answer_and_then_saved_is_done_once)
        }
        Bug::FailedHandlerIsAcknowledged => Some(listen::tests::a_handler_that_failed_is_not_acknowledged),
        _ => None,
    }
}

#[test]
fn each_bug_of_the_sdk_is_caught() {
    let of_the_sdk = ALL.iter().filter(|planting| planting.lane == Lane::Sdk);
    let mut looked = 0;
    for planting in of_the_sdk {
        let test = test_of(planting.bug).unwrap_or_else(|| panic!("no test is told for {}", planting.name));
        test();
        plant_here(Some(planting.bug));
        let caught = catch_unwind(test);
        plant_here(None);
        assert!(caught.is_err(), "{} is missed", planting.name);
        println!("{:<30} promise {} {:<4} caught", planting.name, planting.promise, planting.lts);
        looked += 1;
    }
    assert!(looked >= 4, "only {looked} were looked for");
}
