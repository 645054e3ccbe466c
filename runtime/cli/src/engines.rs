//! `hotstage engines`: lists the engines for ONNX graphs on this machine, and where each was found.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use hotstage_onnx as graph;
use serde_json::{Value, json};

use super::check::Output;
use super::{CliError, Exit, console};
use hotstage_server::control::onnxruntime::{Finder, probe};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// ONNX Runtime's library, or the folder that holds it [default: searched beside the program,
    /// on the loader's path and in installed Python packages].
    #[arg(long, value_name = "PATH", env = "HOTSTAGE_ONNXRUNTIME")]
    onnxruntime: Option<PathBuf>,
    /// Format of the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    /// Load this library in this process and print what it holds. The parent runs this in a child
    /// process, so that a broken library can't harm it.
    #[arg(long, value_name = "PATH", hide = true)]
    probe: Option<PathBuf>,
}

/// One engine, or a library that can't be used as one.
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
                .map_err(|_| "it is not a usable ONNX Runtime".to_owned())
        });
        rows.push(match about {
            Ok(about) => {
                let note = if is_taken {
                    "not used: an earlier one is"
                } else {
                    "used by `auto`"
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
        "always available"
    } else {
        "used by `auto`: no ONNX Runtime can be used"
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
