//! `POST …/infer`: reads the body, decodes it, runs inference, encodes the answer.
//!
//! Compressed bodies, and those longer than [`LONG_BODY`], are decoded on the compute pool; the
//! length of a compressed body is unknown beforehand.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::suggest::shown;
use hotstage_core::tensor::{Shape, Tensor};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use hyper::body::Incoming;

use tokio::time::Instant;

use super::attributes::HttpAttributes;
use super::guard::Call;
use super::{Body, Refused, encoding, respond};
use crate::codecs::oip::request::DecodedRequest;
use crate::codecs::oip::requested_outputs::{Form, RequestedOutputs};
use crate::codecs::oip::{self, Codec, binary::parse_header_length};
use crate::frontends::app::App;
use crate::serving::Serving;
use crate::serving::context::RequestContext;
use crate::serving::pipeline::{Answer, Pipeline};
use crate::serving::routing::{FallbackReason, RoutedRequest};
use crate::transport::body::{self, Bounds};
use crate::transport::budget::Share;

/// Longer bodies are decoded on the compute pool: a megabyte of JSON takes a few milliseconds.
const LONG_BODY: usize = 256 << 10;
static HEADER: HeaderName = HeaderName::from_static(oip::binary::HEADER);
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

pub(super) async fn answer(
    app: &App,
    mut request: RoutedRequest,
    head: &Parts,
    body: &mut Incoming,
    call: &Call<'_>,
) -> Result<Response<Body>, Refused> {
    match infer(app, &mut request, head, body, call).await {
        Ok(response) => Ok(response),
        Err(failure) => {
            Serving::failed(&request, &failure);
            Err(Refused {
                failure,
                pipeline: Some(request.pipeline),
                fell: request.fell,
            })
        }
    }
}

async fn infer(
    app: &App,
    request: &mut RoutedRequest,
    head: &Parts,
    body: &mut Incoming,
    call: &Call<'_>,
) -> Result<Response<Body>, Failure> {
    let DecodedBody {
        id,
        payload,
        requested,
        parameters,
        timeout,
        decoded: _decoded,
    } = decode(app, request, head, body).await?;
    let attributes = HttpAttributes::of_request(&head.headers, parameters.as_ref());
    let context = RequestContext {
        attributes: &attributes,
        // One that is too far away to be represented is none.
        deadline: timeout.and_then(|timeout| Instant::from_std(call.began()).checked_add(timeout)),
    };
    let answer = app.serving.infer(&context, request, payload).await?;
    let Codec { encoder, .. } = request.encoding().get()?;
    let encoded = encoder.encode(id.as_deref(), &requested, &answer.outputs)?;
    let mut response = respond::answer(&request.pipeline);
    describe(&mut response, &answer, request.fell.as_ref());
    if let Some(length) = encoded.json_length {
        response.headers_mut().insert(header::CONTENT_TYPE, OCTETS);
        let length = HeaderValue::from(length);
        response.headers_mut().insert(&HEADER, length);
    }
    let own_id = id.as_deref().filter(|id| !id.is_empty());
    let id = own_id.map_or(call.id().as_bytes(), str::as_bytes);
    app.serving.answered(request, id);
    let wanted = encoding::wanted(&head.headers);
    Ok(encoding::encode(response, encoded.body, wanted))
}

/// Reads and decodes the body: on this thread, unless that may take long.
async fn decode(
    app: &App,
    request: &RoutedRequest,
    head: &Parts,
    body: &mut Incoming,
) -> Result<DecodedBody, Failure> {
    let headers = &head.headers;
    let bounds = Bounds::of(&app.limits, &app.intake.bodies, head.version);
    let json_length = headers
        .get(&HEADER)
        .and_then(|length| length.to_str().ok()?.parse().ok())
        .unwrap_or_default();
    let body = body::read_whole(body, json_length, &bounds).await?;
    let pipeline = request.decoding();
    let encoding = encoding::of_request(headers)?;
    if encoding.is_none() && body.len() <= LONG_BODY {
        return read(pipeline, headers, body, bounds.share());
    }
    let (pipeline, headers) = (Arc::clone(pipeline), headers.clone());
    let (bytes_max, plain, decoded) = (bounds.bytes_max, bounds.share(), bounds.share());
    let reading = async move {
        let body = match encoding {
            Some(encoding) => encoding::decode(&body, encoding, plain, bytes_max).await?,
            None => body,
        };
        read(&pipeline, &headers, body, decoded)
    };
    app.serving.compute.away_in_slices(reading).await
}

/// Headers that describe a cached, fallback or graph answer.
fn describe(response: &mut Response<Body>, answer: &Answer, fell: Option<&FallbackReason>) {
    respond::name_asked(response, &answer.asked);
    if let Some(hit) = answer.cached {
        let word = HeaderValue::from_static(if hit { "hit" } else { "miss" });
        response.headers_mut().insert("hotstage-cache", word);
    }
    if let Some(fell) = fell {
        respond::name_fallen(response, fell);
    }
}

/// A decoded request body.
struct DecodedBody {
    id: Option<String>,
    payload: Payload,
    requested: RequestedOutputs,
    parameters: Option<Bytes>,
    /// Timeout given by the client.
    timeout: Option<Duration>,
    /// Budget share of decoded data outside the body's own bytes.
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
    let Codec { decoder, .. } = pipeline.extensions.get()?;
    let request = decoder.decode(&body, header_length);
    let DecodedRequest {
        id,
        inputs,
        requested,
        parameters,
        timeout,
    } = request.map_err(|failure| misread(failure, pipeline, headers, &body))?;
    decoded.cover(beside(&body, &inputs))?;
    Ok(DecodedBody {
        id,
        payload: Payload::Tensors(inputs),
        requested,
        parameters,
        timeout,
        decoded: Some(decoded),
    })
}

/// Bytes of tensors that are not slices of the body.
fn beside(body: &Bytes, inputs: &[Tensor]) -> usize {
    let own = body.as_ptr_range();
    inputs
        .iter()
        .map(|input| input.data())
        .filter(|data| !own.contains(&data.as_ptr()))
        .map(|data| data.len())
        .sum()
}

/// The request's content type, if the first stage takes raw bodies of that type.
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

/// Content type in lower case, without parameters.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(content_type.split(';').next()?.trim().to_ascii_lowercase())
}

/// Replaces a decoding failure by one about the content type, if the type is not that of a tensor
/// request.
#[cold]
fn misread(failure: Failure, pipeline: &Pipeline, headers: &HeaderMap, body: &Bytes) -> Failure {
    let Some(content_type) = content_type(headers).filter(|given| !is_ours(given)) else {
        return failure;
    };
    if headers.contains_key(&HEADER) || body.trim_ascii_start().first() == Some(&b'{') {
        // The body is a tensor request, whatever its content type says.
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

/// Content types that don't contradict a tensor request, including curl's default.
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
        timeout: None,
        decoded: None,
    })
}
