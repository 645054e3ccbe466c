//! gzip and deflate, for requests and responses.
//!
//! A decompressed body has the same bounds as a plain one and counts in the same memory budget. It
//! may be [`RATIO_MAX`] times as long as the compressed one, or [`ANY_RATIO`] bytes if that is
//! more, and have [`MEMBERS_MAX`] gzip members: a decompression bomb costs no more than a valid
//! body. `deflate` is the zlib format (RFC 9110, 8.4.1.2); raw deflate, which some clients send, is
//! accepted too.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use hotstage_core::failure::{Failure, Kind};
use http::{HeaderMap, HeaderValue, Response, header};

use super::Body;
use crate::transport::budget::Share;

/// Bytes decompressed without yielding: about a millisecond.
const SLICE: u64 = 256 << 10;
/// Maximum ratio of decompressed to compressed length.
const RATIO_MAX: usize = 200;
/// Length that is always allowed, whatever the ratio: zeros compress a thousandfold, and masks
/// consist mostly of zeros.
const ANY_RATIO: usize = 8 << 20;
/// Maximum members of a gzip stream. Tools that compress in blocks make one per 64 KiB or more.
const MEMBERS_MAX: usize = 4096;
/// Responses smaller than this are not compressed, unless the client accepts only one encoding.
const WORTHWHILE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    fn named(name: &str) -> Option<Self> {
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => {
                Some(Self::Gzip)
            }
            name if name.eq_ignore_ascii_case("deflate") => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// The encoding of the request body; `None` if it is not encoded.
pub(super) fn of_request(headers: &HeaderMap) -> Result<Option<Encoding>, Failure> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(None);
    };
    let name = value.to_str().unwrap_or("?");
    if name.is_empty() || name.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Encoding::named(name).map(Some).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        Failure::new(
            Kind::UnsupportedMediaType,
            format!("content encoding `{name}` is not supported; send gzip, deflate or none"),
        )
    })
}

/// Decompresses the body. Slow: run it off the I/O threads. It yields after each [`SLICE`], which
/// bounds the delay of other work on the thread.
pub(super) async fn decode(
    body: &Bytes,
    encoding: Encoding,
    mut share: Share,
    bytes_max: usize,
) -> Result<Bytes, Failure> {
    let mut plain = Vec::new();
    let mut inflating = Inflating::new(body, encoding);
    while inflating.slice(&mut plain)? {
        if plain.len() > bytes_max {
            let message =
                format!("the decompressed body has more than {bytes_max} bytes, the maximum here");
            return Err(Failure::new(Kind::BodyTooLarge, message));
        }
        if plain.len() > ANY_RATIO && plain.len() / RATIO_MAX > body.len() {
            let message = format!(
                "the body becomes more than {RATIO_MAX} times as long once it is decompressed, which is not taken \
                 beyond {ANY_RATIO} bytes; send it as it is"
            );
            return Err(Failure::new(Kind::BodyTooLarge, message));
        }
        share.cover(plain.len())?;
        tokio::task::yield_now().await;
    }
    Ok(share.hold(plain.into()))
}

