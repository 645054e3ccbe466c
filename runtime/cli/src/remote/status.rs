//! `hotstage status`: shows the state of a server.

use super::{CliError, Remote, show};
use hotstage_client::Status;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    remote: Remote,
}

pub(super) async fn run(args: &Args) -> Result<(), CliError> {
    let got = args.remote.client()?.get::<Status>("/v1/status").await?;
    show::tell(args.remote.output, &got, text);
    Ok(())
}

fn text(status: &Status) -> String {
    let failures = status.out_of_service.iter().map(|failed| {
        let version = failed
            .version
            .as_deref()
            .map_or_else(|| "route".to_owned(), |version| format!("/{version}"));
        let gap = if failed.version.is_some() { "" } else { " " };
        format!(
            "{}{gap}{version}: {}; {}",
            failed.name,
            failed.why.trim_end(),
            failed.remedy
        )
    });
    let mut failures: Vec<String> = failures.collect();
    let more = status.failed.saturating_sub(failures.len() as u64);
    failures.extend((more > 0).then(|| format!("and {more} more: `hotstage get` lists them")));
    let ready = match (&status.why, status.ready) {
        (Some(why), false) => format!("no: {why}"),
        (None, false) => "no".to_owned(),
        (_, true) => "yes".to_owned(),
    };
    show::fields([
        ("server", status.version.clone()),
        ("ready", ready),
        ("inference", status.inference.clone()),
        ("revision", status.head.to_string()),
        ("up for", uptime(status.uptime_seconds)),
        ("versions ready", status.pipelines.to_string()),
        ("loading", status.loading.to_string()),
        ("out of service", failures.join("\n")),
        ("not applied", status.not_applied.join("\n")),
        ("kept", status.kept.to_string()),
        ("draining", status.draining.to_string()),
        (
            "requests",
            format!("{} so far, {} in flight", status.requests, status.in_flight),
        ),
        ("connections", status.connections.to_string()),
        (
            "memory",
            status.resident_bytes.map(show::bytes).unwrap_or_default(),
        ),
    ])
}

/// A duration in at most two units.
pub(super) fn uptime(seconds: f64) -> String {
    // An out-of-range float saturates, which is harmless here.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "fractions of a second are not shown"
    )]
    let seconds = seconds as i64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptime_has_two_units_at_most() {
        for (seconds, expect) in [
            (7.9, "7 s"),
            (125.0, "2 min 5 s"),
            (3700.0, "1 h 1 min"),
            (180_000.0, "2 d 2 h"),
        ] {
            assert_eq!(uptime(seconds), expect);
        }
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let text = text(&Status {
            version: "0.1.0".to_owned(),
            ..Status::default()
        });
        assert!(text.contains("0.1.0") && !text.contains("memory"), "{text}");
    }
}
