//! `POST …/infer`: the way that nearly every request takes.
//!
//! Read the body, decode, run, encode. A body that is encoded, or long to read, goes to the compute
//! runtime for that, like a long guest: how long an encoded one is, nobody knows before it is
//! decoded.

use std::sync::Arc;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::suggest::shown;
use hotstage_core::tensor::{Shape, Tensor};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use hyper::body::Incoming;

use super::body::Bounds;
use super::{Body, Refused, body, encoding, respond};
use crate::codecs::oip::request::DecodedRequest;
use crate::codecs::oip::requested_outputs::{Form, RequestedOutputs};
use crate::codecs::oip::{self, binary::parse_header_length};
use crate::frontends::app::App;
use crate::serving::pipeline::Pipeline;
use crate::serving::routing::{RoutedRequest, WholeRequest};
use crate::transport::budget::Share;

/// Bodies above this are decoded on the compute runtime: a megabyte of JSON takes some
/// milliseconds.
const LONG_BODY: usize = 256 << 10;
static HEADER: HeaderName = HeaderName::from_static(oip::binary::HEADER);
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn answer(
    app: &App,
    mut routed: RoutedRequest,
    head: &Parts,
    body: &mut Incoming,
    id: &HeaderValue,
) -> Result<Response<Body>, Refused> {
    match ask(app, &mut routed, head, body, id).await {
        Ok(response) => {
            routed.pipeline.count(Ok(()));
            Ok(response)
        }
        Err(failure) => {
            routed.pipeline.count(Err(failure.kind));
            Err(Refused {
                failure,
                pipeline: Some(routed.pipeline),
                fell: routed.fell,
            })
        }
    }
}

async fn ask(
    app: &App,
    routed: &mut RoutedRequest,
    head: &Parts,
    body: &mut Incoming,
    request_id: &HeaderValue,
) -> Result<Response<Body>, Failure> {
    let headers = &head.headers;
    let bounds = Bounds::of(&app.limits, &app.intake.bodies, head.version);
    let json = headers
        .get(&HEADER)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let body = body::read_whole(body, json, &bounds).await?;
    let asked = match encoding::of_request(headers)? {
        None if body.len() <= LONG_BODY => read(routed.reader(), headers, body, bounds.share())?,
        encoding => {
            let (pipeline, headers) = (Arc::clone(routed.reader()), headers.clone());
            let (bytes_max, plain, decoded) = (bounds.bytes_max, bounds.share(), bounds.share());
            let reading = async move {
                let body = match encoding {
                    Some(encoding) => encoding::decode(&body, encoding, plain, bytes_max).await?,
                    None => body,
                };
                read(&pipeline, &headers, body, decoded)
            };
            app.compute.away_in_slices(reading).await?
        }
    };
    let DecodedBody {
        id,
        payload,
        requested,
        parameters,
        decoded: _decoded,
    } = asked;
    routed.resolve(&WholeRequest {
        headers,
        parameters: parameters.as_ref(),
        payload: &payload,
    })?;
    let answer = routed.infer(&app.compute, &app.mirrors, payload).await?;
    let encoded = routed
        .encoder()
        .encode(id.as_deref(), &requested, &answer.outputs)?;
    let mut response = respond::answer(&routed.pipeline);
    respond::name_asked(&mut response, answer.asked);
    if let Some(hit) = answer.cached {
        let word = if hit { "hit" } else { "miss" };
        response
            .headers_mut()
            .insert("hotstage-cache", HeaderValue::from_static(word));
    }
    if let Some(fell) = &routed.fell {
        respond::name_fallen(&mut response, fell);
    }
    if let Some(length) = encoded.json_length {
        response.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
        response
            .headers_mut()
            .insert(&HEADER, HeaderValue::from(length));
    }
    if let Some(part) = routed.part.take() {
        // Before the answer is sent: feedback may come at once.
        let own = id.as_deref().filter(|id| !id.is_empty());
        app.experiments
            .note(part, own.map_or(request_id.as_bytes(), str::as_bytes));
    }
    Ok(encoding::encode(
        response,
        encoded.body,
        encoding::wanted(headers),
    ))
}

