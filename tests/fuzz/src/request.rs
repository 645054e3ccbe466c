//! Bodies of inference requests: JSON, the binary extension, and compressed ones.
//!
//! A decoded request is encoded as a request and as an answer; both must decode to the same
//! tensors.

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::signature::{Dimension, Port, Signature};
use hotstage_core::tensor::Tensor;
use hotstage_server::codecs::oip::document::{encode_request, parse_named, parse_response};
use hotstage_server::codecs::oip::field_path::Side;
use hotstage_server::codecs::oip::fuzzing::quick_reader_agrees;
use hotstage_server::codecs::oip::request::{DecodedRequest, Decoder};
use hotstage_server::codecs::oip::requested_outputs::{Form, RequestedOutputs};
use hotstage_server::codecs::oip::response::Encoder;
use hotstage_server::frontends::http::fuzzing;
use http::HeaderValue;
use tokio::runtime::{Builder, Runtime};

use crate::assert_refusal;

fn port(name: &str, datatype: Datatype, shape: &[Dimension]) -> Port {
    Port {
        name: name.to_owned(),
        datatype,
        shape: shape.to_vec(),
    }
}

/// Signatures that together have inputs of every datatype.
fn signatures() -> Vec<Signature> {
    let outputs = || {
        vec![
            port("score", Datatype::Fp32, &[None]),
            port("label", Datatype::Bytes, &[None]),
        ]
    };
    let both = vec![
        port("features", Datatype::Fp32, &[None, Some(2)]),
        port("title", Datatype::Bytes, &[None]),
    ];
    let mut signatures = vec![Signature {
        inputs: both,
        outputs: outputs(),
    }];
    for datatype in Datatype::ALL {
        signatures.push(Signature {
            inputs: vec![port("x", datatype, &[None])],
            outputs: outputs(),
        });
    }
    signatures.push(Signature {
        inputs: vec![port("x", Datatype::Fp64, &[Some(2), None])],
        outputs: outputs(),
    });
    signatures
}

pub(crate) fn json(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(
            quick_reader_agrees(text),
            "the fast and the slow reader read different requests"
        );
    }
    let body = Bytes::copy_from_slice(bytes);
    for signature in signatures() {
        decode(&signature, &body, None);
    }
    for side in [Side::Input, Side::Output] {
        match parse_named(bytes, side) {
            Ok(named) => assert!(named.iter().all(|(_, tensor)| is_sound(tensor))),
            Err(failure) => assert_refusal(&failure, &[Kind::InvalidInput]),
        }
    }
}

