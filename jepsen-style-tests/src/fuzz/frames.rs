//! Bytes for a port that speaks HTTP/2: frames that are right, nearly right, and none at all.

use fastrand::Rng;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

/// A frame whose length is the payload's.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("payloads here are far below 16 MiB").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

pub(super) fn settings() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[])
}

/// The fields of a gRPC call, as HPACK literals without a table.
pub(super) fn call_headers(path: &str, more: &[(&str, &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    let fields: [(&str, &[u8]); 6] = [
        (":method", b"POST"),
        (":scheme", b"http"),
        (":path", path.as_bytes()),
        (":authority", b"localhost"),
        ("content-type", b"application/grpc"),
        ("te", b"trailers"),
    ];
    for (name, value) in fields.into_iter().chain(more.iter().copied()) {
        block.push(0);
        literal(&mut block, name.as_bytes());
        literal(&mut block, value);
    }
    block
}

/// A length in HPACK's 7-bit prefix form and the text, without Huffman.
fn literal(block: &mut Vec<u8>, text: &[u8]) {
    if text.len() < 127 {
        block.push(u8::try_from(text.len()).expect("less than 127"));
    } else {
        block.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128).expect("less than 128") | 128);
            rest /= 128;
        }
        block.push(u8::try_from(rest).expect("less than 128"));
    }
    block.extend_from_slice(text);
}

/// Header fields that are too long for one frame go on in others.
pub(super) fn long_headers(stream: u32, block: &[u8]) -> Vec<u8> {
    let mut chunks = block.chunks(16_000);
    let mut out = frame(HEADERS, 0, stream, chunks.next().unwrap_or_default());
    chunks.for_each(|chunk| out.extend(frame(CONTINUATION, 0, stream, chunk)));
    out.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
    out
}

/// A call opened and given up at once.
pub(super) fn opened_and_reset(stream: u32, path: &str) -> Vec<u8> {
    let mut out = frame(HEADERS, END_HEADERS, stream, &call_headers(path, &[]));
    out.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    out
}

/// The header of a gRPC message that claims to have so many bytes.
pub(super) fn grpc_message(compressed: u8, claims: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![compressed];
    out.extend_from_slice(&claims.to_be_bytes());
    out.extend_from_slice(bytes);
    out
}

/// A frame of any kind, flags and stream; now and then its length lies.
pub(super) fn any_frame(random: &mut Rng) -> Vec<u8> {
    let payload = bytes(random, 200);
    let mut out = frame(random.u8(0..12), random.u8(..), random.u32(0..12), &payload);
    if random.u8(0..8) == 0 {
        out[random.usize(0..3)] = random.u8(..);
    }
    out
}

pub(super) fn bytes(random: &mut Rng, max: usize) -> Vec<u8> {
    (0..random.usize(0..max)).map(|_| random.u8(..)).collect()
}

/// Something like a protobuf message: fields of any number and type, with nested ones, texts that are no UTF-8 and numbers
/// at their edges; at the end sometimes cut off or followed by noise.
pub(super) fn message(random: &mut Rng, depth: u8) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..random.usize(0..8) {
        let number = random.u64(1..20);
        match random.u8(0..8) {
            0 | 1 => varint(&mut out, number << 3, edge(random)),
            2 if depth > 0 => delimited(&mut out, number, &message(random, depth - 1)),
            3 => delimited(&mut out, number, b"42.0"),
            4 => delimited(&mut out, number, "x".repeat(random.usize(0..600)).as_bytes()),
            5 => {
                varint_alone(&mut out, number << 3 | 1);
                out.extend_from_slice(&edge(random).to_le_bytes());
            }
            _ => {
                let noise = bytes(random, 40);
                delimited(&mut out, number, &noise);
            }
        }
    }
    match random.u8(0..6) {
        0 => out.truncate(random.usize(0..=out.len())),
        1 => out.extend(bytes(random, 10)),
        _ => {}
    }
    out
}

fn edge(random: &mut Rng) -> u64 {
    let small = random.u64(0..4);
    *random
        .choice(&[small, u64::MAX, i64::MAX.cast_unsigned(), i64::MIN.cast_unsigned(), 1 << 32])
        .expect("five")
}

fn delimited(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, key: u64, value: u64) {
    varint_alone(out, key);
    varint_alone(out, value);
}

fn varint_alone(out: &mut Vec<u8>, mut value: u64) {
    while value >= 128 {
        out.push((value % 128) as u8 | 128);
        value /= 128;
    }
    out.push(value as u8);
}
