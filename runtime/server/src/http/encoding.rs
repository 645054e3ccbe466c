//! gzip and deflate, both ways.
//!
//! What a body becomes is bounded like the body itself, so a bomb costs no more than an honest one. `deflate` is the
//! zlib format (RFC 9110, 8.4.1.2); bare deflate, which some clients send, is understood too.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use hotstage_core::failure::{Failure, Kind};
use http::{HeaderMap, HeaderValue, Response, header};

use super::Body;

/// An answer smaller than this is sent as it is, unless the client asked for one encoding and nothing else.
const WORTHWHILE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Some(Self::Gzip),
            name if name.eq_ignore_ascii_case("deflate") => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// How the request's body is encoded; `None` when it is not.
pub(super) fn of_request(headers: &HeaderMap) -> Result<Option<Encoding>, Failure> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(None) };
    let name = value.to_str().unwrap_or("?");
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Encoding::named(name).map(Some).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        Failure::new(
            Kind::UnsupportedMediaType,
            format!("content encoding `{name}` is not understood; send gzip, deflate or none"),
        )
    })
}

/// The body as it was before it was encoded.
pub(super) fn decode(body: &Bytes, encoding: Encoding, bytes_max: usize) -> Result<Bytes, Failure> {
    let is_zlib = body.first().is_some_and(|first| first & 15 == 8)
        && body.len() >= 2
        && (u16::from(body[0]) * 256 + u16::from(body[1])) % 31 == 0;
    let mut plain = Vec::new();
    let limit = bytes_max as u64 + 1;
    let read = match encoding {
        Encoding::Gzip => MultiGzDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
        Encoding::Deflate if is_zlib => ZlibDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
        Encoding::Deflate => DeflateDecoder::new(&body[..]).take(limit).read_to_end(&mut plain),
    };
    read.map_err(|error| Failure::invalid(format!("the body is not what its content encoding says: {error}")))?;
    if plain.len() > bytes_max {
        let message = format!(
            "the body has more than {bytes_max} bytes once it is decompressed, which is all that is taken here"
        );
        return Err(Failure::new(Kind::BodyTooLarge, message));
    }
    Ok(plain.into())
}

/// The encoding that the client likes best, if any; and whether it likes nothing else.
pub(super) fn wanted(headers: &HeaderMap) -> Option<(Encoding, bool)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let mut best: Option<(Encoding, f32)> = None;
    let mut count = 0;
    for item in accepted.split(',') {
        count += 1;
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        if let Some(encoding) = Encoding::named(name)
            && quality > best.map_or(0.0, |(_, quality)| quality)
        {
            best = Some((encoding, quality));
        }
    }
    best.map(|(encoding, _)| (encoding, count == 1))
}

/// Encodes an answer, where that is wanted and worth it.
pub(super) fn encode(response: Response<Body>, body: Vec<u8>, wanted: Option<(Encoding, bool)>) -> Response<Body> {
    let Some((encoding, _)) = wanted.filter(|(_, only)| *only || body.len() >= WORTHWHILE) else {
        return response.map(|_| Body::new(body.into()));
    };
    let fast = Compression::fast();
    let (name, encoded) = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), fast);
            ("gzip", encoder.write_all(&body).and_then(|()| encoder.finish()))
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), fast);
            ("deflate", encoder.write_all(&body).and_then(|()| encoder.finish()))
        }
    };
    match encoded {
        Ok(encoded) => {
            let mut response = response.map(|_| Body::new(encoded.into()));
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            response
        }
        // Writing to memory does not fail; if it ever does, the plain answer is as good.
        Err(_) => response.map(|_| Body::new(body.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(plain: &[u8], encoding: Encoding) -> Bytes {
        use http_body_util::BodyExt as _;
        let response = encode(Response::new(Body::default()), plain.to_vec(), Some((encoding, true)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        #[expect(clippy::disallowed_methods, reason = "our own bytes")]
        runtime.block_on(response.into_body().collect()).unwrap().to_bytes()
    }

    #[test]
    fn what_is_encoded_comes_back_within_its_bound() {
        let plain = vec![7_u8; 100_000];
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let small = encoded(&plain, encoding);
            assert!(small.len() < 2_000);
            assert_eq!(decode(&small, encoding, 100_000).unwrap(), plain);
            assert_eq!(decode(&small, encoding, 99_999).unwrap_err().kind, Kind::BodyTooLarge);
            assert_eq!(
                decode(&small.slice(..small.len() / 2), encoding, 1 << 20).unwrap_err().kind,
                Kind::InvalidInput
            );
        }
    }

    #[test]
    fn the_best_liked_encoding_wins() {
        let wanted = |text: &'static str| {
            wanted(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        assert_eq!(wanted("gzip"), Some((Encoding::Gzip, true)));
        assert_eq!(wanted("gzip;q=0.5, deflate"), Some((Encoding::Deflate, false)));
        assert_eq!(wanted("br, gzip;q=0"), None);
    }
}
