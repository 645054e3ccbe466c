//! The data plane behind a front end that is not HTTP ([`lines`]): routes, fallbacks and
//! experiments work through it.
//!
//! Needs the guest programs that `cargo xtask test` builds. It has a main function of its own,
//! because components are compiled in processes of the program that deploys them.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    unused_crate_dependencies,
    reason = "a test: a panic is its way to fail, and its closing line is libtest's"
)]

mod lines;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hotstage_core::compile_limits::CompileLimits;
use hotstage_engine::engine::{Engine, EngineOptions};
use hotstage_server::control::compiler::{Compilers, worker};
use hotstage_server::control::deploy::{ComponentDirs, Deployer, Quiet};
use hotstage_server::control::{ChangeOptions, Control, Options, Removals};
use hotstage_server::executors::compute::ComputePool;
use hotstage_server::protocols;
use hotstage_server::serving::Serving;
use hotstage_server::serving::counts::ServerCounts;
use hotstage_server::serving::experiments::Experiments;
use hotstage_server::serving::mirror::Mirrors;
use hotstage_server::serving::registry::{Phase, Registry};
use hotstage_server::state::store::{Access, Store};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::runtime::Handle;

fn main() -> ExitCode {
    if worker::is_one() {
        return worker::main();
    }
    let chosen: Vec<&str> = TESTS.into_iter().filter(|name| is_chosen(name)).collect();
    let filtered = TESTS.len() - chosen.len();
    if !chosen.is_empty() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(run(&chosen));
    }
    let passed = chosen.len();
    println!(
        "test result: ok. {passed} passed; 0 failed; 0 ignored; 0 measured; {filtered} filtered out"
    );
    ExitCode::SUCCESS
}

const TESTS: [&str; 3] = [
    "rules_decide_by_attributes",
    "a_failure_is_answered_by_the_fallback",
    "answers_are_noted_for_the_experiment",
];

/// As libtest chooses: by any of the filters, if there are some, and by no `--skip`.
fn is_chosen(name: &str) -> bool {
    let (mut filters, mut skips) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--skip" {
            skips.extend(arguments.next());
        } else if !argument.starts_with('-') {
            filters.push(argument);
        }
    }
    let fits = |text: &String| name.contains(text.as_str());
    (filters.is_empty() || filters.iter().any(fits)) && !skips.iter().any(fits)
}

async fn run(chosen: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let serving = deploy(directory.path()).await;
    let socket = directory.path().join("socket");
    let front_end = socket.clone();
    let service = Arc::clone(&serving);
    tokio::spawn(async move { lines::serve(service, &front_end).await });
    let mut client = Client::connect(&socket).await;
    for name in chosen {
        match *name {
            "rules_decide_by_attributes" => rules_decide_by_attributes(&mut client).await,
            "a_failure_is_answered_by_the_fallback" => {
                a_failure_is_answered_by_the_fallback(&mut client).await;
            }
            _ => answers_are_noted_for_the_experiment(&mut client, &serving).await,
        }
        println!("test {name} ... ok");
    }
}

async fn rules_decide_by_attributes(client: &mut Client) {
    let answer = client.ask("routed", json!({}), "a", 1.0).await;
    assert_eq!(answer["version"], "1", "{answer}");
    assert_eq!(answer["response"]["outputs"][0]["data"], json!([1.0]));
    let new = json!({ "x-group": "new" });
    let answer = client.ask("routed", new, "b", 1.0).await;
    assert_eq!(answer["version"], "2", "{answer}");
    let pinned = json!({ "hotstage-version": "2" });
    let answer = client.ask("routed", pinned, "c", 1.0).await;
    assert_eq!(answer["version"], "2", "{answer}");
    let answer = client.ask("unknown", json!({}), "d", 1.0).await;
    assert_eq!(answer["code"], "not_found", "{answer}");
}

async fn a_failure_is_answered_by_the_fallback(client: &mut Client) {
    let new = json!({ "x-group": "new" });
    // Version 2 traps on 13.
    let answer = client.ask("routed", new, "e", 13.0).await;
    assert_eq!(answer["version"], "1", "{answer}");
    assert_eq!(answer["fallback"], "2");
    assert_eq!(answer["response"]["outputs"][0]["data"], json!([13.0]));
}