/// What the body says.
struct DecodedBody {
    id: Option<String>,
    payload: Payload,
    requested: RequestedOutputs,
    parameters: Option<Bytes>,
    /// The part of the budget of what is not the body's own bytes.
    decoded: Option<Share>,
}

fn read(
    pipeline: &Pipeline,
    headers: &HeaderMap,
    body: Bytes,
    mut decoded: Share,
) -> Result<DecodedBody, Failure> {
    let header_length = match headers.get(&HEADER) {
        Some(value) => Some(parse_header_length(
            value.to_str().unwrap_or("?"),
            body.len(),
        )?),
        None => None,
    };
    if header_length.is_none()
        && let Some(content_type) = raw_type(pipeline, headers)
    {
        return raw(pipeline, content_type, body);
    }
    let ask = pipeline.decoder.decode(&body, header_length);
    let DecodedRequest {
        id,
        inputs,
        requested,
        parameters,
    } = ask.map_err(|failure| misread(failure, pipeline, headers, &body))?;
    decoded.cover(beside(&body, &inputs))?;
    Ok(DecodedBody {
        id,
        payload: Payload::Tensors(inputs),
        requested,
        parameters,
        decoded: Some(decoded),
    })
}

/// Bytes of tensors that do not lie in the body.
fn beside(body: &Bytes, inputs: &[Tensor]) -> usize {
    let own = body.as_ptr_range();
    inputs
        .iter()
        .map(|input| input.data())
        .filter(|data| !own.contains(&data.as_ptr()))
        .map(|data| data.len())
        .sum()
}

/// The request's content type, when the first stage takes bodies of that type as they are.
fn raw_type(pipeline: &Pipeline, headers: &HeaderMap) -> Option<String> {
    let accepts = pipeline.accepts();
    if accepts.is_empty() {
        return None;
    }
    let content_type = content_type(headers)?;
    let takes = |accepted: &String| match accepted.strip_suffix("/*") {
        Some(kind) => content_type
            .strip_prefix(kind)
            .is_some_and(|rest| rest.starts_with('/')),
        None => *accepted == content_type,
    };
    accepts.iter().any(takes).then_some(content_type)
}

/// In lower case, without parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(content_type.split(';').next()?.trim().to_ascii_lowercase())
}

/// Why a body is none that is taken: its type, where it says that it is something else than what is
/// read here.
#[cold]
fn misread(failure: Failure, pipeline: &Pipeline, headers: &HeaderMap, body: &Bytes) -> Failure {
    let Some(content_type) = content_type(headers).filter(|given| !is_ours(given)) else {
        return failure;
    };
    if headers.contains_key(&HEADER) || body.trim_ascii_start().first() == Some(&b'{') {
        // It is what is read here, whatever it calls itself.
        return failure;
    }
    let raw: String = pipeline
        .accepts()
        .iter()
        .map(|accepted| format!(", or a body of type {accepted}"))
        .collect();
    let csv = if content_type == "text/csv" {
        format!(
            "; for CSV put the stage `tabular` first, or send the rows with `hotstage infer {} FILE.csv`",
            pipeline.name
        )
    } else {
        String::new()
    };
    let message = format!(
        "a body of type `{}` is not taken by `{}`: it takes tensors, in JSON (application/json) or binary \
         (application/octet-stream with {}){raw}{csv}",
        shown(&content_type),
        pipeline.name,
        oip::binary::HEADER,
    );
    Failure::invalid(message).because(failure.message)
}

/// Types that say nothing else, among them what curl sends unless it is told.
fn is_ours(content_type: &str) -> bool {
    [
        "",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "text/plain",
    ]
    .contains(&content_type)
        || content_type.ends_with("+json")
}

fn raw(pipeline: &Pipeline, content_type: String, body: Bytes) -> Result<DecodedBody, Failure> {
    let shape = Shape::from_slice(&[body.len() as u64]);
    let content = Tensor::new(Datatype::Uint8, shape, body)
        .map_err(|error| Failure::invalid(error.to_string()))?;
    let requested = RequestedOutputs::all(pipeline.signature().outputs.len(), Form::Json);
    let payload = Payload::Raw {
        content_type,
        content,
    };
    Ok(DecodedBody {
        id: None,
        payload,
        requested,
        parameters: None,
        decoded: None,
    })
}
