//! HTTP/2 in clear text, with prior knowledge, on the same port.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::manifest::{With as _, model, pipeline};
use crate::harness::server::{Server, Setup};
use crate::harness::{PATIENCE, tumor};

/// A body that stops halfway.
struct Unfinished(Option<Bytes>);

impl Body for Unfinished {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| {
            Poll::Ready(Some(Ok(Frame::data(bytes))))
        })
    }
}

/// One connection.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Client {
    async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            authority: server.address.to_string(),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let uri = format!("http://{}{path}", self.authority);
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("x-request-id", header);
        let request = request.body(Full::new(body.into())).unwrap();
        let response = self.sender.clone().send_request(request).await.unwrap();
        let (head, body) = response.into_parts();
        #[expect(
            clippy::disallowed_methods,
            reason = "our own server's answer to a test"
        )]
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Runs a conversation, with the usual time bound.
fn run(conversation: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(PATIENCE, conversation).await })
        .unwrap();
}

#[test]
fn it_speaks_the_same_protocol() {
    let server = Setup::tumor().start();
    run(async {
        let client = Client::open(&server).await;
        let about = client.ask(Method::GET, "/v2", "a", "").await;
        assert_eq!(
            (about.status, about.json()["name"].clone()),
            (200, json!("hotstage"))
        );
        assert_eq!(about.headers["x-request-id"], "a");
        let body = tumor::request("batch").to_string();
        let answer = client
            .ask(Method::POST, "/v2/models/tumor/infer", "b", body)
            .await;
        assert_eq!(answer.headers["hotstage-pipeline"], "tumor");
        tumor::check("batch", &answer.json());
        let missing = client.ask(Method::GET, "/v2/models/tumour", "c", "").await;
        assert_eq!(
            missing.json(),
            json!({ "error": "there is no model `tumour`; did you mean `tumor`?" })
        );
    });
}

/// The first request takes long; the second is answered meanwhile, on the same connection.
#[test]
fn requests_of_one_connection_do_not_wait_for_each_other() {
    let stage = model("slow").with("limits", json!({ "time": "600s" }));
    let server = Setup::of([pipeline("slow", [stage])]).start();
    let steps = |millions: u32| {
        json!({ "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [millions] }] })
            .to_string()
    };
    run(async {
        let client = Client::open(&server).await;
        let path = "/v2/models/slow/infer";
        let mut long = std::pin::pin!(client.ask(Method::POST, path, "long", steps(3000)));
        let short = async {
            for _ in 0..3 {
                assert_eq!(
                    client
                        .ask(Method::POST, path, "short", steps(0))
                        .await
                        .status,
                    200
                );
            }
        };
        tokio::select! {
            biased;
            () = short => {}
            _ = &mut long => panic!("the long request was answered before three short ones"),
        }
        assert_eq!(long.await.json()["outputs"][0]["data"], json!([3000.0]));
    });
}

/// A refusal must not fail the other requests of its connection.
#[test]
fn a_body_that_is_too_large_fails_only_its_own_request() {
    let server = Setup::tumor().args("--max-body 1000").start();
    run(async {
        let client = Client::open(&server).await;
        let answer = client
            .ask(
                Method::POST,
                "/v2/models/tumor/infer",
                "a",
                vec![b' '; 1001],
            )
            .await;
        assert_eq!(answer.status, 413);
        let message = "the body has more than 1000 bytes, which is all that is taken here";
        assert_eq!(answer.json(), json!({ "error": message }));
        assert_eq!(answer.headers.get("connection"), None);
        assert_eq!(client.ask(Method::GET, "/v2", "b", "").await.status, 200);
    });
}

#[test]
fn headers_that_are_too_large_are_431() {
    let server = Setup::tumor().start();
    run(async {
        let client = Client::open(&server).await;
        let answer = client
            .ask(Method::GET, "/v2", &"y".repeat(17_000), "")
            .await;
        assert_eq!(answer.status, 431);
        assert!(
            answer.json()["error"]
                .as_str()
                .unwrap()
                .starts_with("the headers have 17")
        );
        assert_eq!(client.ask(Method::GET, "/v2", "b", "").await.status, 200);
    });
}

/// The streams of one connection share the memory bound of all clients, and a neighbour is answered
/// meanwhile.
#[test]
fn the_streams_of_one_connection_share_the_memory_of_all_bodies() {
    const BYTES: usize = 900_000;
    let server = Setup::tumor()
        .args("--max-body 1000000 --max-body-memory 4000000")
        .start();
    run(async {
        let client = Client::open(&server).await;
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let ask = || {
            let mut sender: SendRequest<Unfinished> = sender.clone();
            let uri = format!("http://{}/v2/models/tumor/infer", server.address);
            let body = Unfinished(Some(vec![b' '; BYTES].into()));
            let request = Request::builder()
                .method(Method::POST)
                .uri(uri)
                .body(body)
                .unwrap();
            tokio::spawn(async move {
                sender
                    .send_request(request)
                    .await
                    .map(|response| response.status().as_u16())
            })
        };
        let mut asked: Vec<_> = (0..12).map(|_| ask()).collect();
        // At most four of them fit, so the others are refused; those that fit wait for the rest of
        // their bodies.
        let mut refused = 0;
        while refused < 8 {
            let (done, waiting): (Vec<_>, Vec<_>) =
                asked.into_iter().partition(|asked| asked.is_finished());
            asked = waiting;
            for answer in done {
                assert_eq!(answer.await.unwrap().unwrap(), 503);
                refused += 1;
            }
            let body = tumor::request("benign").to_string();
            let answer = client
                .ask(Method::POST, "/v2/models/tumor/infer", "a", body)
                .await;
            tumor::check("benign", &answer.json());
            let text = client.ask(Method::GET, "/metrics", "b", "").await.body;
            let text = String::from_utf8(text.to_vec()).unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("hotstage_http_body_bytes"))
                .unwrap();
            assert!(
                line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap() <= 4e6,
                "{line}"
            );
        }
    });
}

#[test]
fn the_authority_is_the_host() {
    let server = Setup::tumor().start();
    run(async {
        let mut client = Client::open(&server).await;
        for (authority, status) in [("localhost", 200), ("[::1]:80", 200), ("evil.example", 421)] {
            authority.clone_into(&mut client.authority);
            let answer = client.ask(Method::GET, "/v2", "a", "").await;
            assert_eq!(answer.status, status, "{authority}");
        }
    });
}

/// A refusal before the body arrives ends only its own stream.
#[test]
fn an_unread_body_ends_only_its_own_request() {
    let server = Setup::tumor().start();
    run(async {
        let client = Client::open(&server).await;
        for _ in 0..3 {
            let answer = client
                .ask(
                    Method::POST,
                    "/v2/models/zebra/infer",
                    "a",
                    vec![b' '; 3 << 20],
                )
                .await;
            assert_eq!(
                (answer.status, answer.headers.get("connection")),
                (404, None)
            );
        }
        assert_eq!(client.ask(Method::GET, "/v2", "b", "").await.status, 200);
    });
}
