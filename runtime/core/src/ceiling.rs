//! Ceilings: the largest values that the operator lets a manifest request under `limits`, and the
//! check of a manifest against them.
//!
//! A ceiling has the name of its key: `limits.memory` may be `--max-stage-memory` at most.
//! Defaults: [`StageLimits::ceiling`], above what pipelines commonly need. Bound: a ceiling can't
//! exceed [`STAGE_LIMITS_MAX`]. A key that is not written is checked with its default value.

use std::time::Duration;

use crate::limits::{Instances, STAGE_LIMITS_MAX, StageLimits};
use crate::quantity::{show_bytes, show_duration};

/// One limit that is above its ceiling.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{asked} is more than the {allowed} that this server allows; ask for less here, or start it with a higher {flag}"
)]
pub struct Beyond {
    /// The path of keys under `limits`.
    pub path: &'static [&'static str],
    /// The value in the manifest.
    pub asked: String,
    /// The largest value allowed.
    pub allowed: String,
    /// The flag that sets the ceiling.
    pub flag: &'static str,
}

impl StageLimits {
    /// The default ceilings.
    pub fn ceiling() -> Self {
        let instances = Instances {
            min: Some(256),
            max: 256,
            ..STAGE_LIMITS_MAX.instances.clone()
        };
        Self {
            memory: 4 << 30,
            time: Duration::from_secs(60),
            output_bytes: 4 << 30,
            held_bytes: 4 << 30,
            handles: 1 << 16,
            log_bytes: 1 << 20,
            instances,
        }
    }

    /// Every limit above its ceiling, in the order of the keys.
    pub fn beyond(&self, ceiling: &Self) -> Vec<Beyond> {
        // By name, so that a new limit can't be forgotten here.
        let Self {
            memory,
            time,
            output_bytes,
            handles,
            held_bytes,
            log_bytes,
            instances,
        } = self;
        // `reuse` costs nothing that a ceiling could bound.
        let Instances {
            min,
            max,
            idle,
            reuse: _,
        } = instances;
        let (most, least) = (&ceiling.instances, min.unwrap_or(0).max(*max));
        let bytes =
            |path, asked: u64, allowed: u64, flag| above(path, asked, allowed, show_bytes, flag);
        let times =
            |path, asked: Duration, allowed, flag| above(path, asked, allowed, show_duration, flag);
        let count = |path, asked: u32, allowed: u32, flag| {
            above(path, asked, allowed, |count| count.to_string(), flag)
        };
        let found = [
            bytes(&["memory"], *memory, ceiling.memory, "--max-stage-memory"),
            times(&["time"], *time, ceiling.time, "--max-stage-time"),
            bytes(
                &["output_bytes"],
                *output_bytes,
                ceiling.output_bytes,
                "--max-stage-output-bytes",
            ),
            count(
                &["handles"],
                *handles,
                ceiling.handles,
                "--max-stage-handles",
            ),
            bytes(
                &["held_bytes"],
                *held_bytes,
                ceiling.held_bytes,
                "--max-stage-held-bytes",
            ),
            bytes(
                &["log_bytes"],
                (*log_bytes).into(),
                ceiling.log_bytes.into(),
                "--max-stage-log-bytes",
            ),
            count(&["instances"], least, most.max, "--max-stage-instances"),
            times(&["instances", "idle"], *idle, most.idle, "--max-stage-idle"),
        ];
        found.into_iter().flatten().collect()
    }
}

fn above<T: PartialOrd + Copy>(
    path: &'static [&'static str],
    asked: T,
    allowed: T,
    show: impl Fn(T) -> String,
    flag: &'static str,
) -> Option<Beyond> {
    (asked > allowed).then(|| Beyond {
        path,
        asked: show(asked),
        allowed: show(allowed),
        flag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_ceiling() {
        let ceiling = StageLimits::ceiling();
        assert_eq!(StageLimits::default().beyond(&ceiling), []);
        assert_eq!(ceiling.beyond(&ceiling), []);
        let found: Vec<String> = STAGE_LIMITS_MAX
            .beyond(&StageLimits {
                memory: 64 << 20,
                output_bytes: 1,
                instances: Instances::default(),
                ..ceiling
            })
            .iter()
            .map(|found| {
                format!(
                    "{} {} {} {}",
                    found.path.join("."),
                    found.asked,
                    found.allowed,
                    found.flag
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "memory 4GiB 64MiB --max-stage-memory",
                "time 1h 1m --max-stage-time",
                "output_bytes 4GiB 1B --max-stage-output-bytes",
                "handles 1048576 65536 --max-stage-handles",
                "log_bytes 16MiB 1MiB --max-stage-log-bytes",
                "instances 1024 16 --max-stage-instances",
                "instances.idle 24h 5m --max-stage-idle",
            ]
        );
    }

    #[test]
    fn no_ceiling_is_above_what_any_manifest_may_say() {
        assert_eq!(StageLimits::ceiling().beyond(&STAGE_LIMITS_MAX), []);
    }
}
