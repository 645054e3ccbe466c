//! `hotstage check`: runs every step of a deployment except serving: decoding, checks, compilation
//! and golden tests. Possible mistakes are printed as warnings; with `--strict` they are errors.

use std::path::PathBuf;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use hotstage_core::manifest::{WrittenRollout, WrittenRoute};
use hotstage_core::name::Version;
use hotstage_core::signature::Port;
use serde_json::{Value, json};

use super::allow::Bounds;
use super::goldens::Updated;
use super::workbench::Workbench;
use super::{CliError, Common, Exit, console, goldens};
use hotstage_server::control::deploy::{Failing, Loaded, warm};
use hotstage_server::serving::pipeline::{Graph, Node, Pipeline};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests: files, folders of .yaml files, or - for standard input.
    #[arg(value_name = "PATH", required_unless_present = "files")]
    paths: Vec<PathBuf>,
    /// Manifests, as for PATH; the same flag as `serve -f`.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,
    /// Treat warnings as errors.
    #[arg(long)]
    strict: bool,
    /// Update failing golden tests with the values that the pipelines answer now; the rest of their
    /// files stays unchanged.
    #[arg(long)]
    update_goldens: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    bounds: Bounds,
    /// Format of the result.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// The format of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// A table for people.
    #[default]
    Table,
    /// JSON for programs.
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), CliError> {
    let paths: Vec<PathBuf> = args.paths.iter().chain(&args.files).cloned().collect();
    let bench = Workbench::open(&args.common, &args.bounds)?;
    let updated = args
        .update_goldens
        .then(|| goldens::update(&bench, &paths))
        .transpose()?;
    let Loaded {
        pipelines,
        routes,
        rollouts,
        ..
    } = bench.load(&paths, Failing::Refused)?;
    let checked: Vec<Checked<'_>> = pipelines
        .iter()
        .map(|pipeline| Checked::of(&bench, pipeline))
        .collect();
    match args.output {
        Output::Json => {
            let about: Vec<Value> = checked.iter().map(describe).collect();
            let routes: Vec<Value> = routes.iter().map(describe_route).collect();
            let rollouts: Vec<Value> = rollouts.iter().map(describe_rollout).collect();
            let mut report = json!({ "pipelines": about, "routes": routes, "rollouts": rollouts });
            if let Some(updated) = updated {
                report["updated"] = updated.iter().map(Updated::json).collect();
            }
            console::print(&report.to_string());
        }
        Output::Table => {
            if let Some(updated) = updated {
                goldens::tell(&updated);
            }
            checked.iter().for_each(show);
            for route in &routes {
                console::print_ok(&format!("route {} ({})", route.name(), route.digest()));
            }
            for rollout in &rollouts {
                let (name, digest) = (rollout.name(), rollout.digest());
                console::print_ok(&format!("rollout {name} ({digest})"));
            }
        }
    }
    let warnings: usize = checked.iter().map(|checked| checked.warnings.len()).sum();
    match warnings {
        1.. if args.strict => {
            let (what, verb) = if warnings == 1 {
                ("warning", "is")
            } else {
                ("warnings", "are")
            };
            Err(CliError::new(
                Exit::Refused,
                format!("{warnings} {what}, which {verb} an error with --strict"),
            ))
        }
        _ => Ok(()),
    }
}

/// A pipeline that passed every check, and its warnings.
struct Checked<'a> {
    pipeline: &'a Pipeline,
    warnings: Vec<String>,
}

impl<'a> Checked<'a> {
    /// If no golden test makes a call, this makes one with generated input, to find a stage that
    /// always fails.
    fn of(bench: &Workbench, pipeline: &'a Pipeline) -> Self {
        let mut warnings: Vec<String> = pipeline.warnings.iter().map(ToString::to_string).collect();
        if pipeline.made.tests == 0
            && let Err(unwarmed) = bench.runtime.block_on(warm(pipeline))
        {
            warnings.push(format!(
                "{}/{}: {}",
                pipeline.name,
                pipeline.version,
                unwarmed.told()
            ));
        }
        warnings
            .iter()
            .for_each(|warning| console::warning(warning));
        Self { pipeline, warnings }
    }

