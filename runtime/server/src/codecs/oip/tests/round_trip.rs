//! Encoded tensors decode to the same tensors, in every datatype and both forms.

use hotstage_core::datatype::Datatype;
use hotstage_core::signature::{Port, Signature};
use hotstage_core::tensor::{Shape, Tensor, push_bytes_element};
use proptest::prelude::*;

use super::super::document::{encode_request, parse_named, parse_response};
use super::super::field_path::Side;
use super::super::requested_outputs::{Form, RequestedOutput, RequestedOutputs};
use super::super::response::Encoder;
use super::decode;

/// A tensor of any datatype that JSON can carry.
fn any_tensor() -> impl Strategy<Value = Tensor> {
    let shape = prop::collection::vec(0_u64..4, 0..4);
    (0..Datatype::ALL.len(), shape, any::<u64>(), ".{0,6}").prop_map(
        |(datatype, shape, seed, text)| {
            let datatype = match Datatype::ALL[datatype] {
                Datatype::Fp16 | Datatype::Bf16 => Datatype::Fp32,
                other => other,
            };
            let mut state = seed | 1;
            let mut data = Vec::new();
            for _ in 0..shape.iter().product::<u64>() {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let bits = state ^ (state >> 33);
                match datatype {
                    Datatype::Bytes => {
                        push_bytes_element(&mut data, format!("{text}{}", bits % 7).as_bytes());
                    }
                    Datatype::Bool => data.push(u8::from(bits % 2 == 0)),
                    Datatype::Fp32 => {
                        let value = f32::from_bits((bits >> 32) as u32);
                        data.extend_from_slice(
                            &if value.is_finite() { value } else { 0.0 }.to_le_bytes(),
                        );
                    }
                    Datatype::Fp64 => {
                        let value = f64::from_bits(bits);
                        data.extend_from_slice(
                            &if value.is_finite() { value } else { -0.0 }.to_le_bytes(),
                        );
                    }
                    other => data.extend_from_slice(&bits.to_le_bytes()[..other.size().unwrap()]),
                }
            }
            Tensor::new(datatype, Shape::from_vec(shape), data.into()).unwrap()
        },
    )
}

fn named(tensors: &[Tensor]) -> Vec<(String, Tensor)> {
    tensors
        .iter()
        .enumerate()
        .map(|(index, tensor)| (format!("t\"{index}é"), tensor.clone()))
        .collect()
}

fn ports(named: &[(String, Tensor)]) -> Vec<Port> {
    let port = |(name, tensor): &(String, Tensor)| Port {
        name: name.clone(),
        datatype: tensor.datatype(),
        shape: tensor.shape().iter().map(|_| None).collect(),
    };
    named.iter().map(port).collect()
}

/// A request for this output.
fn wanted(output: usize, is_binary: bool) -> RequestedOutput {
    let form = if is_binary { Form::Binary } else { Form::Json };
    RequestedOutput { output, form }
}

proptest! {
    #[test]
    fn requests_come_back(
        tensors in prop::collection::vec(any_tensor(), 0..4),
        id in prop::option::of(".{0,9}"),
    ) {
        let named = named(&tensors);
        let body = encode_request(id.as_deref(), &named).unwrap();
        prop_assert_eq!(&parse_named(&body, Side::Input).unwrap(), &named);
        let signature = Signature { inputs: ports(&named), outputs: vec![] };
        let ask = decode(&signature, &body, None).unwrap();
        prop_assert_eq!((ask.id, ask.inputs), (id, tensors));
    }

    #[test]
    fn responses_come_back(tensors in prop::collection::vec((any_tensor(), any::<bool>()), 0..4)) {
        let (tensors, binary): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        let named = named(&tensors);
        let requested = (0..tensors.len()).rev().map(|output| wanted(output, binary[output]));
        let requested = RequestedOutputs(requested.collect());
        let encoded = Encoder::new("m", "1", &ports(&named))
            .encode(None, &requested, &tensors)
            .unwrap();
        prop_assert_eq!(encoded.json_length.is_some(), binary.contains(&true));
        let mut back = parse_response(&encoded.body.into(), encoded.json_length).unwrap();
        back.reverse();
        prop_assert_eq!(back, named);
    }

    #[test]
    fn mixed_requests_come_back(
        tensors in prop::collection::vec((any_tensor(), any::<bool>()), 1..4),
    ) {
        // A response has the form of a request's inputs under another key.
        let (tensors, binary): (Vec<_>, Vec<_>) = tensors.into_iter().unzip();
        let named = named(&tensors);
        let requested = (0..tensors.len()).map(|output| wanted(output, binary[output]));
        let requested = RequestedOutputs(requested.collect());
        let encoded = Encoder::new("m", "1", &ports(&named))
            .encode(None, &requested, &tensors)
            .unwrap();
        let length = encoded.json_length.unwrap_or(encoded.body.len());
        let json = std::str::from_utf8(&encoded.body[..length])
            .unwrap()
            .replacen("\"outputs\"", "\"inputs\"", 1);
        let body = [json.as_bytes(), &encoded.body[length..]].concat();
        let signature = Signature { inputs: ports(&named), outputs: vec![] };
        let ask = decode(&signature, body, Some(json.len())).unwrap();
        prop_assert_eq!(ask.inputs, tensors);
    }

    #[test]
    fn floats_are_rounded_like_the_standard_library_does(
        bits in 0_u64..0x47e0_0000_0000_0000, negative in any::<bool>()
    ) {
        // Up to 2^127, which an FP32 holds.
        let value = f64::from_bits(bits) * if negative { -1.0 } else { 1.0 };
        for text in [format!("{value}"), format!("{value:e}"), format!("{:.9}", value % 1e6)] {
            let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":[{text}]}}]}}"#);
            let read = parse_named(body.as_bytes(), Side::Input).unwrap();
            prop_assert_eq!(read[0].1.data().as_ref(), text.parse::<f32>().unwrap().to_le_bytes());
        }
    }
}
