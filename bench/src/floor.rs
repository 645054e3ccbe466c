//! `floor`: a minimal server that answers the same requests.
//!
//! It uses the same hyper with the same settings, threads, allocator and codec as Hotstage, around
//! plain functions. It has no sandboxes, compute pool, routing, admission, request ids, metrics or
//! time limits.

use std::convert::Infallible;
use std::sync::Arc;
use std::thread::available_parallelism;

use bytes::{Bytes, BytesMut};
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::{Failure, Kind};
use hotstage_core::limits::ServerLimits;
use hotstage_core::signature::{Port, Signature};
use hotstage_server::codecs::oip::binary::{HEADER, parse_header_length};
use hotstage_server::codecs::oip::request::{DecodedRequest, Decoder};
use hotstage_server::codecs::oip::response::Encoder;
use hotstage_server::executors::io::Workers;
use hotstage_server::frontends::http_status::status;
use hotstage_server::frontends::listen;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Outcome;
use crate::origin::Origin;
use crate::question::PATH;
use crate::steps::Steps;
use crate::table::ready;

struct Floor {
    steps: Steps,
    decoder: Decoder,
    encoder: Encoder,
}

/// Serves until the process is killed.
pub(crate) fn serve(origin: &Origin, at: u16) -> Outcome {
    let signature = Signature {
        inputs: vec![port("features", Datatype::Fp32, vec![None, Some(30)])],
        outputs: vec![
            port("label", Datatype::Bytes, vec![None]),
            port("score", Datatype::Fp32, vec![None]),
        ],
    };
    let floor = Arc::new(Floor {
        steps: Steps::of(&origin.manifest())?,
        decoder: Decoder::new("tumor", &signature),
        encoder: Encoder::new("tumor", "1", &signature.outputs),
    });
    let workers = Workers::start("io", available_parallelism()?.get(), || {})?;
    workers.first().block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", at)).await?;
        ready(&format!(
            "the floor is ready on http://{}",
            listener.local_addr()?
        ));
        accept(listener, &workers, floor).await
    })
}

async fn accept(listener: TcpListener, workers: &Workers, floor: Arc<Floor>) -> Outcome {
    let builder = Arc::new(listen::builder(&ServerLimits::default()));
    loop {
        let (stream, _) = listener.accept().await?;
        let (floor, builder) = (Arc::clone(&floor), Arc::clone(&builder));
        workers.give(async move {
            let Some(stream) = listen::here(stream) else {
                return;
            };
            let service = service_fn(move |request| answer(Arc::clone(&floor), request));
            // A client that disconnects is not an error.
            let _ = builder
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    floor: Arc<Floor>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(floor.answer(request).await.unwrap_or_else(|failure| {
        let mut response = Response::new(Full::new(failure.message.into()));
        *response.status_mut() = status(failure.kind);
        response
    }))
}

impl Floor {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failure> {
        if request.method() != Method::POST || request.uri().path() != PATH {
            return Err(Failure::new(Kind::NotFound, "there is no such endpoint"));
        }
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        let header_length = match head.headers.get(HEADER) {
            Some(value) => Some(parse_header_length(
                value.to_str().unwrap_or("?"),
                body.len(),
            )?),
            None => None,
        };
        let DecodedRequest {
            id,
            inputs,
            requested,
            ..
        } = self.decoder.decode(&body, header_length)?;
        let outputs = self.steps.run(&inputs)?;
        let encoded = self.encoder.encode(id.as_deref(), &requested, &outputs)?;
        let mut response = Response::new(Full::new(encoded.body.into()));
        let headers = response.headers_mut();
        let content_type = match encoded.json_length {
            Some(length) => {
                headers.insert(HEADER, length.into());
                "application/octet-stream"
            }
            None => "application/json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Ok(response)
    }
}

/// The body; it is not copied if it arrived in one piece.
async fn read(mut body: Incoming) -> Result<Bytes, Failure> {
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let piece = frame
            .map_err(|error| Failure::invalid(error.to_string()))?
            .into_data()
            .unwrap_or_default();
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        whole.extend_from_slice(&std::mem::take(&mut first));
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

fn port(name: &str, datatype: Datatype, shape: Vec<Option<u64>>) -> Port {
    Port {
        name: name.to_owned(),
        datatype,
        shape,
    }
}
