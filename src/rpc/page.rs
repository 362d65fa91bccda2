//! Page tokens: where a listing goes on. Keyset, so that pages stay right while rows come and go; a token knows which
//! filters it was given out for.

use std::fmt::Display;
use std::str::FromStr;

use prost::Message;
use tonic::Status;
use xxhash_rust::xxh3::xxh3_64;

use crate::wire::{Fault, Reason};

const SIZE_DEFAULT: usize = 50;
const SIZE_MAX: usize = 1000;
/// Hexadecimal digits of the filters' fingerprint.
const FINGERPRINT_DIGITS: usize = 16;

/// The number of rows of a page: 50 unless told, 1,000 at most.
pub(super) fn size(asked: i32) -> usize {
    match usize::try_from(asked) {
        Ok(0) | Err(_) => SIZE_DEFAULT,
        Ok(asked) => asked.min(SIZE_MAX),
    }
}

/// The last row of the page before; `None` for the first page.
pub(super) fn after<T: FromStr>(token: &str) -> Result<Option<T>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    token.parse().map(Some).map_err(|_| wrong(token))
}

fn wrong(token: &str) -> Status {
    Fault::not_applied(Reason::PageTokenInvalid, format!("{token:?} is no page token of this listing")).into()
}

/// A request's filters: the request without what differs from page to page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filters(u64);

impl Filters {
    /// Of a listing's name and its request, of which the caller has taken the page's size and token and the consistency.
    pub(super) fn of(listing: &str, request: &impl Message) -> Filters {
        Filters(xxh3_64(&[listing.as_bytes(), &request.encode_to_vec()].concat()))
    }

    /// The token that goes on after a place.
    pub(super) fn token(self, place: &impl Display) -> String {
        let place: String = place.to_string().bytes().map(|byte| format!("{byte:02x}")).collect();
        format!("{:016x}{place}", self.0)
    }

    /// The place of a token; `None` for the first page.
    ///
    /// # Errors
    /// If it is no token, or one of other filters.
    pub(super) fn place<T: FromStr>(self, token: &str) -> Result<Option<T>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let parts = token.split_at_checked(FINGERPRINT_DIGITS);
        let parts =
            parts.and_then(|(filters, place)| Some((u64::from_str_radix(filters, 16).ok()?, text(place)?)));
        let Some((filters, place)) = parts else { return Err(wrong(token)) };
        if filters != self.0 {
            let text = "the page token was given out for other filters; list from the first page again";
            return Err(Fault::not_applied(Reason::PageTokenInvalid, text).into());
        }
        place.parse().map(Some).map_err(|_| wrong(token))
    }
}

/// The text of hexadecimal digits.
fn text(digits: &str) -> Option<String> {
    let digits = digits.as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> =
        digits.chunks(2).map(|digits| if digits.len() == 2 { pair(digits) } else { None }).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Place;
    use crate::wire::pb;

    #[test]
    fn a_page_is_between_one_and_a_thousand_rows() {
        assert_eq!([0, -5, 7, 5000].map(size), [50, 50, 7, 1000]);
    }

    #[test]
    fn a_token_of_another_listing_or_of_other_filters_is_refused() {
        let request = |group: &str| pb::ListJobsRequest { node_group: group.into(), ..Default::default() };
        let (trade, stock) = (Filters::of("jobs", &request("trade")), Filters::of("jobs", &request("stock")));
        let place: Place = "e 1000 42.0/3".parse().unwrap();
        let token = trade.token(&place);
        assert_eq!(trade.place::<Place>(&token).unwrap(), Some(place));
        assert_eq!(trade.place::<Place>("").unwrap(), None);
        let told =
            |token: &str, filters: Filters| filters.place::<Place>(token).unwrap_err().message().to_owned();
        assert!(told(&token, stock).contains("other filters"));
        for wrong in ["42.0", "é", &token[..20], &format!("{token}0"), &format!("{}zz", &token[..16])] {
            assert!(told(wrong, trade).contains("no page token"), "{wrong}");
        }
        assert!(after::<u64>("x").is_err());
    }
}
