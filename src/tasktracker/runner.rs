//! What user code implements, and how what it returns becomes one of LTS's four outcomes.
//!
//! `Ok` is EXECUTE_SUCCESS, any error is EXECUTE_EXCEPTION, and a [`JobError`] anywhere in the error's chain says
//! something more exact. Not here: when a runner runs (`pool`).

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::JobContext;
use crate::domain::{Action, Millis, Outcome, limits};
use crate::wire::{Payload, cut};

/// What a runner returns; `?` just works.
pub type JobResult<T = ()> = Result<T, anyhow::Error>;

/// A marker in an error that decides the outcome; found through any context around it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// EXECUTE_FAILED: the run has failed for good and is not retried.
    #[error("{0}")]
    Fail(String),
    /// EXECUTE_LATER: the run is retried after this delay, or after its policy's, if it has retries left.
    #[error("{why}")]
    Later { after: Option<Duration>, why: String },
    /// The runner stopped because it was told to.
    #[error("cancelled")]
    Cancelled,
}

impl JobError {
    /// The run has failed for good.
    pub fn fail(why: impl Into<String>) -> anyhow::Error {
        JobError::Fail(why.into()).into()
    }

    /// Not now: try again after `after`.
    pub fn retry_in(after: Duration, why: impl Into<String>) -> anyhow::Error {
        JobError::Later { after: Some(after), why: why.into() }.into()
    }

    /// Not now: try again after the delay of the job's policy.
    pub fn later(why: impl Into<String>) -> anyhow::Error {
        JobError::Later { after: None, why: why.into() }.into()
    }
}

/// Runs jobs whose payload is a `P`. Plain async functions of a context and a payload are runners too.
pub trait JobRunner<P: Payload>: Send + Sync + 'static {
    /// Travels back to whoever waits for the result, as JSON of at most 64 KiB.
    type Output: Serialize + Send;

    /// Runs one execution. Watch [`JobContext::cancelled`]: some time after it the future is dropped.
    ///
    /// # Errors
    /// See [`JobError`]; any other error is an EXECUTE_EXCEPTION.
    fn run(&self, context: JobContext, payload: P) -> impl Future<Output = JobResult<Self::Output>> + Send;
}

impl<P, F, Running, T> JobRunner<P> for F
where
    P: Payload,
    F: Fn(JobContext, P) -> Running + Send + Sync + 'static,
    Running: Future<Output = JobResult<T>> + Send,
    T: Serialize + Send,
{
    type Output = T;

    fn run(&self, context: JobContext, payload: P) -> impl Future<Output = JobResult<T>> + Send {
        self(context, payload)
    }
}

/// The future of a [`RawRunner`].
pub type RawRun<'a> = Pin<Box<dyn Future<Output = JobResult<Bytes>> + Send + 'a>>;

/// Runs jobs over their bytes, whatever their kind: what the shell and http runners are made of.
pub trait RawRunner: Send + Sync + 'static {
    /// Runs one execution; the bytes it returns are the result.
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_>;
}

/// Decodes the payload and encodes the result around a typed runner.
pub(super) struct Typed<P, R> {
    runner: R,
    payload: PhantomData<fn(P)>,
}

impl<P: Payload, R: JobRunner<P>> Typed<P, R> {
    pub(super) fn new(runner: R) -> Typed<P, R> {
        Typed { runner, payload: PhantomData }
    }
}

impl<P: Payload, R: JobRunner<P>> RawRunner for Typed<P, R> {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        Box::pin(async move {
            // A payload that cannot be read today cannot be read tomorrow: retrying it would only cost.
            let payload: P = serde_json::from_slice(&payload)
                .map_err(|error| JobError::fail(format!("the payload is not a {}: {error}", P::KIND)))?;
            let output = self.runner.run(context, payload).await?;
            let result = serde_json::to_vec(&output)
                .map_err(|error| JobError::fail(format!("the result cannot be written as JSON: {error}")))?;
            Ok(result.into())
        })
    }
}

/// The outcome of what a runner returned.
pub(super) fn outcome(returned: JobResult<Bytes>) -> Outcome {
    match returned {
        Ok(result) if result.len() > limits::RESULT_BYTES_MAX => {
            let problem =
                format!("the result has {} bytes; at most {}", result.len(), limits::RESULT_BYTES_MAX);
            ended(Action::ExecuteFailed, problem)
        }
        Ok(result) => {
            Outcome { action: Action::ExecuteSuccess, result, error: String::new(), retry_after: None }
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> Outcome {
    let text = format!("{error:#}");
    let marker =
        error.downcast_ref::<JobError>().or_else(|| error.chain().find_map(|cause| cause.downcast_ref()));
    match marker {
        Some(JobError::Fail(_)) => ended(Action::ExecuteFailed, text),
        Some(JobError::Later { after, .. }) => {
            Outcome { retry_after: after.map(Millis::from), ..ended(Action::ExecuteLater, text) }
        }
        Some(JobError::Cancelled) | None => ended(Action::ExecuteException, text),
    }
}

/// An outcome without a result.
pub(super) fn ended(action: Action, error: String) -> Outcome {
    let error = cut(error, limits::ERROR_BYTES_MAX);
    Outcome { action, result: Bytes::new(), error, retry_after: None }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn of(error: anyhow::Error) -> (Action, String, Option<Millis>) {
        let outcome = outcome(Err(error));
        (outcome.action, outcome.error, outcome.retry_after)
    }

    #[test]
    fn any_error_is_an_exception_and_a_marker_says_more_even_under_context() {
        let io = std::io::Error::other("disk on fire");
        assert_eq!(of(io.into()), (Action::ExecuteException, "disk on fire".into(), None));
        let fail =
            Err::<(), _>(JobError::fail("no carrier")).context("shipping").context("order 7").unwrap_err();
        assert_eq!(of(fail), (Action::ExecuteFailed, "order 7: shipping: no carrier".into(), None));
        let later = JobError::retry_in(Duration::from_secs(5), "busy");
        assert_eq!(of(later), (Action::ExecuteLater, "busy".into(), Some(Millis::from_secs(5))));
        assert_eq!(of(JobError::Cancelled.into()).0, Action::ExecuteException);
    }

    #[test]
    fn a_result_that_is_too_large_fails_the_run_and_an_error_is_cut() {
        let large = outcome(Ok(vec![0; limits::RESULT_BYTES_MAX + 1].into()));
        assert_eq!(large.action, Action::ExecuteFailed);
        let long = outcome(Err(anyhow::anyhow!("x".repeat(limits::ERROR_BYTES_MAX * 2))));
        assert_eq!(long.error.len(), limits::ERROR_BYTES_MAX);
    }
}
