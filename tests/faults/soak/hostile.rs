//! Hostile clients, each from its own address, so that bounds per peer do not affect the
//! well-behaved clients. Any answer is accepted that arrives in time and is not a 500.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::super::effort::Chance;
use super::Soak;
use crate::harness::manifest::pipeline;
use crate::harness::process::runs;
use crate::harness::sha256;
use crate::harness::state::Folder;

/// Decompressed size of a bomb in megabytes.
const BOMB: usize = 100;

/// The behaviour of a hostile client.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hostile {
    /// Sends a body byte by byte, and never completely.
    Drips,
    /// Sends invalid requests as fast as possible for a while.
    Floods,
    /// Sends a small body that decompresses to a large one.
    Bombs,
    /// Disconnects in the middle of a request, or before its answer.
    Leaves,
    /// Applies invalid components.
    Applies,
}

impl Hostile {
    pub(super) const ALL: [Self; 5] = [
        Self::Drips,
        Self::Floods,
        Self::Bombs,
        Self::Leaves,
        Self::Applies,
    ];

    /// Runs until the test ends.
    pub(super) fn go_on(self, soak: &Soak) {
        let mut chance = Chance::new(self as u64);
        let rest = match self {
            Self::Drips | Self::Leaves => Duration::from_millis(50),
            Self::Floods => Duration::from_millis(200),
            Self::Bombs => Duration::from_secs(1),
            Self::Applies => Duration::from_secs(2),
        };
        while soak.goes_on(rest) {
            let what = match self {
                Self::Drips => drip(soak),
                Self::Floods => flood(soak, &mut chance),
                Self::Bombs => bomb(soak),
                Self::Leaves => leave(soak, &mut chance),
                Self::Applies => apply(soak, &mut chance),
            };
            soak.tally.add(what);
            assert!(runs(soak.server.starting.id()), "the server is gone");
        }
    }
}

/// A connection from a separate local address.
fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let from = if cfg!(target_os = "linux") {
        "127.0.0.66:0"
    } else {
        "127.0.0.1:0"
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(from.parse().unwrap())?;
        socket.connect(address).await?.into_std()
    })?;
    stream.set_nonblocking(false)?;
    let patience = Some(Duration::from_secs(60));
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(patience)?;
    Ok(stream)
}

/// Sends all bytes, and reads until the server closes or has answered; returns the status, if there
/// is one.
fn ask(soak: &Soak, bytes: &[u8]) -> Option<u16> {
    let mut stream = connect(soak.server.address).ok()?;
    // A server that refuses early closes early.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.take(1 << 16).read_to_end(&mut answer);
    let status = std::str::from_utf8(answer.get(9..12)?).ok()?.parse().ok();
    if let Some(status @ (500 | 504)) = status {
        panic!(
            "a client's nonsense is answered with {status}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    status
}

fn head(path: &str, length: usize, more: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n")
        .into_bytes()
}

fn drip(soak: &Soak) -> &'static str {
    if let Ok(mut stream) = connect(soak.server.address) {
        let mut is_open = stream
            .write_all(&head("/v2/models/m/infer", 1000, ""))
            .is_ok();
        for _ in 0..20 {
            is_open = is_open
                && stream.write_all(b"{").is_ok()
                && soak.goes_on(Duration::from_millis(100));
        }
    }
    "bodies that dripped and did not end"
}

fn flood(soak: &Soak, chance: &mut Chance) -> &'static str {
    for _ in 0..20 {
        let noise: Vec<u8> = (0..chance.below(300)).map(|_| chance.byte(256)).collect();
        let json =
            br#"{"inputs":[{"name":"features","datatype":"FP32","shape":[1,99999999999],"data":[1"#;
        let length = json.len().to_string();
        let request = match chance.below(6) {
            0 => noise,
            1 => [head("/v2/models/m/infer", noise.len(), ""), noise].concat(),
            2 => [head("/v2/models/m/infer", json.len(), ""), json.to_vec()].concat(),
            3 => {
                let more = format!("inference-header-content-length: {length}\r\n");
                [
                    head("/v2/models/m/infer", json.len() + noise.len(), &more),
                    json.to_vec(),
                    noise,
                ]
                .concat()
            }
            4 => format!(
                "GET /v2/models/{}/x HTTP/1.1\r\nhost: localhost\r\n\r\n",
                "%ff".repeat(300)
            )
            .into_bytes(),
            _ => head(
                "/v2/models/m/infer",
                0,
                &format!("x-many: {}\r\n", "y".repeat(1 << 14)),
            ),
        };
        ask(soak, &request);
    }
    "floods of 20 requests that make no sense"
}

fn bomb(soak: &Soak) -> &'static str {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..BOMB).for_each(|_| encoder.write_all(&zeros).unwrap());
    let body = encoder.finish().unwrap();
    let status = ask(
        soak,
        &[
            head(
                "/v2/models/m/infer",
                body.len(),
                "content-encoding: gzip\r\n",
            ),
            body,
        ]
        .concat(),
    );
    // Refused for its size, or because there are too many.
    assert!(
        status.is_none_or(|status| matches!(status, 400 | 413 | 429 | 503)),
        "{status:?}"
    );
    "compressed bodies that become 100 MB"
}

fn leave(soak: &Soak, chance: &mut Chance) -> &'static str {
    let body =
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [1.0] }] })
            .to_string();
    let request = [
        head("/v2/models/t/infer", body.len(), ""),
        body.into_bytes(),
    ]
    .concat();
    // Half of them disconnect before the request is complete, half before its answer.
    let whole = request.len() as u64;
    let end = if chance.below(2) == 0 {
        chance.below(whole)
    } else {
        whole
    };
    if let Ok(mut stream) = connect(soak.server.address) {
        let _ = stream.write_all(&request[..usize::try_from(end).unwrap()]);
    }
    "clients that left"
}

/// Bytes that begin like a bundled component, with some of them changed; or bytes that make a
/// decoder panic.
fn apply(soak: &Soak, chance: &mut Chance) -> &'static str {
    let folder = Folder::new();
    let mut bytes = std::fs::read(crate::harness::components().join("scale.wasm")).unwrap();
    if chance.below(4) == 0 {
        bytes = b"\0asm\x0d\0\x01\0\x07\x05\x01\x40\0\x01\0\x0a\x0a\x01\0\x05a:b/c\x01\0".to_vec();
    } else {
        // At least one byte of the header, so that the component is never valid.
        bytes[usize::try_from(chance.below(4)).unwrap()] ^= 0x20;
        for _ in 0..chance.below(20) {
            let at = usize::try_from(chance.below(bytes.len() as u64)).unwrap();
            bytes[at] = chance.byte(256);
        }
        if chance.below(2) == 0 {
            // A valid header before a truncated file.
            bytes[..8].copy_from_slice(b"\0asm\x0d\0\x01\0");
        }
    }
    // Refused bytes stay in the store until `gc`: a few kilobytes each.
    bytes.truncate(4096);
    let path = folder.write(&format!("{}.wasm", &sha256(&bytes)[7..23]), &bytes);
    let stage = json!({ "name": "a", "role": "model", "component": path });
    let response = soak.admin.apply(&[pipeline("hostile", [stage])]);
    assert_eq!(response.status, 422, "{}", response.text());
    assert!(
        response.text().len() < 8192,
        "{} bytes of error",
        response.text().len()
    );
    "hostile components applied and refused"
}
