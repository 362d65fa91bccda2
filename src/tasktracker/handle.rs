//! What others may ask of a TaskTracker while it runs. The loop answers; nothing is shared with it.

use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use super::CONCURRENCY_MAX;
use crate::domain::FieldError;

/// Orders that wait for the loop; whoever gives more waits as well.
pub(super) const ORDERS_MAX: usize = 64;

/// An order on its way to the loop.
#[derive(Debug)]
pub(super) enum Order {
    Slots(u32),
    Terminate { which: String, reason: String, answer: oneshot::Sender<usize> },
    Look(oneshot::Sender<TaskTrackerState>),
}

/// Steers a TaskTracker while it runs: [`TaskTrackerBuilder::handle`](super::TaskTrackerBuilder::handle). Cloning is cheap.
#[derive(Clone, Debug)]
pub struct TaskTrackerHandle(pub(super) mpsc::Sender<Order>);

/// Why an order was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    #[error("{0}")]
    Wrong(#[from] FieldError),
    /// It has ended.
    #[error("the tasktracker does not run any more")]
    Gone,
}

/// A TaskTracker as it sees itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TaskTrackerState {
    pub identity: String,
    pub node_group: String,
    /// Whether a leader has its session now.
    pub attached: bool,
    /// How many executions it runs at a time.
    pub slots: u32,
    /// How many it would take now.
    pub free_slots: u32,
    /// Why it takes nothing new, if the machine is too busy.
    pub paused: Option<String>,
    /// It is cut off from the cluster for so long that it must not work.
    pub cut_off: bool,
    pub draining: bool,
    /// Results that no leader has acknowledged yet.
    pub results_owed: usize,
    pub running: Vec<RunningJob>,
}

/// One execution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RunningJob {
    /// Such as `42.0`: its fencing token as text.
    pub execution_id: String,
    pub job_id: String,
    pub run_id: String,
    pub task_id: String,
    pub kind: String,
    pub attempt: u32,
    pub running_ms: u64,
    /// Why it was told to stop, if it was.
    pub stopping: Option<String>,
}

impl TaskTrackerHandle {
    /// Runs so many executions at a time from now on: 1 to 4,096. What runs is not interrupted: a smaller number takes
    /// effect as executions end. A number that an operator gave the cluster goes before it.
    ///
    /// # Errors
    /// If the number is out of bounds, or the TaskTracker has ended.
    pub async fn set_slots(&self, slots: u32) -> Result<(), HandleError> {
        if !(1..=CONCURRENCY_MAX).contains(&slots) {
            return Err(FieldError::new("slots", format!("is {slots}; 1 to {CONCURRENCY_MAX}")).into());
        }
        self.0.send(Order::Slots(slots)).await.map_err(|_| HandleError::Gone)
    }

    /// Tells the executions of a job to stop, named by the execution, the run or the job; tells how many there were. The
    /// retry policy then decides, as after `raftsman job terminate`.
    ///
    /// # Errors
    /// If the TaskTracker has ended.
    pub async fn terminate(
        &self,
        which: impl Into<String>,
        reason: impl Into<String>,
    ) -> Result<usize, HandleError> {
        let (answer, told) = oneshot::channel();
        let order = Order::Terminate { which: which.into(), reason: reason.into(), answer };
        self.0.send(order).await.map_err(|_| HandleError::Gone)?;
        told.await.map_err(|_| HandleError::Gone)
    }

    /// The TaskTracker as it is now.
    ///
    /// # Errors
    /// If it has ended.
    pub async fn state(&self) -> Result<TaskTrackerState, HandleError> {
        let (answer, told) = oneshot::channel();
        self.0.send(Order::Look(answer)).await.map_err(|_| HandleError::Gone)?;
        told.await.map_err(|_| HandleError::Gone)
    }
}
