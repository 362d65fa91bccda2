//! Calls a URL for each job: POST, the payload as the body, the ids and the fencing token in headers.
//!
//! The answer decides: 2xx is EXECUTE_SUCCESS with the body as the result; 409, 425, 429 and 503 are EXECUTE_LATER and
//! honour Retry-After in seconds; other 4xx are EXECUTE_FAILED; everything else is EXECUTE_EXCEPTION. A stop drops the
//! call. Params are not sent: put what the service needs into the payload.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use super::{JobContext, JobError, JobResult, RawRun, RawRunner};
use crate::domain::{FieldError, limits};

/// How long a connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of a refusal's body is told.
const ERROR_BODY_CHARS_MAX: usize = 500;

/// The http runner.
#[derive(Clone, Debug)]
pub struct HttpRunner {
    client: Client,
    url: Url,
}

impl HttpRunner {
    /// # Errors
    /// If `url` is not an `http://` URL.
    pub fn new(url: &str) -> Result<HttpRunner, FieldError> {
        let problem = |why: String| FieldError::new("url", format!("{url:?} {why}"));
        let parsed = Url::parse(url).map_err(|error| problem(format!("is not a URL: {error}")))?;
        if parsed.scheme() != "http" || !parsed.has_host() {
            return Err(problem("is not a URL such as http://127.0.0.1:8080/jobs".into()));
        }
        // Without roots: nothing is encrypted, and a system that has none shall do as well.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(format!("cannot be used: {error}")))?
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let client =
            Client::builder().tls_backend_preconfigured(tls).connect_timeout(CONNECT_TIMEOUT).build();
        Ok(HttpRunner {
            client: client.map_err(|error| problem(format!("cannot be used: {error}")))?,
            url: parsed,
        })
    }

    async fn call(&self, context: JobContext, payload: Bytes) -> JobResult<Bytes> {
        let call = async {
            let response = self.request(&context).body(payload).send().await.context("the call failed")?;
            let (status, retry_after) = (response.status(), retry_after(&response));
            let body = read(response).await.context("the answer broke off")?;
            outcome(status, retry_after, body)
        };
        tokio::select! {
            result = call => result,
            () = context.cancelled() => Err(JobError::Cancelled.into()),
        }
    }

    fn request(&self, context: &JobContext) -> RequestBuilder {
        let request = self.client.post(self.url.clone()).header(CONTENT_TYPE, header(context.content_type()));
        let request = request
            .header("x-raftsman-fencing-token", context.fencing_token())
            .header("x-raftsman-attempt", context.attempt())
            .header("x-raftsman-job-id", context.job_id())
            .header("x-raftsman-run-id", context.run_id())
            .header("x-raftsman-task-id", header(context.task_id()))
            .header("x-raftsman-kind", header(context.kind()));
        match context.trace() {
            Some(trace) => request.header("traceparent", header(&trace.traceparent)),
            None => request,
        }
    }
}

impl RawRunner for HttpRunner {
    fn run_raw(&self, context: JobContext, payload: Bytes) -> RawRun<'_> {
        Box::pin(self.call(context, payload))
    }
}

/// A header takes visible ASCII only; other characters become `?`.
fn header(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The body, at most as much as a result may have and one byte more, so that a longer one is noticed.
async fn read(mut response: Response) -> Result<Bytes, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > limits::RESULT_BYTES_MAX {
            body.truncate(limits::RESULT_BYTES_MAX + 1);
            break;
        }
    }
    Ok(body.into())
}

fn outcome(status: StatusCode, retry_after: Option<Duration>, body: Bytes) -> JobResult<Bytes> {
    if status.is_success() {
        return Ok(body);
    }
    let said: String = String::from_utf8_lossy(&body).trim().chars().take(ERROR_BODY_CHARS_MAX).collect();
    let why = if said.is_empty() { format!("status {status}") } else { format!("status {status}: {said}") };
    Err(match status.as_u16() {
        409 | 425 | 429 | 503 => JobError::Later { after: retry_after, why }.into(),
        400..=499 => JobError::fail(why),
        _ => anyhow::anyhow!(why),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::tests::context;
    use super::*;
    use crate::domain::{Action, Millis, Outcome};
    use crate::tasktracker::StopCause;
    use crate::tasktracker::runner;

    /// Answers one call with `answer`; returns what was asked and what became of it.
    async fn call(answer: &'static str) -> (String, Outcome) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let runner = HttpRunner::new(&format!("http://{}/jobs", listener.local_addr().unwrap())).unwrap();
        let (context, _, _) = context();
        let served = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"the payload") {
                socket.read_buf(&mut asked).await.unwrap();
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(asked).unwrap()
        };
        let (asked, result) = tokio::join!(served, runner.call(context, Bytes::from_static(b"the payload")));
        (asked.to_lowercase(), runner::outcome(result))
    }

    #[tokio::test]
    async fn the_payload_is_posted_with_the_fence_and_the_body_is_the_result() {
        let (asked, outcome) =
            call("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone").await;
        assert_eq!((outcome.action, outcome.result), (Action::ExecuteSuccess, Bytes::from_static(b"done")));
        for part in [
            "post /jobs",
            "x-raftsman-fencing-token: 7340032",
            "x-raftsman-task-id: t1",
            "x-raftsman-run-id: 5.0/1",
        ] {
            assert!(asked.contains(part), "{part} in {asked}");
        }
    }

    #[tokio::test]
    async fn a_status_is_an_outcome() {
        let of = async |answer| {
            let (_, outcome) = call(answer).await;
            (outcome.action, outcome.retry_after, outcome.error)
        };
        let busy =
            of("HTTP/1.1 503 x\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!((busy.0, busy.1), (Action::ExecuteLater, Some(Millis::from_secs(7))));
        let conflict = of("HTTP/1.1 409 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!((conflict.0, conflict.1), (Action::ExecuteLater, None));
        let wrong = of("HTTP/1.1 422 x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbad").await;
        assert_eq!(wrong.0, Action::ExecuteFailed);
        assert!(wrong.2.ends_with("bad"), "{}", wrong.2);
        let broken = of("HTTP/1.1 500 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        assert_eq!(broken.0, Action::ExecuteException);
    }

    #[tokio::test]
    async fn a_stop_drops_the_call() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let runner = HttpRunner::new(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let (context, _, stop) = context();
        let called = tokio::spawn(async move { runner.call(context, Bytes::new()).await });
        let (_socket, _) = listener.accept().await.unwrap();
        stop.give(StopCause::TimedOut);
        let error = called.await.unwrap().expect_err("it was stopped");
        assert_eq!(error.downcast_ref(), Some(&JobError::Cancelled));
    }

    #[test]
    fn only_http_urls_are_taken() {
        assert!(HttpRunner::new("http://127.0.0.1:1/x").is_ok());
        for wrong in ["", "127.0.0.1:80", "https://example.com/", "ftp://x/"] {
            assert!(HttpRunner::new(wrong).is_err(), "{wrong}");
        }
    }
}
