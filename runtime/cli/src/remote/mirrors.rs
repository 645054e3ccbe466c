//! `hotstage mirrors`: compares the answers of mirrored versions with those that clients got.

use super::client::quote;
use super::{CliError, Remote, show};
use hotstage_client::{MirrorExample, MirrorInfo, MirrorWindow, Mirrors, OutputAgreement};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the route.
    name: String,
    /// Show each minute by itself.
    #[arg(long)]
    windows: bool,
    /// Show the requests whose answers differ most, if the route keeps examples.
    #[arg(long)]
    examples: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let got = args
        .remote
        .client()?
        .get::<Mirrors>(&format!("/v1/models/{}/mirrors", quote(&args.name)))
        .await?;
    show::tell(args.remote.output, &got, |mirrors| {
        text(mirrors, args.windows, args.examples)
    });
    Ok(())
}

fn text(mirrors: &Mirrors, windows: bool, examples: bool) -> String {
    let mut parts = Vec::new();
    let header = [
        "version", "copies", "sent", "dropped", "waiting", "compared", "disagree", "failed", "p50",
        "p99",
    ];
    parts.push(show::table(header, mirrors.mirrors.iter().map(figures)));
    let header = [
        "version",
        "since",
        "output",
        "datatype",
        "elements",
        "equal",
        "mean |Δ|",
        "max |Δ|",
        "other shape",
    ];
    let rows = mirrors.mirrors.iter().flat_map(|mirror| {
        let each = if windows {
            &mirror.windows[..]
        } else {
            &[][..]
        };
        let seen = if windows {
            each.iter().collect()
        } else {
            vec![&mirror.all]
        };
        seen.into_iter()
            .flat_map(|window| rows(mirror, window))
            .collect::<Vec<_>>()
    });
    parts.push(show::table(header, rows));
    for mirror in &mirrors.mirrors {
        if let Some(failure) = &mirror.all.failure {
            parts.push(format!(
                "last failure of version {}: {failure}",
                mirror.version
            ));
        }
        for (number, found) in mirror.worst.iter().enumerate().filter(|_| examples) {
            parts.push(example(mirror, number + 1, found));
        }
    }
    parts.join("\n\n")
}

fn example(mirror: &MirrorInfo, number: usize, found: &MirrorExample) -> String {
    let MirrorExample {
        shapes_differ,
        unequal,
        max_abs,
        request,
        answer,
        mirrored,
    } = found;
    let mut differ = vec![format!("largest |Δ| {max_abs:.6}")];
    if *unequal > 0 {
        differ.insert(0, format!("{} not equal", show::count(*unequal, "element")));
    }
    if *shapes_differ > 0 {
        differ.insert(
            0,
            format!("{} of another shape", show::count(*shapes_differ, "output")),
        );
    }
    [
        format!(
            "version {}, example {number}: {}",
            mirror.version,
            differ.join(", ")
        ),
        format!("  request  {request}"),
        format!("  answer   {answer}"),
        format!("  mirrored {mirrored}"),
    ]
    .join("\n")
}

fn figures(mirror: &MirrorInfo) -> [String; 10] {
    let all = &mirror.all;
    [
        mirror.version.clone(),
        format!("{}%", mirror.percent),
        mirror.sent.to_string(),
        mirror.dropped.to_string(),
        mirror.waiting.to_string(),
        all.compared.to_string(),
        share(all.disagreed, all.compared),
        all.failed.to_string(),
        show::latency(mirror.p50_ms),
        show::latency(mirror.p99_ms),
    ]
}

fn rows<'a>(
    mirror: &'a MirrorInfo,
    window: &'a MirrorWindow,
) -> impl Iterator<Item = [String; 9]> + 'a {
    let number = |value: Option<f64>| value.map(|value| format!("{value:.6}")).unwrap_or_default();
    window.outputs.iter().map(move |output: &OutputAgreement| {
        [
            mirror.version.clone(),
            format!("{:.0} s ago", window.seconds_ago),
            output.name.clone(),
            output.datatype.clone(),
            output.elements.to_string(),
            output
                .agreement
                .map(|share| format!("{:.2}%", share * 100.0))
                .unwrap_or_default(),
            number(output.mean_abs),
            number(output.max_abs),
            output.shapes_differ.to_string(),
        ]
    })
}

/// A number, and its percentage of another.
fn share(part: u64, of: u64) -> String {
    let percent = if of == 0 {
        0.0
    } else {
        part as f64 / of as f64 * 100.0
    };
    format!("{part} ({percent:.2}%)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_shown_by_figures_and_outputs() {
        let output = OutputAgreement {
            name: "label".to_owned(),
            agreement: Some(0.9375),
            elements: 16,
            ..OutputAgreement::default()
        };
        let all = MirrorWindow {
            compared: 16,
            disagreed: 1,
            outputs: vec![output],
            ..MirrorWindow::default()
        };
        let worst = vec![MirrorExample {
            unequal: 1,
            max_abs: 0.25,
            ..MirrorExample::default()
        }];
        let mirror = MirrorInfo {
            version: "2".to_owned(),
            percent: 20.0,
            all,
            worst,
            ..MirrorInfo::default()
        };
        let text = text(
            &Mirrors {
                name: "m".to_owned(),
                mirrors: vec![mirror],
            },
            false,
            true,
        );
        for part in [
            "20%",
            "1 (6.25%)",
            "label",
            "93.75%",
            "example 1: 1 element not equal, largest |Δ| 0.250000",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
