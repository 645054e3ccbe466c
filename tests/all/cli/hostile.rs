//! Hostile texts: no answer of a server and no file sends a terminal anything but plain lines.
//!
//! A proxy passes every request on and appends an escape sequence, a mark that reverses the writing
//! direction, and a forged line to every text of every answer. The journal itself contains hostile
//! reasons.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::harness::admin::{Admin, one, times};
use crate::harness::command::{Ran, hotstage};
use crate::harness::eventually;
use crate::harness::http::Request;
use crate::harness::server::{Server, Setup};
use crate::harness::state::Folder;

/// Clears a screen, changes its title, reverses text, returns to the line's beginning, and starts a
/// new line.
const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2066}\u{200f}\u{feff}\u{2028}\r\u{7f}\u{8}\nFORGED";

/// Texts that programs interpret.
const WORDS: [&str; 4] = ["condition", "what", "verdict", "outcome"];

/// Characters that may not reach a terminal, listed independently of the code under test.
fn is_hostile(c: char) -> bool {
    let is_control = c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c);
    let reverses = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (is_control && c != '\n') || reverses || c == '\u{feff}'
}

fn poisoned(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text + HOSTILE),
        Value::Array(values) => values.into_iter().map(poisoned).collect(),
        Value::Object(entries) => {
            let entry = |(key, value): (String, Value)| {
                let value = if WORDS.contains(&key.as_str()) {
                    value
                } else {
                    poisoned(value)
                };
                (key, value)
            };
            Value::Object(entries.into_iter().map(entry).collect())
        }
        other => other,
    }
}

/// Answers one request per connection until the process ends.
fn in_the_middle(admin: &Admin) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin {
        address: admin.address,
        token: admin.token.clone(),
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A disconnected client needs no answer.
            let _ = pass_on(&stream.unwrap(), &admin);
        }
    });
    address
}

fn pass_on(mut stream: &TcpStream, admin: &Admin) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Ok(());
    };
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            name if name.starts_with("upload") => headers.push((name.to_owned(), value.to_owned())),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    // A poisoned version is requested as it was displayed, with a backslash where the poison
    // begins.
    let path = path.split("%5C").next().unwrap_or(path);
    let request = Request::new(method, path)
        .body(body)
        .header("content-type", "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(name, value.as_str())
    });
    let answer = admin.ask(request);
    let body = serde_json::from_slice(&answer.body)
        .map(poisoned)
        .unwrap_or_default()
        .to_string();
    write!(
        stream,
        "HTTP/1.1 {} X\r\ncontent-type: application/json\r\nconnection: close\r\n",
        answer.status
    )?;
    for (name, value) in answer
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("upload"))
    {
        write!(stream, "{name}: {value}\r\n")?;
    }
    write!(stream, "content-length: {}\r\n\r\n{body}", body.len())
}

#[track_caller]
fn check(ran: &Ran, arguments: &[&str]) {
    for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if let Some(found) = text.chars().find(|c| is_hostile(*c)) {
            panic!("{arguments:?}: {stream} holds {found:?}: {text:?}");
        }
    }
    // Each line of an error is a separate problem; results have only the intended lines.
    let forged = ran
        .stdout
        .lines()
        .find(|line| line.trim_start().starts_with("FORGED"));
    assert_eq!(forged, None, "{arguments:?}: {}", ran.stdout);
}

fn document(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "hotstage.dev/v1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// A server with a graph, a route with a mirror, a finished rollout, and a hostile history.
fn server() -> Server {
    let member = |version: &str| json!({ "pipeline": "m", "version": version });
    let mut graph = document(
        "Graph",
        "g",
        &json!({ "nodes": [
            { "name": "both", "ensemble": [member("1"), member("2")], "merge": { "features": "mean" } },
        ] }),
    );
    graph["metadata"]["version"] = json!("1");
    let route = document(
        "Route",
        "m",
        &json!({
            "split": [{ "version": "1" }, { "version": "2" }], "salt": "\u{202e}salt",
            "rules": [{ "when": { "header": { "x-cohort": "\u{202e}pilot" } }, "version": "2", "percent": 50 }],
            "mirror": [{ "version": "3", "keep": 2 }],
            "experiment": { "reward": { "name": "clicked" } },
        }),
    );
    Setup::of([
        times("m", "1", 2.0),
        times("m", "2", 4.0),
        times("m", "3", 8.0),
        route,
        graph,
    ])
    .start()
}

/// The command; `FILE` stands for a manifest.
const VERBS: [&str; 24] = [
    "get",
    "get m",
    "describe m",
    "describe g",
    "describe m --route",
    "describe unknown",
    "history",
    "history 1",
    "history 2",
    "history --verify",
    "history 99",
    "status",
    "diff -f FILE",
    "apply -f FILE --dry-run",
    "apply -f FILE --replace --dry-run",
    "top --every 0.1",
    "mirrors m --windows --examples",
    "experiment status m",
    "answered m",
    "label m new=2 --dry-run",
    "rollback m --dry-run",
    "rollback --to 1 --dry-run",
    "delete g --dry-run",
    "gc --dry-run",
];

/// Runs it once with text output and once with JSON output.
#[track_caller]
fn check_verb(arguments: &[&str]) {
    for output in [&["-o", "json"][..], &[]] {
        let arguments = [arguments, output].concat();
        let ran = hotstage(arguments.iter().copied());
        check(&ran, &arguments);
        assert!(
            !ran.stderr.contains("can't be understood"),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert!(
            ran.code != Some(2) && ran.code.is_some(),
            "{arguments:?}: {ran:?}"
        );
        // JSON output is the server's JSON.
        if !output.is_empty() && ran.code == Some(0) {
            for line in ran.stdout.lines() {
                serde_json::from_str::<Value>(line)
                    .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {line}"));
            }
        }
    }
}

/// Three answers that the mirror compared, and a hostile reason.
fn fill(server: &Server, admin: &Admin) {
    for number in 0..3 {
        server.infer("m", &one(f64::from(number) + 1.0)).ok();
    }
    eventually("mirrors have answered", || {
        admin.get("/v1/models/m/mirrors")["mirrors"][0]["compared"] == 3
    });
    let reason = format!("why{HOSTILE}");
    let body = json!({ "labels": { "stable": "1", "canary": "2" }, "reason": reason }).to_string();
    let label = Request::new("PUT", "/v1/models/m/labels")
        .body(body)
        .header("content-type", "application/json");
    admin.ask(label).ok();
}

#[test]
fn no_verb_lets_hostile_text_control_the_terminal() {
    let server = server();
    let admin = Admin::of(&server);
    fill(&server, &admin);
    let folder = Folder::new();
    let file = folder.write("m.yaml", times("m", "3", 16.0).to_string());
    let file = file.to_str().unwrap();
    let token = server.starting.state.join("admin-token");
    let token = token.to_str().unwrap();
    let straight = format!("http://{}", admin.address);
    let poisoned = format!("http://{}", in_the_middle(&admin));
    for url in [&straight, &poisoned] {
        for verb in VERBS {
            let words = verb.split(' ');
            let words = words.map(|word| if word == "FILE" { file } else { word });
            let arguments: Vec<&str> = words
                .chain(["--server", url, "--token-file", token])
                .collect();
            check_verb(&arguments);
        }
    }
    // The text was displayed, in its escaped form.
    let history = hotstage(["history", "--server", &straight, "--token-file", token])
        .ended(0)
        .stdout;
    assert!(
        history.contains("why\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\\u202e"),
        "{history}"
    );
    assert!(history.contains("\\r\\u007f\\u0008\\nFORGED"), "{history}");
}
