//! Native ONNX graphs: the cost of a separate process per call, and the effect of a graph on a
//! sandboxed stage beside it.
//!
//! `hotstage run` measures both sides in alternation; the best round counts. The graph is a small
//! perceptron of the tests, on tract. Rows: 30 floats and 602 KB, in the graph's own process ↔ in
//! the server's; `scale` over 400,000 floats, with a graph in the same process ↔ without one.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::measure::Effort;
use crate::origin::Origin;
use crate::table::{Goal, Line, Table, tell};

/// Columns of the graph's input.
const COLUMNS: usize = 6;
/// Rows of 30 floats, of a picture's 602,112 bytes, of 400,000 floats.
const FEW: usize = 5;
const PICTURE: usize = 25_088;
const MANY: usize = 66_667;
/// Bound on the cost of a process for a call of 30 floats, in microseconds.
const COST: Goal = Goal::AtMost(30.0);
/// Bound on the ratio where a cost of almost nothing is expected.
const NEXT_TO_NOTHING: Goal = Goal::AtMost(1.1);

pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    tell("native graphs");
    let bench = Bench::new(origin)?;
    let repeat = |full: u32| {
        if effort.rounds < Effort::FULL.rounds {
            full / 10
        } else {
            full
        }
    };
    let [apart, here] = bench.compare(
        effort,
        FEW,
        repeat(20_000),
        "net",
        &[("net", "process"), ("net", "in-process")],
    )?;
    let what = "graph, 30 floats: a process of its own ↔ the server's";
    table.push(Line::difference(what, "µs", apart * 1e3, here * 1e3).goal(COST));
    let [apart, here] = bench.compare(
        effort,
        PICTURE,
        repeat(200),
        "net",
        &[("net", "process"), ("net", "in-process")],
    )?;
    let what = "graph, 602 KB: a process of its own ↔ the server's";
    table.push(Line::ratio(what, "ms", apart, here).goal(NEXT_TO_NOTHING));
    let sides = [("both", "in-process"), ("scale", "in-process")];
    let [beside, alone] = bench.compare(effort, MANY, repeat(200), "scale", &sides)?;
    let what = "`scale`, 400,000 floats: beside a tract graph ↔ alone";
    table.push(Line::ratio(what, "ms", beside, alone).goal(NEXT_TO_NOTHING));
    Ok(())
}

/// Manifests and requests.
struct Bench<'a> {
    origin: &'a Origin,
    folder: tempfile::TempDir,
}

impl<'a> Bench<'a> {
    fn new(origin: &'a Origin) -> Outcome<Self> {
        let bench = Self {
            origin,
            folder: tempfile::tempdir()?,
        };
        let graph = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../plugins/onnx-sandboxed/src/tests/golden");
        std::fs::copy(graph.join("perceptron.onnx"), bench.path("net.onnx"))?;
        let (mean, std) = ([0.5; COLUMNS], [2.0; COLUMNS]);
        let settings = json!({ "mean": mean, "std": std, "tensor": "x" });
        let scale = json!({ "name": "scale", "role": "preprocess", "component": "scale", "settings": settings });
        let net = json!({ "name": "net", "role": "model", "component": "onnx", "settings": { "engine": "tract" },
                          "files": { "model": "./net.onnx" } });
        for (name, stages) in [
            ("net", json!([net])),
            ("scale", json!([scale])),
            ("both", json!([scale, net])),
        ] {
            let manifest = json!({ "apiVersion": "hotstage.dev/v1", "kind": "Pipeline",
                                   "metadata": { "name": name, "version": "1" }, "spec": { "stages": stages } });
            std::fs::write(bench.path(&format!("{name}.yaml")), manifest.to_string())?;
        }
        for rows in [FEW, PICTURE, MANY] {
            let input = json!({ "name": "x", "shape": [rows, COLUMNS], "datatype": "FP32",
                                "data": vec![0.5; rows * COLUMNS] });
            std::fs::write(
                bench.path(&format!("{rows}.json")),
                json!({ "inputs": [input] }).to_string(),
            )?;
        }
        Ok(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Milliseconds of a stage on each side. A side is a manifest and a place where its graphs run.
    fn compare(
        &self,
        effort: &Effort,
        rows: usize,
        repeat: u32,
        stage: &str,
        sides: &[(&str, &str); 2],
    ) -> Outcome<[f64; 2]> {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..effort.rounds {
            for (best, (manifest, graphs)) in best.iter_mut().zip(sides) {
                *best = best.min(self.run(manifest, graphs, rows, repeat, stage)?);
            }
        }
        Ok(best)
    }

    fn run(
        &self,
        manifest: &str,
        graphs: &str,
        rows: usize,
        repeat: u32,
        stage: &str,
    ) -> Outcome<f64> {
        let mut command = Command::new(&self.origin.server);
        command
            .arg("run")
            .arg(self.path(&format!("{manifest}.yaml")));
        command
            .arg("--input")
            .arg(self.path(&format!("{rows}.json")));
        command.args([
            "--output",
            "json",
            "--graphs",
            graphs,
            "--repeat",
            &repeat.to_string(),
        ]);
        command
            .arg("--state")
            .arg(self.path("state"))
            .arg("--components")
            .arg(&self.origin.components);
        let output = command.output()?;
        if !output.status.success() {
            return Err(format!("{manifest}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let shown: Value = serde_json::from_slice(&output.stdout)?;
        let stages = shown["stages"].as_array().into_iter().flatten();
        let found = stages
            .filter(|shown| shown["name"] == stage)
            .find_map(|shown| shown["mean_ms"].as_f64());
        found.ok_or_else(|| format!("{manifest} has no stage `{stage}`").into())
    }
}
