//! The peer protocol's messages, from any bytes: refused, or as consensus may trust them, and the log can keep them.

use bytes::Bytes;
use prost::Message;

use super::{convert, forward, pb, snapshot};
use crate::machine::codec;
use crate::store::encoding;

/// Which message, then its bytes.
pub(crate) fn peer(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 9 {
        0 => append(rest),
        1 => again(rest, |message: pb::VoteRequest| {
            let candidacy = convert::candidacy_in(message.candidacy).ok()?;
            Some(pb::VoteRequest { candidacy: Some(convert::candidacy_out(&candidacy)) })
        }),
        2 => again(rest, |message: pb::VoteResponse| {
            let verdict = convert::verdict_in(message.verdict).ok()?;
            Some(pb::VoteResponse { verdict: Some(convert::verdict_out(&verdict)), ..Default::default() })
        }),
        3 => again(rest, |message: pb::TransferLeaderRequest| {
            convert::transfer_in(message).ok().map(|transfer| convert::transfer_out(&transfer))
        }),
        4 => again(rest, |message: pb::TransferLeaderResponse| {
            let result = convert::transfer_result_in(message.refused).ok()?;
            let refused = convert::transfer_result_out(result);
            Some(pb::TransferLeaderResponse { refused, ..Default::default() })
        }),
        5 => again(rest, |message: pb::AppendResponse| {
            let result = convert::stream_result_in(message).ok()?;
            let result = Some(convert::stream_result_out(&result));
            Some(pb::AppendResponse { result, ..Default::default() })
        }),
        6 => snapshot_part(rest),
        7 => forwarded(rest),
        _ => {
            if let Ok(message) = pb::ForwardRequest::decode(rest) {
                let _ = codec::decode_command(message.command);
            }
        }
    }
}

/// What was let in goes out in a form that is let in and goes out as the same.
fn again<M: Message + Default + Clone + PartialEq + std::fmt::Debug>(
    data: &[u8],
    journey: impl Fn(M) -> Option<M>,
) {
    let Ok(message) = M::decode(data) else { return };
    if let Some(out) = journey(message) {
        assert_eq!(journey(out.clone()).as_ref(), Some(&out), "there and back");
    }
}

fn append(data: &[u8]) {
    let Ok(message) = pb::AppendRequest::decode(data) else { return };
    let Ok(append) = convert::append_in(message) else { return };
    for entry in &append.entries {
        let stored = encoding::encode_entry(entry);
        assert_eq!(encoding::decode_entry(stored).as_ref(), Ok(entry), "what is let in can be stored");
    }
    let out = convert::append_out(&append);
    let again = convert::append_in(out.clone()).expect("what is sent is let in");
    assert_eq!(convert::append_out(&again), out, "there and back");
}

fn snapshot_part(data: &[u8]) {
    use pb::install_snapshot_request::Part;
    let Ok(message) = pb::InstallSnapshotRequest::decode(data) else { return };
    match message.part {
        Some(Part::Header(header)) => {
            let Ok((vote, meta)) = convert::header_in(header) else { return };
            let stored = encoding::encode_snapshot_meta(&meta);
            assert_eq!(encoding::decode_snapshot_meta(stored).as_ref(), Ok(&meta), "it can be stored");
            let again = convert::header_in(convert::header_out(&vote, &meta));
            assert_eq!(again, Ok((vote, meta)), "there and back");
        }
        Some(part) => {
            let chunk = snapshot::chunk_in(part.clone()).expect("only a header is no chunk");
            assert_eq!(snapshot::part_out(chunk), part, "there and back");
        }
        None => {}
    }
}

fn forwarded(data: &[u8]) {
    if let Ok(message) = pb::ForwardResponse::decode(Bytes::copy_from_slice(data)) {
        let _ = forward::outcome_in(message.outcome);
    }
}