    fn tests(&self) -> String {
        match self.pipeline.made.tests {
            0 => "no golden tests".to_owned(),
            1 => "1 golden test passed".to_owned(),
            many => format!("{many} golden tests passed"),
        }
    }
}

fn show(checked: &Checked<'_>) {
    let Pipeline {
        name,
        version,
        digest,
        ..
    } = checked.pipeline;
    let (pipeline, tests) = (checked.pipeline, checked.tests());
    console::print_ok(&format!("{name} version {version} ({digest}), {tests}"));
    if let Some(graph) = pipeline.graph() {
        console::print(&show_graph(graph));
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["stage", "component", "takes", "gives"]);
    for step in pipeline.steps() {
        let (about, signature) = (step.stage.about(), step.stage.signature());
        let mut component = format!("{} {}", about.name, about.version);
        step.stage
            .engines()
            .iter()
            .for_each(|engine| component.push_str(&format!("\non {engine}")));
        table.add_row([
            step.name.clone(),
            component,
            ports(&signature.inputs),
            ports(&signature.outputs),
        ]);
    }
    let signature = pipeline.signature();
    table.add_row([
        "the client".into(),
        String::new(),
        ports(&signature.outputs),
        ports(&signature.inputs),
    ]);
    console::print(&table.to_string());
}

fn show_graph(graph: &Graph) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["node", "asks", "digest"]);
    for node in &graph.nodes {
        let list = |show: &dyn Fn(&Pipeline) -> String| {
            node.members
                .iter()
                .map(|member| show(member))
                .collect::<Vec<_>>()
                .join("\n")
        };
        let asks = list(&|member| format!("{}/{}", member.name, member.version));
        table.add_row([
            node.name.clone(),
            asks,
            list(&|member| member.digest.to_string()),
        ]);
    }
    table.to_string()
}

fn ports(ports: &[Port]) -> String {
    ports
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

fn describe_route(route: &WrittenRoute) -> Value {
    let versions: Vec<&str> = route.versions().map(Version::as_str).collect();
    json!({ "name": route.name().as_str(), "digest": route.digest().to_string(), "versions": versions })
}

fn describe_rollout(rollout: &WrittenRollout) -> Value {
    json!({ "name": rollout.name().as_str(), "digest": rollout.digest().to_string() })
}

fn describe(Checked { pipeline, warnings }: &Checked<'_>) -> Value {
    let list = |ports: &[Port]| -> Vec<Value> {
        ports
            .iter()
            .map(|port| {
                json!({
                    "name": port.name,
                    "datatype": port.datatype.name(),
                    "shape": port.protocol_shape(),
                })
            })
            .collect()
    };
    let stages: Vec<Value> = pipeline
        .steps()
        .iter()
        .map(|step| {
            let (about, signature) = (step.stage.about(), step.stage.signature());
            json!({
                "name": step.name,
                "component": { "name": about.name, "version": about.version, "summary": about.summary },
                "engines": step.stage.engines(),
                "inputs": list(&signature.inputs),
                "outputs": list(&signature.outputs),
            })
        })
        .collect();
    let signature = pipeline.signature();
    let mut about = json!({
        "name": pipeline.name,
        "version": pipeline.version,
        "digest": pipeline.digest.to_string(),
        "inputs": list(&signature.inputs),
        "outputs": list(&signature.outputs),
        "stages": stages,
        "tests_passed": pipeline.made.tests,
        "warnings": warnings,
    });
    if let Some(graph) = pipeline.graph() {
        let node = |node: &Arc<Node>| {
            let members: Vec<Value> = node
                .members
                .iter()
                .map(|member| json!(format!("{}/{}", member.name, member.version)))
                .collect();
            json!({ "name": node.name, "members": members })
        };
        about["nodes"] = graph.nodes.iter().map(node).collect();
    }
    about
}