async fn answers_are_noted_for_the_experiment(client: &mut Client, serving: &Serving) {
    for number in 0..40 {
        let id = format!("answer-{number}");
        let answer = client.ask("tried", json!({}), &id, 1.0).await;
        assert!(answer["error"].is_null(), "{answer}");
    }
    let counts = serving.experiments.counts();
    for _ in 0..200 {
        if counts.answers.load(Relaxed) == 40 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counts.answers.load(Relaxed), 40);
}

/// A data plane with two routed models.
async fn deploy(directory: &Path) -> Arc<Serving> {
    let store = Store::open(directory, Access::Share).unwrap();
    let engine = Engine::new(&EngineOptions {
        instances: 20,
        ..EngineOptions::default()
    });
    let serving = Arc::new(Serving {
        registry: Registry::default(),
        compute: ComputePool::new(Handle::current()),
        mirrors: Mirrors::new(Handle::current()),
        experiments: Experiments::start(directory).unwrap(),
        counts: ServerCounts::default(),
    });
    // As `cargo xtask test` says.
    let guests = PathBuf::from(std::env::var_os("HOTSTAGE_GUESTS").unwrap());
    let deployer = Deployer::new(
        engine.unwrap(),
        Arc::new(store),
        ComponentDirs(vec![guests]),
        1024,
        Compilers::new(CompileLimits::default()),
        protocols::ALL,
    );
    let control = Control::open(Arc::clone(&serving), Arc::new(deployer), Options::default());
    let control = control.unwrap();
    let manifest = directory.join("models.yaml");
    std::fs::write(&manifest, documents()).unwrap();
    let documents = control.read(&[manifest]).unwrap();
    let (options, none) = (ChangeOptions::default(), Removals::default());
    let applied = control.apply_local("test", &options, &documents, false, &none, &Quiet);
    applied.await.unwrap();
    serving.registry.enter(Phase::Serving);
    serving
}

/// Versions 1 of both models echo, versions 2 trap on 13.
fn documents() -> String {
    let version = |model: &str, version: &str, guest: &str| {
        let stage = json!({ "name": guest, "role": "model", "component": guest });
        json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Pipeline",
            "metadata": { "name": model, "version": version }, "spec": { "stages": [stage] },
        })
    };
    let route = |model: &str, spec: Value| {
        json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Route",
            "metadata": { "name": model }, "spec": spec,
        })
    };
    let rule = json!({ "when": { "header": { "x-group": "new" } }, "version": "2" });
    let split = |first: u32, second: u32| json!([{ "version": "1", "weight": first }, { "version": "2", "weight": second }]);
    let documents = [
        version("routed", "1", "echo"),
        version("routed", "2", "traps"),
        route(
            "routed",
            json!({
                "split": split(100, 0), "rules": [rule], "fallback": { "version": "1" }, "pin": true,
            }),
        ),
        version("tried", "1", "echo"),
        version("tried", "2", "traps"),
        route(
            "tried",
            json!({ "split": split(50, 50), "experiment": { "reward": { "name": "clicked" } } }),
        ),
    ];
    documents
        .map(|document| document.to_string())
        .join("\n---\n")
}

/// A client of the test's front end.
struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    async fn connect(socket: &Path) -> Self {
        for _ in 0..200 {
            if let Ok(stream) = UnixStream::connect(socket).await {
                let stream = BufReader::new(stream);
                return Self { stream };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        unreachable!("the front end does not listen");
    }

    async fn ask(&mut self, model: &str, attributes: Value, id: &str, number: f32) -> Value {
        let request = json!({
            "id": id,
            "inputs": [{ "name": "x", "datatype": "FP32", "shape": [1], "data": [number] }],
        });
        let line = json!({ "model": model, "attributes": attributes, "request": request });
        let line = format!("{line}\n");
        self.stream
            .get_mut()
            .write_all(line.as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        self.stream.read_line(&mut answer).await.unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}
