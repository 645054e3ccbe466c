//! The request of the load, rendered once, and the check of its answer.

use hotstage_server::codecs::oip::binary::HEADER;
use serde_json::{Value, json};

use crate::Outcome;
use crate::origin::Origin;

/// The path on both servers.
pub(crate) const PATH: &str = "/v2/models/tumor/infer";
/// Tolerance between a score and that of the training framework.
const TOLERANCE: f64 = 1e-5;

/// The bytes of a request, and the expected answer.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    label: String,
    score: f64,
}

/// One complete answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer<'a> {
    pub(crate) status: &'a [u8],
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Question {
    /// The example's row as JSON.
    pub(crate) fn json(origin: &Origin) -> Outcome<Self> {
        let body = std::fs::read(origin.tumor.join("tests/row-malignant.json"))?;
        let head = format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
        Self::new("JSON", origin, &head, &body)
    }

    /// The same row as a binary tensor, with a binary answer.
    pub(crate) fn binary(origin: &Origin) -> Outcome<Self> {
        let tensor = row(origin)?;
        let mut body = json!({
            "inputs": [{ "name": "features", "datatype": "FP32", "shape": [1, 30],
                         "parameters": { "binary_data_size": tensor.len() } }],
            "parameters": { "binary_data_output": true },
        })
        .to_string()
        .into_bytes();
        let json_length = body.len();
        body.extend_from_slice(&tensor);
        let head = format!(
            "content-type: application/octet-stream\r\n{HEADER}: {json_length}\r\ncontent-length: {}\r\n",
            body.len()
        );
        Self::new("binary", origin, &head, &body)
    }

    fn new(name: &'static str, origin: &Origin, head: &str, body: &[u8]) -> Outcome<Self> {
        let mut bytes =
            format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\n{head}\r\n").into_bytes();
        bytes.extend_from_slice(body);
        let expected = read(origin, "tests/row-malignant.out.json")?;
        let label = expected["outputs"][0]["data"][0]
            .as_str()
            .ok_or("the golden answer has no label")?
            .to_owned();
        let score = expected["outputs"][1]["data"][0]
            .as_f64()
            .ok_or("the golden answer has no score")?;
        Ok(Self {
            name,
            bytes,
            label,
            score,
        })
    }

    /// Checks the label and the score.
    pub(crate) fn check(&self, answer: &Answer<'_>) -> Outcome {
        let given = match answer.header(HEADER) {
            Some(length) => from_binary(answer.body, length.parse()?),
            None => from_json(answer.body),
        };
        match given {
            Some((label, score))
                if label == self.label && (score - self.score).abs() <= TOLERANCE =>
            {
                Ok(())
            }
            _ => Err(format!(
                "a wrong answer: expected {} {}, given {}",
                self.label,
                self.score,
                String::from_utf8_lossy(answer.body)
            )
            .into()),
        }
    }
}

impl<'a> Answer<'a> {
    /// The answer at the start of `bytes`, if it is complete.
    pub(crate) fn read(bytes: &'a [u8]) -> Outcome<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let (head, rest) = (&bytes[..end + 2], &bytes[end + 4..]);
        let status = head.get(9..12).ok_or("no status")?;
        let mut answer = Self {
            status,
            head,
            body: rest,
        };
        let length: usize = answer
            .header("content-length")
            .ok_or("an answer without a length")?
            .parse()?;
        match rest.get(..length) {
            None => Ok(None),
            Some(body) => {
                answer.body = body;
                Ok(Some(answer))
            }
        }
    }

    fn header(&self, name: &str) -> Option<&'a str> {
        let lines = self.head.split(|byte| *byte == b'\n').skip(1);
        let mut found = lines.filter_map(|line| line.split_at_checked(name.len()));
        let (_, value) = found.find(|(key, rest)| {
            rest.starts_with(b":") && key.eq_ignore_ascii_case(name.as_bytes())
        })?;
        Some(std::str::from_utf8(&value[1..]).ok()?.trim())
    }
}

fn from_json(body: &[u8]) -> Option<(String, f64)> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let first = |output: usize| &answer["outputs"][output]["data"][0];
    Some((first(0).as_str()?.to_owned(), first(1).as_f64()?))
}

/// The label with its length before it, and the score after it.
fn from_binary(body: &[u8], json_length: usize) -> Option<(String, f64)> {
    let (length, rest) = body.get(json_length..)?.split_first_chunk::<4>()?;
    let (label, score) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let score = f32::from_le_bytes(score.try_into().ok()?);
    Some((String::from_utf8(label.to_vec()).ok()?, score.into()))
}

/// The tensor of the example's row.
pub(crate) fn row(origin: &Origin) -> Outcome<Vec<u8>> {
    let request = read(origin, "tests/row-malignant.json")?;
    let data = request["inputs"][0]["data"]
        .as_array()
        .ok_or("the example's row has no data")?;
    Ok(data
        .iter()
        .filter_map(Value::as_f64)
        .flat_map(|float| narrow(float).to_le_bytes())
        .collect())
}

fn read(origin: &Origin, name: &str) -> Outcome<Value> {
    Ok(serde_json::from_slice(&std::fs::read(
        origin.tumor.join(name),
    )?)?)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "this function rounds on purpose"
)]
const fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\nok";
        for end in 0..bytes.len() {
            assert_eq!(Answer::read(&bytes[..end]).unwrap(), None, "{end}");
        }
        let answer = Answer::read(bytes).unwrap().unwrap();
        assert_eq!(
            (answer.status, answer.body, answer.header("x")),
            (&b"200"[..], &b"ok"[..], Some("y"))
        );
    }

    #[test]
    fn a_wrong_answer_is_refused() {
        let question = Question {
            name: "JSON",
            bytes: Vec::new(),
            label: "malignant".to_owned(),
            score: 0.5,
        };
        let check = |label: &str, score: f64| {
            let body = json!({ "outputs": [{ "data": [label] }, { "data": [score] }] }).to_string();
            question.check(&Answer {
                status: b"200",
                head: b"HTTP/1.1 200 OK\r\n",
                body: body.as_bytes(),
            })
        };
        check("malignant", 0.500_001).unwrap();
        check("benign", 0.5).unwrap_err();
        check("malignant", 0.51).unwrap_err();
        let binary = Answer {
            status: b"200",
            head: b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 2\r\n",
            body: b"{}\x09\0\0\0malignant\0\0\0\x3f",
        };
        question.check(&binary).unwrap();
        question
            .check(&Answer {
                body: b"{}\x06\0\0\0benign\0\0\0\x3f",
                ..binary
            })
            .unwrap_err();
    }
}
