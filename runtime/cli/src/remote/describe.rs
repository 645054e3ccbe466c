//! `hotstage describe`: prints all details of one version or of a route.

use std::iter::once;

use serde_json::Value;

use super::client::{Client, ClientError, quote};
use super::{CliError, Exit, Remote, get, show};
use hotstage_client::{
    Condition, ModelInfo, NodeInfo, PipelineInfo, PortInfo, RouteInfo, ShareInfo, StageInfo,
    VersionInfo,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the pipeline, graph or route.
    name: String,
    /// A version or a label [default: the version that answers by default].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// Describe the name's route: its rules, shares, fallbacks and mirrors.
    #[arg(long, conflicts_with = "version")]
    route: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let mut client = args.remote.client()?;
    if args.route {
        let got = client
            .get::<ModelInfo>(&format!("/v1/models/{}", quote(&args.name)))
            .await?;
        let Some(route) = &got.value.route else {
            let message = format!("{} has no route; its newest version answers", args.name);
            return Err(CliError::new(Exit::Failed, message));
        };
        let text = about_route(&args.name, route);
        show::tell(args.remote.output, &got, |_| text);
        return Ok(());
    }
    let model = model(&mut client, &args.name).await?;
    let version = version(&model, args.version.as_deref())
        .map_err(|message| CliError::new(Exit::Failed, message))?;
    let path = format!(
        "/v1/models/{}/versions/{}",
        quote(&args.name),
        quote(version)
    );
    let got = client.get::<PipelineInfo>(&path).await?;
    show::tell(args.remote.output, &got, text);
    Ok(())
}

fn about_route(name: &str, route: &RouteInfo) -> String {
    let spec = route.manifest.get("spec");
    let part = |key: &str| spec.and_then(|spec| spec.get(key));
    let json = |key: &str| part(key).map(Value::to_string).unwrap_or_default();
    let ready = if route.ready {
        "yes"
    } else {
        "no: versions that it needs are out of service"
    };
    let salt = part("salt").and_then(Value::as_str).unwrap_or_default();
    let split: Vec<String> = route.split.iter().map(share).collect();
    let rules: Vec<String> = part("rules")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(rule)
        .collect();
    show::fields([
        ("name", name.to_owned()),
        ("digest", route.digest.clone()),
        ("ready", ready.to_owned()),
        ("serves without", route.out_of_service.join(", ")),
        ("rules", rules.join("\n")),
        ("sticky", json("sticky")),
        ("split", split.join("\n")),
        ("salt", show::one_line(salt)),
        ("fallback", json("fallback")),
        ("open circuits", route.open_circuits.join(", ")),
        ("mirrors", json("mirror")),
        ("experiment", json("experiment")),
        ("pins", json("pin")),
    ])
}

/// A version's share in a route.
fn share(share: &ShareInfo) -> String {
    let ShareInfo {
        version,
        weight,
        percent,
    } = share;
    let percent = (percent * 100.0).round() / 100.0;
    format!("version {version}: weight {weight}, {percent}% of the requests that match no rule")
}

/// A rule of a route, as its manifest writes it.
fn rule(rule: &Value) -> String {
    let version = rule.get("version").and_then(Value::as_str);
    let when = rule.get("when").cloned().unwrap_or_default();
    let percent = rule.get("percent").cloned().unwrap_or_default();
    show::one_line(&format!(
        "{when} → version {}, {percent}%",
        version.unwrap_or("?")
    ))
}

/// Asks the server for a name's versions.
pub(super) async fn model(client: &mut Client, name: &str) -> Result<ModelInfo, ClientError> {
    Ok(client
        .get(&format!("/v1/models/{}", quote(name)))
        .await?
        .value)
}

/// Resolves a version or a label; without either, the version that answers by default.
pub(super) fn version<'a>(model: &'a ModelInfo, word: Option<&str>) -> Result<&'a str, String> {
    // Kept and draining versions are out of service and can't be named.
    let served = || {
        let is_served = |about: &&VersionInfo| {
            !matches!(about.condition, Condition::Kept | Condition::Draining)
        };
        model
            .versions
            .iter()
            .filter(is_served)
            .map(|about| about.version.as_str())
    };
    let Some(word) = word else {
        let versions = || served().next_back();
        return model
            .answers
            .as_deref()
            .or_else(versions)
            .ok_or_else(|| format!("{} has no version", model.name));
    };
    let version = served().find(|version| *version == word);
    let label = || {
        model
            .labels
            .iter()
            .find(|label| label.label == word)
            .map(|label| label.version.as_str())
    };
    version.or_else(label).ok_or_else(|| {
        let versions = served();
        let labels = model.labels.iter().map(|label| label.label.as_str());
        let known: Vec<&str> = versions.chain(labels).collect();
        format!(
            "{} has no version or label `{word}`; it has: {}",
            model.name,
            known.join(", ")
        )
    })
}

