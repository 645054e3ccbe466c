//! `hotstage run`: runs one request through a pipeline without a server, and prints the answer and
//! the cost of each stage.
//!
//! Every check of a deployment runs first. A failing golden test is only reported, because this
//! command is used to try out new behaviour. The first run warms up and is not measured.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use comfy_table::{ContentArrangement, Table, presets};
use hotstage_core::datatype::Datatype;
use hotstage_core::quantity::show_bytes;
use hotstage_core::request::Payload;
use hotstage_core::signature::Port;
use hotstage_core::tensor::{Shape, Tensor};
use serde_json::{Value, json};

use super::allow::Bounds;
use super::check::Output;
use super::infer::rows::{self, Plan, Table as Rows};
use super::workbench::Workbench;
use super::{CliError, Common, Exit, console};
use hotstage_server::codecs::oip::Codec;
use hotstage_server::codecs::oip::requested_outputs::{Form, RequestedOutputs};
use hotstage_server::control::deploy::Failing;
use hotstage_server::serving::pipeline::{Pipeline, Step};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests: a file, or a folder of .yaml files.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The request: an Open Inference Protocol request in JSON, a CSV file with a header whose rows
    /// become tensors, or a raw body for the first stage; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    input: PathBuf,
    /// Media type of a body that is not JSON, such as image/jpeg [default: the type that the first
    /// stage takes].
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// The pipeline, if the manifests describe several.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Its version, if the manifests describe several.
    #[arg(long = "model-version", value_name = "VERSION")]
    version: Option<String>,
    /// Number of measured runs; the times are means.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    repeat: u32,
    /// Format of the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    bounds: Bounds,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let bench = Workbench::open(&args.common, &args.bounds)?;
    let loaded = bench.load(&args.paths, Failing::Told)?;
    for failed in &loaded.failed {
        failed
            .problems
            .iter()
            .for_each(|problem| console::warning(&problem.to_string()));
    }
    let pipeline = chosen(args, &loaded.pipelines)?;
    pipeline
        .warnings
        .iter()
        .for_each(|warning| console::warning(&warning.to_string()));
    let payload = payload(args, pipeline)?;
    let answer = bench.runtime.block_on(measure(args, pipeline, &payload))?;
    console::print(&match args.output {
        Output::Json => answer.json(pipeline)?.to_string(),
        Output::Table => answer.table(pipeline)?,
    });
    Ok(())
}

fn chosen<'a>(args: &Args, pipelines: &'a [Arc<Pipeline>]) -> Result<&'a Arc<Pipeline>, CliError> {
    let fits = |pipeline: &&Arc<Pipeline>| {
        args.model
            .as_ref()
            .is_none_or(|name| *name == pipeline.name)
            && args
                .version
                .as_ref()
                .is_none_or(|version| *version == pipeline.version)
    };
    let found: Vec<&Arc<Pipeline>> = pipelines.iter().filter(fits).collect();
    let list = |found: &mut dyn Iterator<Item = &Arc<Pipeline>>| {
        found
            .map(|pipeline| format!("{}/{}", pipeline.name, pipeline.version))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match found[..] {
        [one] => Ok(one),
        [] => {
            let all = list(&mut pipelines.iter());
            Err(CliError::new(
                Exit::Refused,
                format!("no such pipeline here; there are: {all}"),
            ))
        }
        _ => {
            let all = list(&mut found.iter().copied());
            let message =
                format!("several pipelines: {all}; say which with --model and --model-version");
            Err(CliError::new(Exit::Usage, message))
        }
    }
}

fn payload(args: &Args, pipeline: &Pipeline) -> Result<Payload, CliError> {
    let mut bytes = Vec::new();
    let read = if args.input == Path::new("-") {
        std::io::stdin()
            .lock()
            .read_to_end(&mut bytes)
            .map(|_| bytes)
    } else {
        std::fs::read(&args.input)
    };
    let refused = |message: String| {
        CliError::new(
            Exit::Refused,
            format!("{}: {message}", args.input.display()),
        )
    };
    let bytes: Bytes = read
        .map_err(|error| refused(format!("can't be read: {error}")))?
        .into();
    let first = pipeline
        .accepts()
        .first()
        .map(|accepts| accepts.replace('*', "octet-stream"));
    let is_json = bytes.trim_ascii_start().first() == Some(&b'{');
    match args.content_type.clone().or(first.filter(|_| !is_json)) {
        None if rows::is_csv(&args.input) => table_rows(pipeline, &bytes).map_err(refused),
        None => {
            let ask = codec(pipeline)?
                .decoder
                .decode(&bytes, None)
                .map_err(|failure| refused(failure.message))?;
            Ok(Payload::Tensors(ask.inputs))
        }
        Some(content_type) => {
            let shape = Shape::from_slice(&[bytes.len() as u64]);
            let content = Tensor::new(Datatype::Uint8, shape, bytes)
                .map_err(|error| refused(error.to_string()))?;
            Ok(Payload::Raw {
                content_type,
                content,
            })
        }
    }
}

