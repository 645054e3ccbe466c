//! `hotstage engines`: what computes ONNX graphs on this machine, and where it was found.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use hotstage_engine::graph;
use serde_json::{Value, json};

use super::check::Output;
use super::{CliError, Exit, console};
use crate::control::onnxruntime::{Finder, probe};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// ONNX Runtime's library, or its folder [default: looked for beside the program, on the
    /// loader's path and in installed Python packages].
    #[arg(long, value_name = "PATH", env = "HOTSTAGE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Load this library here, and say what is in it: how it is tried without harm to anybody.
    #[arg(long, value_name = "PATH", hide = true)]
    probe: Option<PathBuf>,
}

/// One engine, or what might have been one.
struct Row {
    engine: &'static str,
    version: String,
    providers: String,
    found: String,
    note: String,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    if let Some(path) = &args.probe {
        let loaded = graph::probe(path).map_err(|reason| CliError::new(Exit::Refused, reason))?;
        console::print(
            &json!({ "version": loaded.version, "providers": loaded.providers }).to_string(),
        );
        return Ok(());
    }
    let rows = rows(&Finder {
        named: args.onnxruntime.clone(),
    });
    match args.output {
        Output::Json => {
            let rows: Vec<Value> = rows.iter().map(Row::json).collect();
            console::print(&json!({ "engines": rows }).to_string());
        }
        Output::Table => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic);
            table.set_header(["ENGINE", "VERSION", "PROVIDERS", "FOUND", "NOTE"]);
            for Row {
                engine,
                version,
                providers,
                found,
                note,
            } in rows
            {
                table.add_row([engine, &version, &providers, &found, &note]);
            }
            console::print(&table.trim_fmt());
        }
    }
    Ok(())
}

fn rows(finder: &Finder) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut is_taken = false;
    for candidate in finder.candidates() {
        let found = format!("{} ({})", candidate.path.display(), candidate.how);
        let row = |version, providers, note| Row {
            engine: "onnxruntime",
            version,
            providers,
            found,
            note,
        };
        let about = probe(&candidate.path).and_then(|text| {
            serde_json::from_str::<Value>(&text)
                .map_err(|_| "it is no ONNX Runtime that can be used".to_owned())
        });
        rows.push(match about {
            Ok(about) => {
                let note = if is_taken {
                    "not used: one before it is"
                } else {
                    "`auto` takes it"
                };
                is_taken = true;
                let names = about["providers"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str);
                let version = about["version"].as_str().unwrap_or_default().to_owned();
                row(
                    version,
                    names.collect::<Vec<_>>().join(", "),
                    note.to_owned(),
                )
            }
            Err(reason) => row(
                String::new(),
                String::new(),
                format!("can't be used: {reason}"),
            ),
        });
    }
    let note = if is_taken {
        "always there"
    } else {
        "`auto` takes it: no ONNX Runtime can be used"
    };
    rows.push(Row {
        engine: "tract",
        version: graph::TRACT_VERSION.to_owned(),
        providers: "cpu".to_owned(),
        found: "built in".to_owned(),
        note: note.to_owned(),
    });
    rows
}

impl Row {
    fn json(&self) -> Value {
        let Self {
            engine,
            version,
            providers,
            found,
            note,
        } = self;
        json!({ "engine": engine, "version": version, "providers": providers, "found": found, "note": note })
    }
}