fn text(about: &PipelineInfo) -> String {
    let parts = if about.nodes.is_empty() {
        stages(about)
    } else {
        nodes(about)
    };
    format!("{}\n\n{}\n\n{parts}", head(about), ports(about))
}

fn head(about: &PipelineInfo) -> String {
    let figures = &about.about;
    show::fields([
        ("name", about.name.clone()),
        ("version", figures.version.clone()),
        ("labels", about.labels.join(" ")),
        ("condition", get::condition(figures.condition).to_owned()),
        ("digest", figures.digest.clone()),
        ("brought", brought(about)),
        ("answered", figures.answered.to_string()),
        ("failed", figures.failed.to_string()),
        ("p50", show::latency(figures.p50_ms)),
        ("p99", show::latency(figures.p99_ms)),
        ("golden tests", about.tests.join(", ")),
    ])
}

/// The revision that put the version in service.
fn brought(about: &PipelineInfo) -> String {
    let Some(revision) = &about.revision else {
        return String::new();
    };
    let since = about.since.as_deref().unwrap_or("an unknown time");
    let actor = about.actor.as_deref().unwrap_or("unknown");
    format!("by revision {revision} at {since}, {actor}")
}

fn ports(about: &PipelineInfo) -> String {
    let port = |direction: &str, port: &PortInfo| {
        let sizes: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
        [
            direction.to_owned(),
            port.name.clone(),
            port.datatype.clone(),
            format!("[{}]", sizes.join(", ")),
        ]
    };
    let inputs = about.inputs.iter().map(|input| port("in", input));
    let outputs = about.outputs.iter().map(|output| port("out", output));
    show::table(
        ["direction", "tensor", "datatype", "shape"],
        inputs.chain(outputs),
    )
}

fn nodes(about: &PipelineInfo) -> String {
    let rows = about
        .nodes
        .iter()
        .flat_map(|node| (0..node.members.len()).map(move |member| (node, member)));
    let header = [
        "node",
        "kind",
        "asks",
        "how",
        "merge",
        "digest",
        "written at",
    ];
    show::table(header, rows.map(node))
}

fn stages(about: &PipelineInfo) -> String {
    let header = [
        "stage",
        "role",
        "component",
        "digest",
        "files",
        "mean",
        "instances",
    ];
    show::table(header, about.stages.iter().map(stage))
}

/// One member of a node; what the node does with all its members is printed with the first.
fn node((node, index): (&NodeInfo, usize)) -> [String; 7] {
    let member = &node.members[index];
    let merge = node
        .merge
        .iter()
        .filter(|_| index == 0)
        .map(|(output, method)| format!("{output} {method}"));
    [
        node.name.clone(),
        node.kind.clone(),
        format!("{}/{}", member.pipeline, member.version),
        how(node, index),
        merge.collect::<Vec<_>>().join("\n"),
        show::short(&member.digest),
        member.place.clone(),
    ]
}

/// How a member is called, and whether its failure matters.
fn how(node: &NodeInfo, index: usize) -> String {
    let member = &node.members[index];
    let mut how = Vec::new();
    if node.kind == "ensemble" {
        how.push(if member.soft { "soft" } else { "hard" }.to_owned());
    }
    if let Some(weight) = member.weight {
        let sum: f64 = node.members.iter().filter_map(|member| member.weight).sum();
        how.push(format!(
            "weight {weight}, {}%",
            (weight / sum * 10_000.0).round() / 100.0
        ));
    }
    how.extend(
        member
            .timeout_ms
            .map(|timeout| format!("within {}", show::latency(Some(timeout)))),
    );
    if index == 0 {
        how.extend(
            node.sticky
                .as_ref()
                .map(|sticky| format!("sticky by {sticky}")),
        );
        how.extend(
            node.default
                .as_ref()
                .map(|default| format!("else {default}")),
        );
    }
    how.join(", ")
}

fn stage(stage: &StageInfo) -> [String; 7] {
    let files: Vec<String> = stage
        .files
        .iter()
        .map(|(name, digest)| format!("{name} {}", show::short(digest)))
        .collect();
    let engines: Vec<String> = stage
        .engines
        .iter()
        .map(|engine| format!("on {engine}"))
        .collect();
    let instances = &stage.instances;
    [
        stage.name.clone(),
        stage.role.clone(),
        once(&stage.describes)
            .chain(&engines)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        show::short(&stage.component),
        files.join("\n"),
        show::latency(stage.mean_ms),
        match instances.min {
            Some(min) => format!("{} of {min} to {}", instances.exist, instances.max),
            None => format!("{} of {}", instances.exist, instances.max),
        },
    ]
}

#[cfg(test)]
mod tests;
