//! `POST …/infer`: the way that nearly every request takes.
//!
//! Read the body, decode, run, encode. A body that is long to decompress or to read goes to the
//! compute runtime for that, like a long guest.

use std::sync::Arc;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::tensor::{Shape, Tensor};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use hyper::body::Incoming;

use super::encoding::{self, Encoding};
use super::{Body, Refused, body, respond};
use crate::app::App;
use crate::oip::request::Ask;
use crate::oip::wishes::{Form, Wishes};
use crate::oip::{self, binary::parse_header_length};
use crate::pipeline::Pipeline;
use crate::routing::{Way, Whole};

/// Bodies above this are decoded on the compute runtime: a megabyte of JSON takes some milliseconds.
const LONG_BODY: usize = 256 << 10;
static HEADER: HeaderName = HeaderName::from_static(oip::binary::HEADER);
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn answer(
    app: &App,
    mut way: Way,
    headers: &HeaderMap,
    body: Incoming,
    id: &HeaderValue,
) -> Result<Response<Body>, Refused> {
    match ask(app, &mut way, headers, body, id).await {
        Ok(response) => {
            way.pipeline.count(Ok(()));
            Ok(response)
        }
        Err(failure) => {
            way.pipeline.count(Err(failure.kind));
            Err(Refused { failure, pipeline: Some(way.pipeline), fell: way.fell })
        }
    }
}

async fn ask(
    app: &App,
    way: &mut Way,
    headers: &HeaderMap,
    body: Incoming,
    request_id: &HeaderValue,
) -> Result<Response<Body>, Failure> {
    let head = headers.get(&HEADER).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or_default();
    let body = body::read_at_most(body, app.limits.body_bytes, head, app.limits.client_timeout).await?;
    let encoding = encoding::of_request(headers)?;
    let asked = if body.len() > LONG_BODY || encoding.is_some() && body.len() > LONG_BODY / 8 {
        let (pipeline, headers, bytes_max) = (Arc::clone(way.reader()), headers.clone(), app.limits.body_bytes);
        app.compute.away(move || read(&pipeline, &headers, body, encoding, bytes_max)).await?
    } else {
        read(way.reader(), headers, body, encoding, app.limits.body_bytes)?
    };
    let Asked { id, payload, wishes, parameters } = asked;
    way.settle(&Whole { headers, parameters: parameters.as_ref(), payload: &payload })?;
    let answer = way.infer(&app.compute, &app.mirrors, payload).await?;
    let encoded = way.encoder().encode(id.as_deref(), &wishes, &answer.outputs)?;
    let mut response = respond::answer(&way.pipeline);
    respond::name_asked(&mut response, answer.asked);
    if let Some(hit) = answer.cached {
        let word = if hit { "hit" } else { "miss" };
        response.headers_mut().insert("hotstage-cache", HeaderValue::from_static(word));
    }
    if let Some(fell) = &way.fell {
        respond::name_fallen(&mut response, fell);
    }
    if let Some(length) = encoded.json_length {
        response.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
        response.headers_mut().insert(&HEADER, HeaderValue::from(length));
    }
    if let Some(part) = way.part.take() {
        // Before the answer is sent: feedback may come at once.
        let own = id.as_deref().filter(|id| !id.is_empty());
        app.experiments.note(part, own.map_or(request_id.as_bytes(), str::as_bytes));
    }
    Ok(encoding::encode(response, encoded.body, encoding::wanted(headers)))
}

/// What the body says.
struct Asked {
    id: Option<String>,
    payload: Payload,
    wishes: Wishes,
    parameters: Option<Bytes>,
}

fn read(
    pipeline: &Pipeline,
    headers: &HeaderMap,
    body: Bytes,
    encoding: Option<Encoding>,
    bytes_max: usize,
) -> Result<Asked, Failure> {
    let body = match encoding {
        Some(encoding) => encoding::decode(&body, encoding, bytes_max)?,
        None => body,
    };
    let header_length = match headers.get(&HEADER) {
        Some(value) => Some(parse_header_length(value.to_str().unwrap_or("?"), body.len())?),
        None => None,
    };
    if header_length.is_none()
        && let Some(content_type) = raw_type(pipeline, headers)
    {
        return raw(pipeline, content_type, body);
    }
    let Ask { id, inputs, wishes, parameters } = pipeline.decoder.decode(&body, header_length)?;
    Ok(Asked { id, payload: Payload::Tensors(inputs), wishes, parameters })
}

/// The request's content type, when the first stage takes bodies of that type as they are.
fn raw_type(pipeline: &Pipeline, headers: &HeaderMap) -> Option<String> {
    let accepts = pipeline.accepts();
    if accepts.is_empty() {
        return None;
    }
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let content_type = content_type.split(';').next()?.trim().to_ascii_lowercase();
    let takes = |accepted: &String| match accepted.strip_suffix("/*") {
        Some(kind) => content_type.strip_prefix(kind).is_some_and(|rest| rest.starts_with('/')),
        None => *accepted == content_type,
    };
    accepts.iter().any(takes).then_some(content_type)
}

fn raw(pipeline: &Pipeline, content_type: String, body: Bytes) -> Result<Asked, Failure> {
    let shape = Shape::from_slice(&[body.len() as u64]);
    let content = Tensor::new(Datatype::Uint8, shape, body).map_err(|error| Failure::invalid(error.to_string()))?;
    let wishes = Wishes::all(pipeline.signature().outputs.len(), Form::Json);
    Ok(Asked { id: None, payload: Payload::Raw { content_type, content }, wishes, parameters: None })
}
