//! `hotstage check`: every step of a deploy, golden tests included, without serving.

use std::path::PathBuf;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use hotstage_core::manifest::WrittenRoute;
use hotstage_core::name::Version;
use hotstage_core::signature::Port;
use serde_json::{Value, json};

use super::workbench::Workbench;
use super::{Common, Ending, console};
use crate::deploy::Loaded;
use crate::pipeline::{Graph, Node, Pipeline};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Manifests: files, folders of .yaml files, or - for standard input.
    #[arg(value_name = "PATH", required_unless_present = "files")]
    paths: Vec<PathBuf>,
    /// The same, as `serve` takes them.
    #[arg(short = 'f', long = "file", value_name = "PATH", num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// For whom a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines.
    Json,
}

pub(super) fn run(args: &Args) -> Result<(), Ending> {
    let paths: Vec<PathBuf> = args.paths.iter().chain(&args.files).cloned().collect();
    let Loaded { pipelines, routes, rollouts } = Workbench::open(&args.common)?.load(&paths)?;
    match args.output {
        Output::Json => {
            let about: Vec<Value> = pipelines.iter().map(|pipeline| describe(pipeline)).collect();
            let routes: Vec<Value> = routes.iter().map(describe_route).collect();
            let rollouts: Vec<Value> = rollouts
                .iter()
                .map(|rollout| json!({ "name": rollout.name().as_str(), "digest": rollout.digest().to_string() }))
                .collect();
            console::print(&json!({ "pipelines": about, "routes": routes, "rollouts": rollouts }).to_string());
        }
        Output::Table => {
            pipelines.iter().for_each(|pipeline| show(pipeline));
            for route in &routes {
                console::print_ok(&format!("route {} ({})", route.name(), route.digest()));
            }
            for rollout in &rollouts {
                let (name, digest) = (rollout.name(), rollout.digest());
                console::print_ok(&format!("rollout {name} ({digest})"));
            }
        }
    }
    Ok(())
}

fn show(pipeline: &Pipeline) {
    console::print_ok(&format!("{} version {} ({})", pipeline.name, pipeline.version, pipeline.digest));
    if let Some(graph) = pipeline.graph() {
        console::print(&show_graph(graph));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["stage", "component", "takes", "gives"]);
    for step in pipeline.steps() {
        let (about, signature) = (step.stage.about(), step.stage.signature());
        let mut component = format!("{} {}", about.name, about.version);
        step.stage.engines().iter().for_each(|engine| component.push_str(&format!("\non {engine}")));
        table.add_row([step.name.clone(), component, ports(&signature.inputs), ports(&signature.outputs)]);
    }
    let signature = pipeline.signature();
    table.add_row(["the client".into(), String::new(), ports(&signature.outputs), ports(&signature.inputs)]);
    console::print(&table.to_string());
}

fn show_graph(graph: &Graph) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["node", "asks", "digest"]);
    for node in &graph.nodes {
        let list = |show: &dyn Fn(&Pipeline) -> String| {
            node.members.iter().map(|member| show(member)).collect::<Vec<_>>().join("\n")
        };
        let asks = list(&|member| format!("{}/{}", member.name, member.version));
        table.add_row([node.name.clone(), asks, list(&|member| member.digest.to_string())]);
    }
    table.to_string()
}

fn ports(ports: &[Port]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn describe_route(route: &WrittenRoute) -> Value {
    let versions: Vec<&str> = route.versions().map(Version::as_str).collect();
    json!({ "name": route.name().as_str(), "digest": route.digest().to_string(), "versions": versions })
}

fn describe(pipeline: &Pipeline) -> Value {
    let list = |ports: &[Port]| -> Vec<Value> {
        ports
            .iter()
            .map(|port| json!({ "name": port.name, "datatype": port.datatype.name(), "shape": port.protocol_shape() }))
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
    });
    if let Some(graph) = pipeline.graph() {
        let node = |node: &Arc<Node>| {
            let members: Vec<Value> =
                node.members.iter().map(|member| json!(format!("{}/{}", member.name, member.version))).collect();
            json!({ "name": node.name, "members": members })
        };
        about["nodes"] = graph.nodes.iter().map(node).collect();
    }
    about
}