/// A body being decompressed.
enum Inflating<'a> {
    Gzip(GzDecoder<&'a [u8]>, usize),
    Zlib(ZlibDecoder<&'a [u8]>),
    Deflate(DeflateDecoder<&'a [u8]>),
    Done,
}

impl<'a> Inflating<'a> {
    fn new(body: &'a [u8], encoding: Encoding) -> Self {
        let is_zlib = matches!(
            body,
            [first, second, ..]
                if first & 15 == 8 && u16::from_be_bytes([*first, *second]) % 31 == 0
        );
        match encoding {
            Encoding::Gzip => Self::Gzip(GzDecoder::new(body), 1),
            Encoding::Deflate if is_zlib => Self::Zlib(ZlibDecoder::new(body)),
            Encoding::Deflate => Self::Deflate(DeflateDecoder::new(body)),
        }
    }

    /// Decompresses the next bytes of one member, at most a [`SLICE`]. False: no bytes are left.
    fn slice(&mut self, plain: &mut Vec<u8>) -> Result<bool, Failure> {
        let read = match self {
            Self::Gzip(decoder, _) => decoder.take(SLICE).read_to_end(plain),
            Self::Zlib(decoder) => decoder.take(SLICE).read_to_end(plain),
            Self::Deflate(decoder) => decoder.take(SLICE).read_to_end(plain),
            Self::Done => return Ok(false),
        };
        let read = read.map_err(|error| {
            Failure::invalid(format!(
                "the body is not what its content encoding says: {error}"
            ))
        })?;
        if (read as u64) < SLICE {
            self.end_member()?;
        }
        Ok(true)
    }

    /// Continues with the next member of a gzip stream, if any (RFC 1952, 2.2).
    fn end_member(&mut self) -> Result<(), Failure> {
        *self = match self {
            Self::Gzip(decoder, members) if !decoder.get_ref().is_empty() => {
                if *members == MEMBERS_MAX {
                    let message =
                        format!("the body has more than {MEMBERS_MAX} gzip members; join them");
                    return Err(Failure::invalid(message));
                }
                Self::Gzip(GzDecoder::new(decoder.get_ref()), *members + 1)
            }
            _ => Self::Done,
        };
        Ok(())
    }
}

/// The client's preferred encoding, if any, and whether it accepts only that.
pub(super) fn wanted(headers: &HeaderMap) -> Option<(Encoding, bool)> {
    let accepted = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let mut best: Option<(Encoding, f32)> = None;
    let mut count = 0;
    for item in accepted.split(',') {
        count += 1;
        let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
        let quality = parameters
            .trim()
            .strip_prefix("q=")
            .map_or(1.0, |quality| quality.parse().unwrap_or(0.0));
        if let Some(encoding) = Encoding::named(name)
            && quality > best.map_or(0.0, |(_, quality)| quality)
        {
            best = Some((encoding, quality));
        }
    }
    best.map(|(encoding, _)| (encoding, count == 1))
}

/// Compresses a response if the client accepts it and it is large enough.
pub(super) fn encode(
    response: Response<Body>,
    body: Vec<u8>,
    wanted: Option<(Encoding, bool)>,
) -> Response<Body> {
    let Some((encoding, _)) = wanted.filter(|(_, only)| *only || body.len() >= WORTHWHILE) else {
        return response.map(|_| Body::new(body.into()));
    };
    let fast = Compression::fast();
    let (name, encoded) = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), fast);
            (
                "gzip",
                encoder.write_all(&body).and_then(|()| encoder.finish()),
            )
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), fast);
            (
                "deflate",
                encoder.write_all(&body).and_then(|()| encoder.finish()),
            )
        }
    };
    match encoded {
        Ok(encoded) => {
            let mut response = response.map(|_| Body::new(encoded.into()));
            response
                .headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            response
                .headers_mut()
                .insert(header::VARY, HeaderValue::from_static("accept-encoding"));
            response
        }
        // Writing to memory does not fail; if it did, the plain response would be valid too.
        Err(_) => response.map(|_| Body::new(body.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::budget::{Budget, SMALL};

    fn encoded(plain: &[u8], encoding: Encoding) -> Bytes {
        use http_body_util::BodyExt as _;
        let response = encode(
            Response::new(Body::default()),
            plain.to_vec(),
            Some((encoding, true)),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        #[expect(clippy::disallowed_methods, reason = "our own bytes")]
        runtime
            .block_on(response.into_body().collect())
            .unwrap()
            .to_bytes()
    }

    fn decoded(body: &Bytes, encoding: Encoding, bytes_max: usize) -> Result<Bytes, Failure> {
        let budget = Budget::new(1 << 30);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let plain = runtime.block_on(decode(
            body,
            encoding,
            Share::none(&budget, SMALL),
            bytes_max,
        ));
        let counted = plain
            .as_ref()
            .ok()
            .map(|plain| plain.len() as u64)
            .filter(|length| *length > SMALL as u64);
        assert_eq!(budget.used(), counted.unwrap_or_default());
        plain
    }

    #[test]
    fn what_is_encoded_comes_back_within_its_bound() {
        let plain = vec![7_u8; 100_000];
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let small = encoded(&plain, encoding);
            assert!(small.len() < 2_000);
            assert_eq!(decoded(&small, encoding, 100_000).unwrap(), plain);
            assert_eq!(
                decoded(&small, encoding, 99_999).unwrap_err().kind,
                Kind::BodyTooLarge
            );
            assert_eq!(
                decoded(&small.slice(..small.len() / 2), encoding, 1 << 20)
                    .unwrap_err()
                    .kind,
                Kind::InvalidInput
            );
        }
    }

    /// Several slices, and lengths at the edge of a slice.
    #[test]
    fn any_length_comes_back() {
        let slice = usize::try_from(SLICE).unwrap();
        for length in [0, 1, slice - 1, slice, slice + 1, 3 * slice] {
            let plain: Vec<u8> = (0..=250).cycle().take(length).collect();
            for encoding in [Encoding::Gzip, Encoding::Deflate] {
                let body = encoded(&plain, encoding);
                let joined = Bytes::from([&body[..], &body[..]].concat());
                assert_eq!(
                    decoded(&body, encoding, length).unwrap(),
                    plain,
                    "{encoding:?} {length}"
                );
                if encoding == Encoding::Gzip {
                    assert_eq!(
                        decoded(&joined, encoding, 2 * length).unwrap(),
                        [&plain[..], &plain[..]].concat()
                    );
                }
            }
        }
    }

    #[test]
    fn what_grows_beyond_measure_is_refused() {
        let body = encoded(&vec![0; ANY_RATIO], Encoding::Gzip);
        assert_eq!(
            decoded(&body, Encoding::Gzip, 64 << 20).unwrap().len(),
            ANY_RATIO
        );
        let failure = decoded(
            &encoded(&vec![0; ANY_RATIO + (1 << 20)], Encoding::Gzip),
            Encoding::Gzip,
            64 << 20,
        )
        .unwrap_err();
        assert_eq!(failure.kind, Kind::BodyTooLarge);
        assert!(failure.message.contains("200 times"), "{failure}");
    }

    #[test]
    fn members_are_counted() {
        let empty = encoded(&[], Encoding::Gzip);
        let members = |count: usize| Bytes::from(empty.repeat(count));
        assert_eq!(
            decoded(&members(MEMBERS_MAX), Encoding::Gzip, 10).unwrap(),
            Bytes::new()
        );
        let failure = decoded(&members(MEMBERS_MAX + 1), Encoding::Gzip, 10).unwrap_err();
        assert_eq!(
            failure.message,
            "the body has more than 4096 gzip members; join them"
        );
    }

    #[test]
    fn the_preferred_encoding_wins() {
        let wanted = |text: &'static str| {
            wanted(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static(text),
            )]))
        };
        assert_eq!(wanted("gzip"), Some((Encoding::Gzip, true)));
        assert_eq!(
            wanted("gzip;q=0.5, deflate"),
            Some((Encoding::Deflate, false))
        );
        assert_eq!(wanted("br, gzip;q=0"), None);
    }
}