/// The first two bytes give the JSON's length, like the header of a binary request; if all bits
/// are set there is no header.
pub(crate) fn binary(bytes: &[u8]) {
    let Some((length, body)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let length = u16::from_le_bytes(*length);
    let length = (length != u16::MAX).then_some(usize::from(length));
    let body = Bytes::copy_from_slice(body);
    for signature in signatures() {
        decode(&signature, &body, length);
    }
    match parse_response(&body, length) {
        Ok(named) => {
            let held: usize = named.iter().map(|(_, tensor)| tensor.data().len()).sum();
            assert!(
                named.iter().all(|(_, tensor)| is_sound(tensor)) && held <= 16 * body.len().max(1)
            );
        }
        Err(failure) => assert_refusal(&failure, &[Kind::InvalidInput]),
    }
}

fn decode(signature: &Signature, body: &Bytes, length: Option<usize>) {
    let decoder = Decoder::new("m", signature);
    match decoder.decode(body, length) {
        Ok(ask) => taken(&decoder, signature, &ask, body),
        Err(failure) => assert_refusal(&failure, &[Kind::InvalidInput]),
    }
}

fn taken(decoder: &Decoder, signature: &Signature, ask: &DecodedRequest, body: &Bytes) {
    assert_eq!(ask.inputs.len(), signature.inputs.len());
    for (port, tensor) in signature.inputs.iter().zip(&ask.inputs) {
        port.accepts(tensor).unwrap();
        assert!(is_sound(tensor));
        // A JSON number takes at least a character and a comma, and becomes at most eight bytes.
        assert!(
            tensor.data().len() <= 8 * body.len() + 8,
            "{} bytes of {}",
            tensor.data().len(),
            body.len()
        );
    }
    assert!(
        ask.requested
            .0
            .iter()
            .all(|requested| requested.output < signature.outputs.len())
    );
    let names = signature.inputs.iter().map(|port| port.name.clone());
    let named: Vec<(String, Tensor)> = names.zip(ask.inputs.iter().cloned()).collect();
    // JSON can't represent 16-bit floats, NaN, and texts that are not UTF-8.
    if let Ok(request) = encode_request(ask.id.as_deref(), &named) {
        let again = decoder
            .decode(&request.into(), None)
            .unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!((&again.id, &again.inputs), (&ask.id, &ask.inputs));
    }
    let encoder = Encoder::new("m", "1", &signature.inputs);
    for form in [Form::Json, Form::Binary] {
        let requested = RequestedOutputs::all(named.len(), form);
        let Ok(encoded) = encoder.encode(ask.id.as_deref(), &requested, &ask.inputs) else {
            assert_eq!(form, Form::Json, "the binary form encodes every tensor");
            continue;
        };
        let again = parse_response(&encoded.body.into(), encoded.json_length)
            .unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(again, named);
    }
}

/// Asserts that the constructor accepts the tensor.
fn is_sound(tensor: &Tensor) -> bool {
    let (datatype, shape, data) = tensor.clone().into_parts();
    Tensor::new(datatype, shape, data).is_ok()
}

const BYTES_MAX: usize = 1 << 16;

/// Decodes a compressed body as the server does, on this thread.
pub(crate) fn decompress(
    encoding: HeaderValue,
    body: &Bytes,
    bytes_max: usize,
) -> Result<Bytes, Failure> {
    thread_local! {
        static RUNTIME: Runtime = Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(fuzzing::decompress(encoding, body, bytes_max)))
}

/// The first byte selects the encoding. The rest is decoded as a compressed body, and then
/// compressed and decoded again.
pub(crate) fn compressed(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else {
        return;
    };
    let encoding = HeaderValue::from_static(
        ["gzip", "deflate", "x-gzip", "identity"][usize::from(choice % 4)],
    );
    let body = Bytes::copy_from_slice(body);
    let decode = |body: &Bytes, most| decompress(encoding.clone(), body, most);
    let refused =
        |failure: &Failure| assert_refusal(failure, &[Kind::InvalidInput, Kind::BodyTooLarge]);
    match decode(&body, BYTES_MAX) {
        Ok(plain) if choice % 4 == 3 => assert_eq!(plain, body),
        Ok(plain) => {
            assert!(plain.len() <= BYTES_MAX);
            // The size bound is exact.
            assert_eq!(decode(&body, plain.len()).as_ref(), Ok(&plain));
            if let Some(less) = plain.len().checked_sub(1) {
                let failure = decode(&body, less).unwrap_err();
                assert_eq!(failure.kind, Kind::BodyTooLarge);
            }
        }
        Err(failure) => refused(&failure),
    }
    for packed in packed(&body, choice % 4) {
        match decode(&packed, body.len()) {
            Ok(plain) => assert_eq!(plain, body),
            // A body with an extreme compression ratio may be refused as a bomb.
            Err(failure) if packed.len() * 20 < body.len() => refused(&failure),
            Err(failure) => panic!("a valid compressed body was refused: {failure}"),
        }
    }
}

/// Compresses like clients do; `deflate` in both forms.
fn packed(plain: &Bytes, encoding: u8) -> Vec<Bytes> {
    use std::io::Read as _;
    let read = |mut from: Box<dyn std::io::Read + '_>| {
        let mut packed = Vec::new();
        from.read_to_end(&mut packed).unwrap();
        Bytes::from(packed)
    };
    let (level, plain) = (Compression::fast(), &plain[..]);
    match encoding {
        3 => Vec::new(),
        1 => {
            // Raw deflate that starts like a zlib header would be misread; a single block never
            // does.
            vec![
                read(Box::new(ZlibEncoder::new(plain, level))),
                read(Box::new(DeflateEncoder::new(plain, level))),
            ]
        }
        _ => vec![read(Box::new(GzEncoder::new(plain, level)))],
    }
}

