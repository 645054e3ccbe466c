//! A front end of another protocol: one JSON document a line over a Unix socket, in both
//! directions.
//!
//! A request is `{"model", "version"?, "attributes"?: {name: text}, "request": {an Open Inference
//! Protocol request}}`; an answer is `{"version", "fallback"?, "response"}` or `{"error", "code"}`.
//! It exists to show that routes, fallbacks and experiments need nothing of HTTP.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_server::codecs::oip::Codec;
use hotstage_server::codecs::oip::request::DecodedRequest;
use hotstage_server::serving::context::{AttributeName, RequestAttributes, RequestContext};
use hotstage_server::serving::routing::RoutedRequest;
use hotstage_server::serving::{Serving, Target};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// One line of a client.
#[derive(Deserialize)]
struct Line<'a> {
    model: String,
    version: Option<String>,
    #[serde(default)]
    attributes: Attributes,
    #[serde(borrow)]
    request: &'a RawValue,
}

/// What routes may ask for: names and texts, whatever they would be in HTTP.
#[derive(Default, Deserialize)]
struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(String::as_bytes)
    }
}

impl RequestAttributes for Attributes {
    fn pinned_version(&self) -> Option<&[u8]> {
        self.get("hotstage-version")
    }

    fn header(&self, name: &AttributeName) -> Option<&[u8]> {
        self.get(name.as_str())
    }

    fn cookie(&self, name: &str) -> Option<&[u8]> {
        self.get(name)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }
}

/// Answers until the runtime ends.
pub(crate) async fn serve(serving: Arc<Serving>, path: &Path) {
    let listener = UnixListener::bind(path).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(Arc::clone(&serving), stream));
    }
}

async fn connection(serving: Arc<Serving>, stream: UnixStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = answer(&serving, &line).await;
        let answer = answer.unwrap_or_else(
            |failure| json!({ "error": failure.message, "code": failure.kind.code() }),
        );
        if write
            .write_all(format!("{answer}\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}

async fn answer(serving: &Serving, line: &str) -> Result<Value, Failure> {
    let line: Line<'_> =
        serde_json::from_str(line).map_err(|error| Failure::invalid(error.to_string()))?;
    let target = Target {
        model: &line.model,
        version: line.version.as_deref(),
    };
    let mut request = serving.route(target, &line.attributes)?;
    let answer = infer(serving, &mut request, &line).await;
    answer.inspect_err(|failure| Serving::failed(&request, failure))
}

async fn infer(
    serving: &Serving,
    request: &mut RoutedRequest,
    line: &Line<'_>,
) -> Result<Value, Failure> {
    let body = Bytes::copy_from_slice(line.request.get().as_bytes());
    let Codec { decoder, .. } = request.decoding().extensions.get()?;
    let DecodedRequest {
        id,
        inputs,
        requested,
        ..
    } = decoder.decode(&body, None)?;
    let context = RequestContext {
        attributes: &line.attributes,
        deadline: None,
    };
    let inputs = Payload::Tensors(inputs);
    let answer = serving.infer(&context, request, inputs).await?;
    let Codec { encoder, .. } = request.encoding().get()?;
    let response = encoder.encode(id.as_deref(), &requested, &answer.outputs)?;
    let response: Value = serde_json::from_slice(&response.body)
        .map_err(|error| Failure::invalid(error.to_string()))?;
    serving.answered(request, id.unwrap_or_default().as_bytes());
    let fallback = request.fell.as_ref().map(|fell| &fell.version);
    Ok(json!({
        "version": request.pipeline.version, "fallback": fallback, "response": response,
    }))
}
