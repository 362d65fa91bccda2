//! Requests that no handler ever saw, since they could not be read: refused in this protocol's words.
//!
//! tonic calls a message that is no protobuf, or no message at all, an internal error of the server's, and gives no reason
//! with what it refuses by itself. Callers rely on both: an internal error is ours, and may have been applied.

use axum::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};

use crate::wire::{Fault, Reason};

/// A refusal that came from no handler, since theirs have details, with its reason; everything else as it is.
pub(super) async fn explained(response: Response<Body>) -> Response<Body> {
    let from_handler = response.headers().contains_key("grpc-status-details-bin");
    let status = response.headers().contains_key("grpc-status") && !from_handler;
    let status = status.then(|| Status::from_header_map(response.headers())).flatten();
    match status.and_then(|status| fault(&status)) {
        Some(fault) => Status::from(fault).into_http(),
        None => response,
    }
}

fn fault(status: &Status) -> Option<Fault> {
    let (reason, text) = match status.code() {
        Code::Internal | Code::Unknown => (Reason::InvalidArgument, "the request cannot be read"),
        Code::OutOfRange | Code::ResourceExhausted => (Reason::RequestTooLarge, "the request is too large"),
        Code::Unimplemented => (Reason::Unsupported, "this version does not offer what was called"),
        // Of the health service, or of no matter here.
        _ => return None,
    };
    let told = if status.message().is_empty() { String::new() } else { format!(": {}", status.message()) };
    Some(Fault::not_applied(reason, format!("{text}{told}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(status: Status) -> Status {
        let response = explained(status.into_http()).await;
        Status::from_header_map(response.headers()).expect("a status stays one")
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_the_callers_fault_and_was_not_applied() {
        let status = told(Status::internal("failed to decode Protobuf message: buffer underflow")).await;
        let fault = Fault::from(status);
        assert_eq!(fault.reason, Reason::InvalidArgument);
        assert_eq!(fault.certainty, crate::wire::Certainty::NotApplied);
        assert!(fault.message.contains("buffer underflow"), "{fault}");
        assert_eq!(Fault::from(told(Status::out_of_range("5 MiB")).await).reason, Reason::RequestTooLarge);
        assert_eq!(Fault::from(told(Status::unimplemented("")).await).reason, Reason::Unsupported);
    }

    #[tokio::test]
    async fn what_a_handler_said_stays_as_it_is() {
        let status = told(Fault::unknown(Reason::Internal, "the disk fails").into()).await;
        assert_eq!(Fault::from(status), Fault::unknown(Reason::Internal, "the disk fails"));
        assert_eq!(told(Status::not_found("no such service")).await.code(), Code::NotFound);
    }
}
