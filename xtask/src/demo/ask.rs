//! A client for one model, based on its Open Inference Protocol metadata.
//!
//! The names of the input and the outputs come from the server, as for any client that has only a
//! URL.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::rows::Row;
use crate::http::{Reply, exchange};
use crate::run::{Outcome, Stop};

/// One model on one server.
pub(crate) struct Model {
    address: SocketAddr,
    path: String,
    /// Name and datatype of its only input, which takes rows of numbers.
    input: (String, String),
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) labels: Vec<String>,
    pub(crate) scores: Vec<f64>,
    /// Headers with the route, version and digest that answered.
    pub(crate) made_by: Vec<(String, String)>,
}

impl Model {
    /// Reads the model's metadata from the server.
    pub(crate) fn find(address: SocketAddr, name: &str) -> Outcome<Self> {
        let path = format!("/v2/models/{name}");
        let reply = ok(exchange(address, "GET", &path, None), &path)?;
        let input = parse_input(&reply.body).ok_or_else(|| {
            Stop::new(format!(
                "{path} does not describe exactly one input: {}",
                reply.body
            ))
        })?;
        Ok(Self {
            address,
            path,
            input,
        })
    }

    /// Sends all rows in one request.
    pub(crate) fn ask(&self, rows: &[&Row]) -> Outcome<Answer> {
        let path = format!("{}/infer", self.path);
        let reply = ok(
            exchange(self.address, "POST", &path, Some(&self.body(rows))),
            &path,
        )?;
        let (labels, scores) = parse_outputs(&reply.body, rows.len()).ok_or_else(|| {
            Stop::new(format!(
                "{path} answered without a label (BYTES) and a score (FP32) for each row: {}",
                reply.body
            ))
        })?;
        let made_by = reply
            .headers
            .into_iter()
            .filter(|(name, _)| name.starts_with("hotstage-"))
            .collect();
        Ok(Answer {
            labels,
            scores,
            made_by,
        })
    }

    /// The same request as a `curl` command.
    pub(crate) fn curl(&self, row: &Row) -> String {
        let Self { address, path, .. } = self;
        let body = self.body(&[row]);
        format!(
            "curl -s http://{address}{path}/infer -H 'content-type: application/json' -d '{body}'"
        )
    }

    fn body(&self, rows: &[&Row]) -> String {
        let width = rows.first().map_or(0, |row| row.features.len());
        let shape = json!([rows.len(), width]);
        let data: Value = rows.iter().flat_map(|row| &row.features).copied().collect();
        let (name, datatype) = (json!(self.input.0), json!(self.input.1));
        // The order of keys is fixed, because people read it too.
        format!(
            r#"{{"inputs":[{{"name":{name},"shape":{shape},"datatype":{datatype},"data":{data}}}]}}"#
        )
    }
}

/// Turns any status other than 200 into an error.
fn ok(reply: Result<Reply, String>, path: &str) -> Outcome<Reply> {
    match reply {
        Ok(reply) if reply.status == 200 => Ok(reply),
        Ok(Reply { status, body, .. }) => {
            Err(Stop::new(format!("{path} answered {status}: {body}")))
        }
        Err(error) => Err(Stop::new(format!("{path} did not answer: {error}"))),
    }
}

fn parse_input(body: &str) -> Option<(String, String)> {
    let metadata: Value = serde_json::from_str(body).ok()?;
    let [input] = metadata["inputs"].as_array()?.as_slice() else {
        return None;
    };
    Some((
        input["name"].as_str()?.to_owned(),
        input["datatype"].as_str()?.to_owned(),
    ))
}

/// Labels are the output of datatype BYTES. Scores are the first floating-point output; if it has
/// several values for each row, the largest counts.
fn parse_outputs(body: &str, rows: usize) -> Option<(Vec<String>, Vec<f64>)> {
    let reply: Value = serde_json::from_str(body).ok()?;
    let outputs = reply["outputs"].as_array()?;
    let of = |kind: &str| {
        let is_kind = |output: &&Value| {
            output["datatype"]
                .as_str()
                .is_some_and(|name| name.starts_with(kind))
        };
        outputs.iter().find(is_kind)?["data"].as_array()
    };
    let labels: Vec<String> = of("BYTES")?
        .iter()
        .map(|label| label.as_str().map(str::to_owned))
        .collect::<Option<_>>()?;
    let scores: Vec<f64> = of("FP")?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let each = scores.len().checked_div(rows)?;
    if labels.len() != rows || each == 0 || scores.len() != each * rows {
        return None;
    }
    Some((
        labels,
        scores
            .chunks(each)
            .map(|row| row.iter().copied().fold(f64::MIN, f64::max))
            .collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_names_the_input() {
        let body = r#"{"inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 30]}]}"#;
        assert_eq!(
            parse_input(body),
            Some(("features".to_owned(), "FP32".to_owned()))
        );
        assert_eq!(parse_input(r#"{"inputs": []}"#), None);
    }

    #[test]
    fn labels_and_scores_are_found_by_datatype() {
        let body = r#"{"outputs": [
            {"name": "probability", "datatype": "FP32", "shape": [2, 2], "data": [0.75, 0.25, 0.5, 0.5]},
            {"name": "label", "datatype": "BYTES", "shape": [2], "data": ["benign", "malignant"]}]}"#;
        let (labels, scores) = parse_outputs(body, 2).unwrap();
        assert_eq!((labels[1].as_str(), scores), ("malignant", vec![0.75, 0.5]));
        assert!(parse_outputs(body, 3).is_none(), "one label is missing");
        assert!(parse_outputs(body, 0).is_none());
    }

    #[test]
    fn a_question_holds_all_rows_and_pastes_into_a_shell() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let input = ("x".to_owned(), "FP32".to_owned());
        let model = Model {
            address,
            path: "/v2/models/m".to_owned(),
            input,
        };
        let row = Row {
            number: 1,
            features: vec![1.5, 2.0],
            diagnosis: String::new(),
        };
        let body: Value = serde_json::from_str(&model.body(&[&row, &row])).unwrap();
        assert_eq!(body["inputs"][0]["shape"], json!([2, 2]));
        assert_eq!(body["inputs"][0]["data"], json!([1.5, 2.0, 1.5, 2.0]));
        assert!(
            model
                .curl(&row)
                .starts_with("curl -s http://127.0.0.1:8080/v2/models/m/infer -H ")
        );
    }
}
