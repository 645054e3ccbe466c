//! gzip and deflate, in both directions, and bodies with a false encoding.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use crate::harness::http::{Request, Response};
use crate::harness::manifest::{model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::tumor;

const TUMOR: &str = "/v2/models/tumor/infer";

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn deflate(plain: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn ask(server: &Server, encoding: &str, body: impl Into<Vec<u8>>) -> Response {
    server.ask(&Request::post(TUMOR, body).header("content-encoding", encoding))
}

#[test]
fn bodies_are_decompressed() {
    let server = Setup::tumor().start();
    let plain = tumor::request("batch").to_string().into_bytes();
    let (head, tail) = plain.split_at(plain.len() / 2);
    for (encoding, body) in [
        ("gzip", gzip(&plain)),
        ("GZIP", gzip(&plain)),
        ("x-gzip", gzip(&plain)),
        // Several consecutive members are one stream (RFC 1952, 2.2).
        ("gzip", [gzip(head), gzip(tail)].concat()),
        ("deflate", zlib(&plain)),
        // Not the name's meaning, but some clients send it.
        ("deflate", deflate(&plain)),
        ("identity", plain.clone()),
        ("", plain.clone()),
    ] {
        tumor::check("batch", &ask(&server, encoding, body).ok().json());
    }
}

/// The header gives the length of the JSON before compression.
#[test]
fn the_binary_header_refers_to_the_decompressed_body() {
    let server = Setup::tumor().start();
    let parameters = json!({ "binary_data_size": 120 });
    let input = json!({ "name": "features", "shape": [1, 30], "datatype": "FP32", "parameters": parameters });
    let json = json!({ "inputs": [input] }).to_string();
    let plain = [json.as_bytes(), &tumor::bytes("benign")].concat();
    for (encoding, body) in [("gzip", gzip(&plain)), ("deflate", zlib(&plain))] {
        let request = Request::post(TUMOR, body)
            .header("content-encoding", encoding)
            .header("inference-header-content-length", json.len());
        tumor::check("benign", &server.ask(&request).ok().json());
        let body = if encoding == "gzip" {
            gzip(&tumor::bytes("malignant"))
        } else {
            zlib(&tumor::bytes("malignant"))
        };
        let request = Request::post(TUMOR, body)
            .header("content-encoding", encoding)
            .header("inference-header-content-length", 0);
        assert_eq!(server.ask(&request).ok().binary().1.len(), 17);
    }
}

#[test]
fn a_bomb_is_refused_like_the_body_it_would_become() {
    let server = Setup::tumor().args("--max-body 100000").start();
    let body = tumor::request("benign").to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len())).into_bytes();
    tumor::check(
        "benign",
        &ask(&server, "gzip", gzip(&padded(100_000))).ok().json(),
    );
    let bomb = vec![b' '; 50 << 20];
    let too_large = "the decompressed body has more than 100000 bytes, the maximum here";
    for (encoding, body) in [
        ("gzip", gzip(&padded(100_001))),
        ("gzip", gzip(&bomb)),
        ("deflate", zlib(&bomb)),
        ("deflate", deflate(&bomb)),
    ] {
        assert!(body.len() < 100_000);
        let response = ask(&server, encoding, body);
        assert_eq!(
            (response.status, response.error().as_str()),
            (413, too_large),
            "{encoding}"
        );
        assert_eq!(response.header("hotstage-failure"), Some("body_too_large"));
    }
}