/// All rows of a CSV file as one request, as `hotstage infer` sends them.
fn table_rows(pipeline: &Pipeline, text: &[u8]) -> Result<Payload, String> {
    let port = |port: &Port| {
        json!({
            "name": port.name,
            "datatype": port.datatype.name(),
            "shape": port.protocol_shape(),
        })
    };
    let ports = &pipeline.signature().inputs;
    let about = json!({ "inputs": ports.iter().map(port).collect::<Vec<Value>>() });
    let table = Rows::read(text)?;
    let plan = Plan::new(&table, &about)?;
    if let Some(remark) = plan.remark(&table) {
        console::note(&remark);
    }
    let named = plan.tensors(&table, 0..table.rows())?;
    // In the order of the inputs, as in the plan.
    let tensors = named
        .into_iter()
        .map(|(_, tensor)| tensor)
        .zip(ports)
        .map(|(tensor, port)| {
            port.accepts_parts(tensor.datatype(), tensor.shape())
                .map_err(|misfit| format!("input `{}`: {misfit}", port.name))?;
            Ok(tensor)
        });
    tensors.collect::<Result<_, String>>().map(Payload::Tensors)
}

/// The answer and the cost of the runs.
struct Measured {
    outputs: Vec<Tensor>,
    mean_ms: f64,
    stages: Vec<Cost>,
}

/// The cost of one stage.
struct Cost {
    name: String,
    mean_ms: f64,
    copied: u64,
    memory: u64,
    engines: Vec<String>,
}

async fn measure(
    args: &Args,
    pipeline: &Arc<Pipeline>,
    payload: &Payload,
) -> Result<Measured, CliError> {
    let failed = |failure: hotstage_core::failure::Failure| {
        let cause = failure
            .cause
            .as_ref()
            .and_then(|cause| cause.lines().next())
            .map(|cause| format!(" ({cause})"));
        CliError::new(
            Exit::Failed,
            format!("{}{}", failure.message, cause.unwrap_or_default()),
        )
    };
    let mut outputs = pipeline
        .run(&mut Instant::now(), payload.clone())
        .await
        .map_err(failed)?;
    let before: Vec<(f64, u64)> = pipeline.steps().iter().map(read).collect();
    let began = Instant::now();
    for _ in 0..args.repeat {
        outputs = pipeline
            .run(&mut Instant::now(), payload.clone())
            .await
            .map_err(failed)?;
    }
    let runs = f64::from(args.repeat);
    let mean_ms = began.elapsed().as_secs_f64() * 1e3 / runs;
    let cost = |(step, before): (&Step, &(f64, u64))| {
        let (seconds, copied) = read(step);
        Cost {
            name: step.name.clone(),
            mean_ms: (seconds - before.0) * 1e3 / runs,
            copied: (copied - before.1) / u64::from(args.repeat),
            memory: step.stage.memory(),
            engines: step.stage.engines().to_vec(),
        }
    };
    let stages = pipeline.steps().iter().zip(&before).map(cost).collect();
    Ok(Measured {
        outputs,
        mean_ms,
        stages,
    })
}

/// The codec for the pipeline's requests and answers.
fn codec(pipeline: &Pipeline) -> Result<&Codec, CliError> {
    let codec = pipeline.extensions.get();
    codec.map_err(|failure| CliError::new(Exit::Defect, failure.message))
}

fn read(step: &Step) -> (f64, u64) {
    (step.durations.read().0, step.stage.copied())
}

impl Measured {
    fn answer(&self, pipeline: &Pipeline) -> Result<String, CliError> {
        let requested = RequestedOutputs::all(self.outputs.len(), Form::Json);
        let encoded = codec(pipeline)?
            .encoder
            .encode(None, &requested, &self.outputs);
        let encoded = encoded.map_err(|failure| CliError::new(Exit::Failed, failure.message))?;
        Ok(String::from_utf8_lossy(&encoded.body).into_owned())
    }

    fn json(&self, pipeline: &Pipeline) -> Result<Value, CliError> {
        let answer: Value = serde_json::from_str(&self.answer(pipeline)?).unwrap_or_default();
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|Cost { name, mean_ms, copied, memory, engines }| {
                json!({
                    "name": name, "mean_ms": mean_ms, "copied_bytes": copied, "memory_bytes": memory,
                    "engines": engines,
                })
            })
            .collect();
        Ok(json!({ "answer": answer, "mean_ms": self.mean_ms, "stages": stages }))
    }

    fn table(&self, pipeline: &Pipeline) -> Result<String, CliError> {
        let mut text = self.answer(pipeline)?;
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(["STAGE", "TIME", "COPIED", "MEMORY", "ENGINE"]);
        for Cost {
            name,
            mean_ms,
            copied,
            memory,
            engines,
        } in &self.stages
        {
            let time = format!("{mean_ms:.3} ms");
            table.add_row([
                name.clone(),
                time,
                show_bytes(*copied),
                show_bytes(*memory),
                engines.join("\n"),
            ]);
        }
        let copied = self.stages.iter().map(|stage| stage.copied).sum();
        let memory = self.stages.iter().map(|stage| stage.memory).sum();
        let time = format!("{:.3} ms", self.mean_ms);
        table.add_row([
            "all".to_owned(),
            time,
            show_bytes(copied),
            show_bytes(memory),
            String::new(),
        ]);
        let _ = write!(text, "\n\n{}", table.trim_fmt());
        Ok(text)
    }
}
