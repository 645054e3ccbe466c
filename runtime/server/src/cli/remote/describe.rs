//! `hotstage describe`: everything about one version, or about a route.

use std::iter::once;

use serde_json::Value;

use super::client::{Client, Trouble, quote};
use super::{Ending, Exit, Remote, get, show};
use crate::api::{MemberInfo, ModelInfo, NodeInfo, PipelineInfo, PortInfo, RouteInfo, ShareInfo, StageInfo};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The name that clients call.
    name: String,
    /// A version or a label [default: the version that answers when none is asked for].
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// The name's route: who answers what share, and why.
    #[arg(long, conflicts_with = "version")]
    route: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), Ending> {
    let mut client = args.remote.client()?;
    if args.route {
        let got = client.get::<ModelInfo>(&format!("/v1/models/{}", quote(&args.name))).await?;
        let Some(route) = &got.value.route else {
            let message = format!("{} has no route; its newest version answers", args.name);
            return Err(Ending::new(Exit::Failed, message));
        };
        let text = about_route(&args.name, route);
        show::tell(args.remote.output, &got, |_| text);
        return Ok(());
    }
    let model = model(&mut client, &args.name).await?;
    let version = version(&model, args.version.as_deref()).map_err(|message| Ending::new(Exit::Failed, message))?;
    let path = format!("/v1/models/{}/versions/{}", quote(&args.name), quote(version));
    let got = client.get::<PipelineInfo>(&path).await?;
    show::tell(args.remote.output, &got, text);
    Ok(())
}

fn about_route(name: &str, route: &RouteInfo) -> String {
    let spec = route.manifest.get("spec");
    let part = |key: &str| spec.and_then(|spec| spec.get(key));
    let lines = |values: &[String]| values.join("\n");
    let split: Vec<String> = route
        .split
        .iter()
        .map(|ShareInfo { version, weight, percent }| {
            format!("version {version}: weight {weight}, {}% of what no rule takes", (percent * 100.0).round() / 100.0)
        })
        .collect();
    let rule = |rule: &Value| {
        let (version, percent) = (rule.get("version").and_then(Value::as_str), rule.get("percent"));
        let (when, percent) = (rule.get("when").cloned().unwrap_or_default(), percent.cloned().unwrap_or_default());
        format!("{when} → version {}, {percent}%", version.unwrap_or("?"))
    };
    let rules: Vec<String> = part("rules").and_then(Value::as_array).into_iter().flatten().map(rule).collect();
    show::fields([
        ("name", name.to_owned()),
        ("digest", route.digest.clone()),
        ("ready", if route.ready { "yes" } else { "no: a version that it names is not loaded" }.to_owned()),
        ("rules", lines(&rules)),
        ("sticky", part("sticky").map(Value::to_string).unwrap_or_default()),
        ("split", lines(&split)),
        ("salt", part("salt").and_then(Value::as_str).unwrap_or_default().to_owned()),
        ("fallback", part("fallback").map(Value::to_string).unwrap_or_default()),
        ("open circuits", route.open_circuits.join(", ")),
        ("mirrors", part("mirror").map(Value::to_string).unwrap_or_default()),
        ("experiment", part("experiment").map(Value::to_string).unwrap_or_default()),
        ("pins", part("pin").map(Value::to_string).unwrap_or_default()),
    ])
}

/// What is known about a name.
pub(super) async fn model(client: &mut Client, name: &str) -> Result<ModelInfo, Trouble> {
    Ok(client.get(&format!("/v1/models/{}", quote(name))).await?.value)
}

/// The version that a word means: a version, else a label, else the one that answers.
pub(super) fn version<'a>(model: &'a ModelInfo, word: Option<&str>) -> Result<&'a str, String> {
    let Some(word) = word else {
        let versions = || model.versions.last().map(|about| about.version.as_str());
        return model.answers.as_deref().or_else(versions).ok_or_else(|| format!("{} has no version", model.name));
    };
    let version = model.versions.iter().map(|about| about.version.as_str()).find(|version| *version == word);
    let label = || model.labels.iter().find(|label| label.label == word).map(|label| label.version.as_str());
    version.or_else(label).ok_or_else(|| {
        let versions = model.versions.iter().map(|about| about.version.as_str());
        let labels = model.labels.iter().map(|label| label.label.as_str());
        let known: Vec<&str> = versions.chain(labels).collect();
        format!("{} has no version or label `{word}`; it has: {}", model.name, known.join(", "))
    })
}

