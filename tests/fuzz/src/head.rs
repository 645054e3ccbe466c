//! Decoders of a request's head: path, query of the admin API, encodings, the length of a binary
//! body's JSON. Each line of an input feeds one of them.

use hotstage_core::failure::Kind;
use hotstage_server::codecs::oip::binary::parse_header_length;
use hotstage_server::frontends::admin::fuzzing::{endpoints, read_query};
use hotstage_server::frontends::http::fuzzing::{accepts_compressed, read_path};
use http::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::request::decompress;
use crate::{assert_refusal, assert_text};

pub(crate) fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    path(&text());
    query(&text());
    encodings(&text());
    let (length, body) = (text(), bytes.len());
    match parse_header_length(&length, body) {
        Ok(parsed) => assert!(parsed <= body),
        Err(failure) => assert_refusal(&failure, &[Kind::InvalidInput]),
    }
}

/// A decoded path must decode to the same value after every character is percent-encoded.
fn path(path: &str) {
    // hyper accepts no control characters and no spaces in a path.
    if path.len() > 1024
        || path
            .chars()
            .any(|character| character.is_control() || character == ' ')
    {
        return;
    }
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    match read_path(path) {
        Ok((Some(model), version)) => {
            let version = version.map_or_else(String::new, |version| {
                format!("/versions/{}", escaped(&version))
            });
            let again =
                read_path(&format!("/v2/models/{}{version}/infer", escaped(&model))).unwrap();
            assert_eq!(again.0.as_ref(), Some(&model));
            assert_eq!(again.1.is_some(), !version.is_empty());
        }
        Ok((None, version)) => assert_eq!(version, None),
        Err(failure) => assert_refusal(&failure, &[Kind::NotFound]),
    }
}

/// For every endpoint, decoded arguments must decode to the same values after every character is
/// percent-encoded.
fn query(query: &str) {
    for endpoint in 0..endpoints() {
        match read_query(endpoint, query) {
            Ok(read) => {
                let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let written: Vec<String> = read
                    .iter()
                    .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
                    .collect();
                assert_eq!(read_query(endpoint, &written.join("&")).as_ref(), Ok(&read));
            }
            Err(text) => assert_text(&text),
        }
    }
}

fn encodings(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else {
        return;
    };
    accepts_compressed(value.clone());
    let body = bytes::Bytes::from_static(b"plain");
    match decompress(value, &body, 100) {
        Ok(plain) => assert!(plain.len() <= 100),
        Err(failure) => assert_refusal(
            &failure,
            &[
                Kind::InvalidInput,
                Kind::UnsupportedMediaType,
                Kind::BodyTooLarge,
            ],
        ),
    }
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    [
        "/v2/models/tumor/versions/1/infer\ndry_run=true&reason=a+b%20c%2B&if_revision=7\ngzip\n132",
        "/v2/models/t%75mor/ready/\ntime=2026-01-31T12:00:00+01:00\ngzip;q=0.5, deflate\n+7",
        "/v2/models/tumor/feedback\nlimit=1000&after=a\nidentity\n-1",
        "/v2/health/ready\nbefore=9&limit=1\nx-gzip\n99999999999999999999",
        "/metrics\ninterval_ms=50&order=p99&name=%C3%BC\nbr\n 12 ",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