#[test]
fn a_body_that_is_not_what_its_encoding_says_is_refused() {
    let server = Setup::tumor().start();
    let plain = tumor::request("benign").to_string().into_bytes();
    let (packed, mut damaged) = (gzip(&plain), gzip(&plain));
    let last = damaged.len() - 8;
    damaged[last] ^= 1;
    for (encoding, body) in [
        ("gzip", plain.clone()),
        ("gzip", zlib(&plain)),
        ("gzip", packed[..packed.len() / 2].to_vec()),
        ("gzip", packed[..packed.len() - 1].to_vec()),
        ("gzip", damaged),
        ("gzip", Vec::new()),
        ("deflate", packed.clone()),
        ("deflate", zlib(&plain)[..40].to_vec()),
    ] {
        let response = ask(&server, encoding, body);
        assert_eq!(response.status, 400, "{encoding}: {}", response.text());
        let error = response.error();
        assert!(
            error.starts_with("the body is not what its content encoding says: "),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_encoding_is_415_with_those_that_are_known() {
    let server = Setup::tumor().start();
    for encoding in ["br", "zstd", "gzip, gzip", "gzip;q=1"] {
        let response = ask(&server, encoding, "{}");
        let expected =
            format!("content encoding `{encoding}` is not supported; send gzip, deflate or none");
        assert_eq!((response.status, response.error()), (415, expected));
        assert_eq!(
            response.header("hotstage-failure"),
            Some("unsupported_media_type")
        );
        assert_eq!(
            response.header("accept-encoding"),
            Some("gzip, deflate, identity")
        );
    }
}

/// Millions of empty members are small to send and slow to decompress.
#[test]
fn a_body_of_many_members_is_refused() {
    let server = Setup::tumor().start();
    let plain = tumor::request("benign").to_string().into_bytes();
    let empty = gzip(b"");
    let with = |members: usize| [empty.repeat(members), gzip(&plain)].concat();
    tumor::check("benign", &ask(&server, "gzip", with(1000)).ok().json());
    let response = ask(&server, "gzip", with(2_000_000));
    let message = "the body has more than 4096 gzip members; join them";
    assert_eq!((response.status, response.error().as_str()), (400, message));
}

#[test]
fn a_body_that_grows_beyond_measure_is_refused() {
    let server = Setup::tumor().start();
    let body = tumor::request("benign").to_string();
    let padded = |length: usize| format!("{body}{}", " ".repeat(length - body.len())).into_bytes();
    tumor::check(
        "benign",
        &ask(&server, "gzip", gzip(&padded(8 << 20))).ok().json(),
    );
    let response = ask(&server, "gzip", gzip(&padded(32 << 20)));
    assert_eq!(
        (response.status, response.header("hotstage-failure")),
        (413, Some("body_too_large"))
    );
    assert!(
        response.error().contains("more than 200 times as long"),
        "{}",
        response.error()
    );
}

/// One thread has all connections. Forty bodies take long to decompress, on another thread; the
/// neighbour on the first thread is answered meanwhile.
#[test]
fn a_neighbour_does_not_wait_for_what_is_decompressed() {
    let server = Setup::tumor()
        .args("--io-threads 1 --compute-threads 1")
        .start();
    let plain = tumor::request("benign").to_string();
    let bomb = gzip(format!("{plain}{}", " ".repeat(7 << 20)).as_bytes());
    assert!(bomb.len() < 32 << 10);
    let bomb = Request::post(TUMOR, bomb)
        .header("content-encoding", "gzip")
        .bytes();
    let mut neighbour = server.connect();
    let mut others: Vec<_> = (0..40).map(|_| server.connect()).collect();
    others.iter_mut().for_each(|other| other.send(&bomb));
    for _ in 0..3 {
        tumor::check(
            "benign",
            &neighbour
                .ask(&Request::post(TUMOR, plain.as_str()))
                .ok()
                .json(),
        );
    }
    let waiting = others.iter().filter(|other| !other.has_answer()).count();
    assert!(waiting > 0, "the neighbour was answered after all of them");
    for mut other in others {
        tumor::check("benign", &other.answer().unwrap().ok().json());
    }
}

/// Decompresses the body. The content length must be that of the compressed body.
#[track_caller]
fn decoded(response: &Response) -> Vec<u8> {
    let mut plain = Vec::new();
    match response.header("content-encoding") {
        Some("gzip") => GzDecoder::new(&response.body[..])
            .read_to_end(&mut plain)
            .unwrap(),
        Some("deflate") => ZlibDecoder::new(&response.body[..])
            .read_to_end(&mut plain)
            .unwrap(),
        Some(other) => panic!("the client did not accept {other}"),
        None => return response.body.clone(),
    };
    assert_eq!(response.header("vary"), Some("accept-encoding"));
    plain
}

/// `echo` with this many numbers: 4 bytes of JSON for each, in both directions.
fn numbers(count: usize) -> Value {
    json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [count], "data": vec![0.5; count] }] })
}

#[test]
fn answers_are_compressed_as_the_client_accepts() {
    let server = Setup::of([pipeline("echo", [model("echo")])]).start();
    let (small, large) = (numbers(1), numbers(1000));
    for (accepted, for_small, for_large) in [
        ("", None, None),
        ("identity", None, None),
        ("br", None, None),
        ("gzip;q=0", None, None),
        // A client that accepts a single encoding gets it at once, as Triton's client does.
        ("gzip", Some("gzip"), Some("gzip")),
        ("deflate", Some("deflate"), Some("deflate")),
        ("gzip, deflate", None, Some("gzip")),
        ("gzip;q=0.5, deflate;q=0.9", None, Some("deflate")),
        ("deflate; q=0.1, gzip; q=0.2, br", None, Some("gzip")),
    ] {
        for (request, expected) in [(&small, for_small), (&large, for_large)] {
            let request = Request::post("/v2/models/echo/infer", request.to_string())
                .header("accept-encoding", accepted);
            let response = server.ask(&request).ok();
            assert_eq!(response.header("content-encoding"), expected, "{accepted}");
            let answer: Value = serde_json::from_slice(&decoded(&response)).unwrap();
            assert_eq!(answer["outputs"][0]["data"][0], 0.5, "{accepted}");
            assert!(
                expected.is_none() || response.body.len() < 1000,
                "{accepted}"
            );
        }
    }
}

#[test]
fn a_binary_answer_is_compressed_as_a_whole() {
    let server = Setup::of([pipeline("echo", [model("echo")])]).start();
    let mut request = numbers(1000);
    request["parameters"] = json!({ "binary_data_output": true });
    let request = Request::post("/v2/models/echo/infer", request.to_string())
        .header("accept-encoding", "gzip");
    let response = server.ask(&request).ok();
    let length: usize = response
        .header("inference-header-content-length")
        .unwrap()
        .parse()
        .unwrap();
    let plain = decoded(&response);
    let json: Value = serde_json::from_slice(&plain[..length]).unwrap();
    assert_eq!(json["outputs"][0]["parameters"]["binary_data_size"], 4000);
    assert_eq!(plain[length..], 0.5_f32.to_le_bytes().repeat(1000));
}
