//! What strangers do to a port. Each attack ends by itself within seconds and leaves nothing open.

use std::time::Duration;

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Target;
use super::calls::{self, Answers};
use super::frames;
use crate::admin::channel;

/// How long the node's answer is read; most attacks get none.
const LISTEN: Duration = Duration::from_millis(50);
/// How long idle and slow connections stay.
const LINGER: Duration = Duration::from_secs(2);
/// Streams of one attack, opened and reset one after the other.
const STREAMS: u32 = 10_000;
/// Connections that say nothing.
const IDLE: usize = 200;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Attack {
    Noise,
    OtherProtocol,
    RandomFrames,
    HalfACall,
    Calls,
    TooLarge,
    Streams,
    Slow,
    Idle,
    Metadata,
}

impl Attack {
    pub(super) const ALL: [Attack; 10] = [
        Attack::Noise,
        Attack::OtherProtocol,
        Attack::RandomFrames,
        Attack::HalfACall,
        Attack::Calls,
        Attack::TooLarge,
        Attack::Streams,
        Attack::Slow,
        Attack::Idle,
        Attack::Metadata,
    ];

    /// A broken connection is the node's good right; only what it answers to whole calls is noted.
    pub(super) async fn launch(self, target: &Target, random: &mut Rng) -> Answers {
        let mut answers = Answers::default();
        let method = *random.choice(target.methods).expect("a port has methods");
        let address = &target.address;
        match self {
            Attack::Noise => {
                let noise = frames::bytes(random, 4000);
                say(address, &[&noise]).await;
            }
            Attack::OtherProtocol => other_protocol(address, random).await,
            Attack::RandomFrames => {
                let mut words = [frames::PREFACE.to_vec(), frames::settings()].concat();
                (0..random.usize(1..60)).for_each(|_| words.extend(frames::any_frame(random)));
                say(address, &[&words]).await;
            }
            Attack::HalfACall => half_a_call(address, method, random).await,
            Attack::Calls => {
                let channel = channel(address);
                for method in target.methods {
                    calls::call(channel.clone(), method, random, &mut answers).await;
                }
            }
            Attack::TooLarge => {
                let bytes = random.usize(4 << 20..6 << 20);
                calls::too_large(channel(address), method, bytes, &mut answers).await;
            }
            Attack::Streams => streams(address, method).await,
            Attack::Slow => slow(address, method).await,
            Attack::Idle => idle(address).await,
            Attack::Metadata => metadata(address, method, random).await,
        }
        answers
    }
}

/// Opens a connection, writes the parts and listens a while for an answer.
async fn say(address: &str, parts: &[&[u8]]) {
    let Ok(mut socket) = TcpStream::connect(address).await else { return };
    for part in parts {
        if !matches!(timeout(LINGER, socket.write_all(part)).await, Ok(Ok(()))) {
            return;
        }
    }
    let mut answer = [0; 4096];
    while let Ok(Ok(1..)) = timeout(LISTEN, socket.read(&mut answer)).await {}
}

async fn other_protocol(address: &str, random: &mut Rng) {
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(random.usize(0..100_000)));
    let fields = format!("GET /metrics HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(random.usize(0..3000)));
    let body = b"POST /healthz HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nabc".to_vec();
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc][..], &frames::bytes(random, 500)].concat();
    let words = [long.into_bytes(), fields.into_bytes(), body, hello];
    say(address, &[random.choice(&words).expect("four")]).await;
}

/// A right call whose message is cut off, compressed without a word, or claims more than it has.
async fn half_a_call(address: &str, method: &str, random: &mut Rng) {
    let body = frames::message(random, 2);
    let length = u32::try_from(body.len()).expect("small");
    let claims = *random.choice(&[length, length + 1, 0, 4 << 20, u32::MAX]).expect("five");
    let message = frames::grpc_message(random.u8(0..3), claims, &body);
    let headers = frames::frame(frames::HEADERS, 4, 1, &frames::call_headers(method, &[]));
    let data = frames::frame(frames::DATA, random.u8(0..2), 1, &message);
    say(address, &[frames::PREFACE, &frames::settings(), &headers, &data]).await;
}

/// Opens a stream and resets it, ten thousand times on one connection.
async fn streams(address: &str, method: &str) {
    let Ok(socket) = TcpStream::connect(address).await else { return };
    let (mut from, mut to) = socket.into_split();
    // The node's words must be read, or its own buffers are what stops us.
    let reader = tokio::spawn(async move {
        let mut answer = vec![0; 64 << 10];
        while let Ok(1..) = from.read(&mut answer).await {}
    });
    let begin = [frames::PREFACE, &frames::settings()].concat();
    let mut open = to.write_all(&begin).await.is_ok();
    for first in (0..STREAMS).step_by(100) {
        let batch: Vec<u8> =
            (first..first + 100).flat_map(|n| frames::opened_and_reset(2 * n + 1, method)).collect();
        open = open && matches!(timeout(LINGER, to.write_all(&batch)).await, Ok(Ok(())));
    }
    reader.abort();
}

/// A call that comes byte by byte, and never to its end.
async fn slow(address: &str, method: &str) {
    let Ok(mut socket) = TcpStream::connect(address).await else { return };
    let headers = frames::frame(frames::HEADERS, 4, 1, &frames::call_headers(method, &[]));
    let all = [frames::PREFACE, &frames::settings(), &headers].concat();
    let pause = LINGER / u32::try_from(all.len()).expect("some hundred bytes");
    for byte in all {
        if socket.write_all(&[byte]).await.is_err() {
            return;
        }
        sleep(pause).await;
    }
}

/// Connections that never say a word, and some that stop within the preface.
async fn idle(address: &str) {
    let mut open = Vec::new();
    for n in 0..IDLE {
        let Ok(mut socket) = TcpStream::connect(address).await else { break };
        if n % 2 == 0 {
            // One that was closed at once is as good.
            let _ = socket.write_all(&frames::PREFACE[..n % frames::PREFACE.len()]).await;
        }
        open.push(socket);
    }
    sleep(LINGER).await;
}

/// Header fields of a mebibyte, or thousands of them.
async fn metadata(address: &str, method: &str, random: &mut Rng) {
    let long = vec![b'v'; random.usize(1..1 << 20)];
    let many: Vec<(&str, &[u8])> = vec![("x-many", b"value".as_slice()); random.usize(1..5000)];
    let fields = if random.bool() { vec![("x-long", long.as_slice())] } else { many };
    let headers = frames::long_headers(1, &frames::call_headers(method, &fields));
    say(address, &[frames::PREFACE, &frames::settings(), &headers]).await;
}