fn text(about: &PipelineInfo) -> String {
    let figures = &about.about;
    let brought = match (&about.revision, &about.since, &about.actor) {
        (Some(revision), since, actor) => {
            let since = since.as_deref().unwrap_or("an unknown time");
            format!("by revision {revision} at {since}, {}", actor.as_deref().unwrap_or("unknown"))
        }
        _ => String::new(),
    };
    let head = show::fields([
        ("name", about.name.clone()),
        ("version", figures.version.clone()),
        ("labels", about.labels.join(" ")),
        ("condition", get::condition(figures.condition).to_owned()),
        ("digest", figures.digest.clone()),
        ("brought", brought),
        ("answered", figures.answered.to_string()),
        ("failed", figures.failed.to_string()),
        ("half of them under", show::latency(figures.p50_ms)),
        ("99 of 100 under", show::latency(figures.p99_ms)),
        ("golden tests", about.tests.join(", ")),
    ]);
    let port = |way: &str, port: &PortInfo| {
        let sizes: Vec<String> = port.shape.iter().map(ToString::to_string).collect();
        [way.to_owned(), port.name.clone(), port.datatype.clone(), format!("[{}]", sizes.join(", "))]
    };
    let inputs = about.inputs.iter().map(|input| port("in", input));
    let outputs = about.outputs.iter().map(|output| port("out", output));
    let ports = show::table(["way", "tensor", "datatype", "shape"], inputs.chain(outputs));
    if !about.nodes.is_empty() {
        let rows = about.nodes.iter().flat_map(|node| node.members.iter().map(move |member| (node, member)));
        let nodes = show::table(["node", "kind", "asks", "digest", "written at"], rows.map(node));
        return format!("{head}\n\n{ports}\n\n{nodes}");
    }
    let header = ["stage", "role", "component", "digest", "files", "mean", "instances"];
    let stages = show::table(header, about.stages.iter().map(stage));
    format!("{head}\n\n{ports}\n\n{stages}")
}

fn node((node, member): (&NodeInfo, &MemberInfo)) -> [String; 5] {
    let asks = format!("{}/{}", member.pipeline, member.version);
    [node.name.clone(), node.kind.clone(), asks, show::short(&member.digest), member.place.clone()]
}

fn stage(stage: &StageInfo) -> [String; 7] {
    let files: Vec<String> =
        stage.files.iter().map(|(name, digest)| format!("{name} {}", show::short(digest))).collect();
    let engines: Vec<String> = stage.engines.iter().map(|engine| format!("on {engine}")).collect();
    let instances = &stage.instances;
    [
        stage.name.clone(),
        stage.role.clone(),
        once(&stage.describes).chain(&engines).map(String::as_str).collect::<Vec<_>>().join("\n"),
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
mod tests {
    use super::*;
    use crate::api::{LabelInfo, VersionInfo};

    #[test]
    fn a_word_is_a_version_or_a_label() {
        let about = |version: &str| VersionInfo { version: version.to_owned(), ..VersionInfo::default() };
        let model = ModelInfo {
            name: "tumor".to_owned(),
            answers: Some("2".to_owned()),
            versions: vec![about("1"), about("2")],
            labels: vec![LabelInfo { label: "stable".to_owned(), version: "1".to_owned() }],
            ..ModelInfo::default()
        };
        for (word, expect) in [(None, "2"), (Some("1"), "1"), (Some("stable"), "1")] {
            assert_eq!(version(&model, word), Ok(expect));
        }
        let error = version(&model, Some("3")).unwrap_err();
        assert_eq!(error, "tumor has no version or label `3`; it has: 1, 2, stable");
    }

    #[test]
    fn a_description_has_its_parts() {
        let about = PipelineInfo {
            name: "tumor".to_owned(),
            revision: Some(3),
            inputs: vec![PortInfo { name: "x".to_owned(), datatype: "FP32".to_owned(), shape: vec![-1, 30] }],
            stages: vec![StageInfo { name: "scale".to_owned(), ..StageInfo::default() }],
            ..PipelineInfo::default()
        };
        let text = text(&about);
        for part in ["tumor", "by revision 3", "[-1, 30]", "scale"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