const REQUESTS: [&str; 5] = [
    include_str!("../../../examples/tumor/tests/row-benign.json"),
    r#"{"id":"a\u00e9","parameters":{"binary_data_output":true,"k":"v"},
  "inputs":[{"name":"title","shape":[2],"datatype":"BYTES","data":["a\n","é"]},
            {"name":"features","shape":[2,2],"datatype":"FP32","data":[[1,-2.5e3],[3.0,4]]}],
  "outputs":[{"name":"score","parameters":{"binary_data":false}},{"name":"label"}]}"#,
    r#"{"inputs":[{"name":"x","shape":[3],"datatype":"INT64","data":[1,-2,9223372036854775807]}]}"#,
    r#"{"inputs":[{"name":"x","shape":[2,2],"datatype":"FP64","data":[1e-7,0.1,-0.0,1e300]}],"outputs":[]}"#,
    r#"{"inputs":[{"name":"x","shape":[2],"datatype":"BOOL","data":[true,false]}],"outputs":null}"#,
];

/// A request of the example, and one for each signature.
pub(crate) fn json_seeds() -> Vec<Vec<u8>> {
    let more = Datatype::ALL.map(|datatype| {
        format!(
            r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"{}","data":[0,1]}}]}}"#,
            datatype.name()
        )
    });
    REQUESTS
        .iter()
        .map(|text| (*text).to_owned())
        .chain(more)
        .map(String::into_bytes)
        .collect()
}

/// The same with binary tensors, a raw binary request, and one without the length header.
pub(crate) fn binary_seeds() -> Vec<Vec<u8>> {
    let binary = |json: &str, blob: &[u8]| {
        let length = u16::try_from(json.len()).unwrap().to_le_bytes();
        [&length[..], json.as_bytes(), blob].concat()
    };
    let mut seeds: Vec<Vec<u8>> = Datatype::ALL
        .iter()
        .map(|datatype| {
            let blob = datatype.size().map_or_else(
                || vec![1, 0, 0, 0, b'a', 0, 0, 0, 0],
                |size| vec![1; 2 * size],
            );
            let size = blob.len();
            let (name, more) = (
                datatype.name(),
                format!(r#""parameters":{{"binary_data_size":{size}}}"#),
            );
            let json =
                format!(r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"{name}",{more}}}]}}"#);
            binary(&json, &blob)
        })
        .collect();
    let answer = r#"{"outputs":[{"name":"y","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]}"#;
    seeds.extend([
        binary(answer, &[0; 4]),
        binary("", &[0; 16]),
        [&[0xff; 2][..], REQUESTS[2].as_bytes()].concat(),
    ]);
    seeds
}

/// Requests in every encoding, and a bomb.
pub(crate) fn compressed_seeds() -> Vec<Vec<u8>> {
    let bomb = Bytes::from(vec![b' '; BYTES_MAX + 1]);
    let request = Bytes::from_static(REQUESTS[1].as_bytes());
    let mut seeds = vec![[&[3][..], REQUESTS[2].as_bytes()].concat()];
    for plain in [&request, &bomb] {
        for encoding in 0..2_u8 {
            seeds.extend(
                packed(plain, encoding)
                    .iter()
                    .map(|body| [&[encoding][..], body].concat()),
            );
        }
    }
    // Two members, one behind the other.
    let member = packed(&request, 0).remove(0);
    seeds.push([&[0][..], &member, &member].concat());
    seeds
}
