//! `hotstage diff`: shows what `apply` would change, and which lines of the canonical manifests
//! differ.

use hotstage_core::digest::Digest;
use hotstage_core::manifest::{ComponentRef, Resolved, Written, canonical_text};
use serde_json::{Value, json};

use super::apply::{Manifests, try_out};
use super::client::{Client, quote};
use super::{CliError, Exit, Output, Remote, console, lines, show, upload};
use hotstage_client::{ChangeMade, PipelineInfo, What};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    manifests: Manifests,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<Exit, CliError> {
    let mut client = args.remote.client()?;
    let gathered = args.manifests.gather()?;
    upload::send(&mut client, &gathered.files).await?;
    let got = try_out(&mut client, gathered.documents).await?;
    let exit = if got.value.changes.is_empty() {
        Exit::Done
    } else {
        Exit::Different
    };
    if args.remote.output == Output::Json {
        show::json(&got.body);
        return Ok(exit);
    }
    for change in &got.value.changes {
        console::print(&show::change(change));
        let is_meant = |(_, resolved): &&(Written, Resolved)| {
            resolved.name.as_str() == change.pipeline && resolved.version.as_str() == change.version
        };
        if change.what == What::Replaced
            && let Some((written, resolved)) = gathered.manifests.iter().find(is_meant)
        {
            for line in replaced(&mut client, change, written, resolved).await? {
                console::print(&format!("  {}", show::one_line(&line)));
            }
        }
    }
    if exit == Exit::Done {
        console::print(&format!("no difference from revision {}", got.value.head));
    }
    Ok(exit)
}

async fn replaced(
    client: &mut Client,
    change: &ChangeMade,
    written: &Written,
    resolved: &Resolved,
) -> Result<Vec<String>, CliError> {
    let path = format!(
        "/v1/models/{}/versions/{}",
        quote(&change.pipeline),
        quote(&change.version)
    );
    let served: PipelineInfo = client.get(&path).await?.value;
    let wanted = wanted(
        written,
        resolved,
        &served.manifest,
        change.digest.as_deref(),
    );
    Ok(lines::difference(
        &pretty(&served.manifest),
        &pretty(&wanted),
    ))
}

/// The canonical manifest that the server would make. Only the server can resolve a component that
/// is named without a digest. If the component served now gives the expected digest, it is that
/// one; else the manifest shows the name.
fn wanted(written: &Written, resolved: &Resolved, served: &Value, digest: Option<&str>) -> Value {
    let Ok(mut wanted) = serde_json::from_str::<Value>(&resolved.canonical()) else {
        return Value::Null;
    };
    let stages = &written.pipeline().stages;
    let named: Vec<usize> = (0..stages.len())
        .filter(|&index| matches!(stages[index].component, ComponentRef::Box { .. }))
        .collect();
    for &index in &named {
        let component = component_served(served, stages[index].name.as_str());
        put_component(&mut wanted, index, component.cloned().unwrap_or_default());
    }
    if digest != Some(&Digest::of(canonical_text(&wanted).as_bytes()).to_string()) {
        for &index in &named {
            let name = format!("{}, as the server has it", stages[index].component);
            put_component(&mut wanted, index, json!(name));
        }
    }
    wanted
}

fn component_served<'a>(manifest: &'a Value, stage: &str) -> Option<&'a Value> {
    let stages = manifest.pointer("/spec/stages")?.as_array()?;
    stages
        .iter()
        .find(|found| found.get("name").and_then(Value::as_str) == Some(stage))?
        .get("component")
}

fn put_component(manifest: &mut Value, stage: usize, component: Value) {
    if let Some(place) = manifest.pointer_mut(&format!("/spec/stages/{stage}/component")) {
        *place = component;
    }
}

fn pretty(manifest: &Value) -> String {
    serde_json::to_string_pretty(manifest).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::gather::gather;
    use hotstage_server::files::Allowed;

    fn manifest(component: &str, mean: f64) -> (Written, Resolved) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        let text = json!({
            "apiVersion": "hotstage.dev/v1", "kind": "Pipeline", "metadata": { "name": "a", "version": "1" },
            "spec": { "stages": [
                { "name": "s", "role": "model", "component": component, "settings": { "mean": mean } },
            ] },
        });
        std::fs::write(&file, text.to_string()).unwrap();
        gather(&[file], &Allowed::default())
            .unwrap()
            .manifests
            .remove(0)
    }

    #[test]
    fn a_component_by_name_is_the_one_that_is_served_if_that_makes_the_digest() {
        let component = Digest::of(b"scale").to_string();
        let (_, served) = manifest(&component, 1.0);
        let served: Value = serde_json::from_str(&served.canonical()).unwrap();
        let (_, exact) = manifest(&component, 2.0);
        let (written, resolved) = manifest("scale", 2.0);
        let same = wanted(
            &written,
            &resolved,
            &served,
            Some(&exact.digest().to_string()),
        );
        assert_eq!(canonical_text(&same), exact.canonical());
        let difference = lines::difference(&pretty(&served), &pretty(&same));
        let marked: Vec<&String> = difference
            .iter()
            .filter(|line| !line.starts_with(' '))
            .collect();
        assert_eq!(marked.len(), 2, "{difference:?}");
        assert!(marked[0].contains("\"mean\": 1") && marked[1].contains("\"mean\": 2"));
        let other = wanted(&written, &resolved, &served, None);
        assert_eq!(
            other.pointer("/spec/stages/0/component").unwrap(),
            "scale, as the server has it"
        );
    }
}
