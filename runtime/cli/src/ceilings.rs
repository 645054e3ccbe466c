//! Ceilings on a manifest's `limits`: one flag for each key, for every verb that opens pipelines.
//!
//! Default and bound: the ceilings built into the engine; a flag can only lower one.

use std::time::Duration;

use hotstage_core::limits::{IDLE_MIN, Instances, STAGE_LIMITS_MAX, StageLimits};
use hotstage_core::quantity::{parse_bytes, parse_duration, show_bytes, show_duration};

/// Ceilings on `limits`. A manifest that asks for more is refused.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Ceilings on a manifest's limits")]
pub(super) struct Ceilings {
    /// Memory of one instance.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4GiB",
        value_parser = bytes(STAGE_LIMITS_MAX.memory)
    )]
    max_stage_memory: u64,
    /// Time of one call.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "60s",
        value_parser = time(STAGE_LIMITS_MAX.time)
    )]
    max_stage_time: Duration,
    /// Bytes that one call returns.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4GiB",
        value_parser = bytes(STAGE_LIMITS_MAX.output_bytes)
    )]
    max_stage_output_bytes: u64,
    /// Buffers that one instance holds.
    #[arg(
        long,
        value_name = "N",
        default_value_t = StageLimits::ceiling().handles,
        value_parser = count(STAGE_LIMITS_MAX.handles)
    )]
    max_stage_handles: u32,
    /// Bytes of buffers that one instance keeps between calls.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "4GiB",
        value_parser = bytes(STAGE_LIMITS_MAX.held_bytes)
    )]
    max_stage_held_bytes: u64,
    /// Bytes that one call logs.
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1MiB",
        value_parser = bytes(STAGE_LIMITS_MAX.log_bytes.into())
    )]
    max_stage_log_bytes: u64,
    /// Instances of one stage.
    #[arg(
        long,
        value_name = "N",
        default_value_t = StageLimits::ceiling().instances.max,
        value_parser = count(STAGE_LIMITS_MAX.instances.max)
    )]
    max_stage_instances: u32,
    /// Time that an unused instance is kept.
    #[arg(
        long,
        value_name = "TIME",
        default_value = "24h",
        value_parser = time(STAGE_LIMITS_MAX.instances.idle)
    )]
    max_stage_idle: Duration,
}

impl Ceilings {
    pub(super) fn resolve(&self) -> StageLimits {
        StageLimits {
            memory: self.max_stage_memory,
            time: self.max_stage_time,
            output_bytes: self.max_stage_output_bytes,
            handles: self.max_stage_handles,
            held_bytes: self.max_stage_held_bytes,
            log_bytes: u32::try_from(self.max_stage_log_bytes).unwrap_or(u32::MAX),
            instances: Instances {
                min: Some(self.max_stage_instances),
                max: self.max_stage_instances,
                idle: self.max_stage_idle,
                reuse: StageLimits::ceiling().instances.reuse,
            },
        }
    }
}

fn bytes(most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |text| {
        let bytes = parse_bytes(text).map_err(|error| error.to_string())?;
        let fits = (1..=most).contains(&bytes);
        fits.then_some(bytes)
            .ok_or_else(|| format!("must be from 1B to {}", show_bytes(most)))
    }
}

fn time(
    most: Duration,
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |text| {
        let time = parse_duration(text).map_err(|error| error.to_string())?;
        let least = if most > STAGE_LIMITS_MAX.time {
            IDLE_MIN
        } else {
            Duration::from_micros(1)
        };
        let fits = (least..=most).contains(&time);
        fits.then_some(time).ok_or_else(|| {
            format!(
                "must be from {} to {}",
                show_duration(least),
                show_duration(most)
            )
        })
    }
}

fn count(most: u32) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(most))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        ceilings: Ceilings,
    }

    #[test]
    fn the_flags_default_to_the_ceiling() {
        let parsed = Only::try_parse_from(["x"]).unwrap();
        assert_eq!(parsed.ceilings.resolve(), StageLimits::ceiling());
    }

    #[test]
    fn each_flag_moves_its_own_ceiling() {
        let parsed =
            |flag: &str| Only::try_parse_from(["x", flag]).map(|parsed| parsed.ceilings.resolve());
        assert_eq!(parsed("--max-stage-memory=64MiB").unwrap().memory, 64 << 20);
        assert_eq!(
            parsed("--max-stage-time=1500ms").unwrap().time,
            Duration::from_millis(1500)
        );
        assert_eq!(
            parsed("--max-stage-output-bytes=5").unwrap().output_bytes,
            5
        );
        assert_eq!(parsed("--max-stage-handles=7").unwrap().handles, 7);
        assert_eq!(
            parsed("--max-stage-log-bytes=2KiB").unwrap().log_bytes,
            2048
        );
        assert_eq!(parsed("--max-stage-instances=3").unwrap().instances.max, 3);
        assert_eq!(
            parsed("--max-stage-idle=1h").unwrap().instances.idle,
            Duration::from_secs(3600)
        );
        for wrong in [
            "--max-stage-memory=5GiB",
            "--max-stage-time=2h",
            "--max-stage-time=5",
            "--max-stage-handles=0",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
