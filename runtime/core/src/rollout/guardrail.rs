//! Converts the deployment guardrails of Amazon SageMaker to a rollout.
//!
//! Reads the `DeploymentConfig` of its API (`BlueGreenUpdatePolicy` or `RollingUpdatePolicy`, and
//! `AutoRollbackConfiguration`). Sizes become shares of the traffic, as there is no fleet here to
//! count. The old version stays ready to answer for `TerminationWaitInSeconds`, which becomes a
//! last step of 100 percent. An alarm is the guard of the same name.

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Config {
    blue_green_update_policy: Option<BlueGreen>,
    rolling_update_policy: Option<Rolling>,
    auto_rollback_configuration: Option<AutoRollback>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct BlueGreen {
    traffic_routing_configuration: Routing,
    #[serde(default)]
    termination_wait_in_seconds: u64,
    maximum_execution_timeout_in_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Routing {
    r#type: String,
    canary_size: Option<Size>,
    linear_step_size: Option<Size>,
    #[serde(default)]
    wait_interval_in_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Rolling {
    maximum_batch_size: Size,
    wait_interval_in_seconds: u64,
    maximum_execution_timeout_in_seconds: Option<u64>,
    #[serde(rename = "RollbackMaximumBatchSize")]
    _rollback_size: Option<Size>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Size {
    r#type: String,
    value: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct AutoRollback {
    #[serde(default)]
    alarms: Vec<Alarm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Alarm {
    alarm_name: String,
}

/// The keys of the rollout's spec for a deployment configuration. `guards` are the names of the
/// guards that exist.
pub fn guardrail(text: &str, guards: &[&str]) -> Result<Value, String> {
    let config: Config = serde_json::from_str(text)
        .map_err(|error| format!("is not a deployment configuration: {error}"))?;
    for Alarm { alarm_name } in config
        .auto_rollback_configuration
        .iter()
        .flat_map(|rollback| &rollback.alarms)
    {
        if !guards.contains(&alarm_name.as_str()) {
            return Err(format!(
                "the alarm `{alarm_name}` is watched by CloudWatch, which this server does not query; say what it means with \
                 --guard errors=0.01,name={alarm_name}"
            ));
        }
    }
    let (steps, timeout) = match (
        config.blue_green_update_policy,
        config.rolling_update_policy,
    ) {
        (Some(policy), None) => (
            blue_green(&policy)?,
            policy.maximum_execution_timeout_in_seconds,
        ),
        (None, Some(policy)) => {
            let percent = percent(&policy.maximum_batch_size, "MaximumBatchSize")?;
            (
                linear(percent, policy.wait_interval_in_seconds, 0),
                policy.maximum_execution_timeout_in_seconds,
            )
        }
        _ => return Err("needs one of BlueGreenUpdatePolicy and RollingUpdatePolicy".to_owned()),
    };
    let step = |(percent, bake): &(f64, u64)| json!({ "percent": percent, "bake": seconds(*bake) });
    let mut spec = json!({ "steps": steps.iter().map(step).collect::<Vec<_>>() });
    if let Some(timeout) = timeout {
        spec["timeout"] = json!(seconds(timeout));
    }
    Ok(spec)
}

fn blue_green(policy: &BlueGreen) -> Result<Vec<(f64, u64)>, String> {
    let routing = &policy.traffic_routing_configuration;
    let (wait, last) = (
        routing.wait_interval_in_seconds,
        policy.termination_wait_in_seconds,
    );
    let size = |size: &Option<Size>, key: &str| {
        let size = size
            .as_ref()
            .ok_or_else(|| format!("TrafficRoutingConfiguration has no {key}"))?;
        percent(size, key)
    };
    match routing.r#type.as_str() {
        "ALL_AT_ONCE" => Ok(vec![(100.0, wait + last)]),
        "CANARY" => {
            let percent = size(&routing.canary_size, "CanarySize")?;
            if percent > 50.0 {
                return Err(format!("CanarySize is at most 50 percent, not {percent}"));
            }
            Ok(vec![(percent, wait), (100.0, last)])
        }
        "LINEAR" => Ok(linear(
            size(&routing.linear_step_size, "LinearStepSize")?,
            wait,
            last,
        )),
        other => Err(format!(
            "TrafficRoutingConfiguration.Type is ALL_AT_ONCE, CANARY or LINEAR, not `{other}`"
        )),
    }
}

fn linear(percent: f64, wait: u64, last: u64) -> Vec<(f64, u64)> {
    let steps = (1..)
        .map(|step| f64::from(step) * percent)
        .take_while(|reached| *reached < 100.0);
    let steps = steps.map(|reached| (reached, wait));
    steps.chain([(100.0, wait + last)]).collect()
}

fn percent(size: &Size, key: &str) -> Result<f64, String> {
    match size.r#type.as_str() {
        "CAPACITY_PERCENT" if (1.0..=100.0).contains(&size.value) => Ok(size.value),
        "CAPACITY_PERCENT" => Err(format!("{key}.Value is 1 to 100, not {}", size.value)),
        "INSTANCE_COUNT" => Err(format!(
            "{key} counts instances of a fleet; say CAPACITY_PERCENT: there is none here"
        )),
        other => Err(format!("{key}.Type is CAPACITY_PERCENT, not `{other}`")),
    }
}

/// At least the shortest time of a step.
fn seconds(seconds: u64) -> String {
    if seconds == 0 {
        "1ms".to_owned()
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routing(routing: &Value) -> String {
        json!({
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": 120,
                "MaximumExecutionTimeoutInSeconds": 1800,
            },
            "AutoRollbackConfiguration": { "Alarms": [{ "AlarmName": "errors" }] },
        })
        .to_string()
    }

    #[test]
    fn policies_are_steps() {
        let size = |value| json!({ "Type": "CAPACITY_PERCENT", "Value": value });
        let step = |percent: f64, bake: &str| json!({ "percent": percent, "bake": bake });
        for (given, expect) in [
            (json!({ "Type": "ALL_AT_ONCE" }), vec![step(100.0, "120s")]),
            (
                json!({ "Type": "CANARY", "CanarySize": size(30), "WaitIntervalInSeconds": 600 }),
                vec![step(30.0, "600s"), step(100.0, "120s")],
            ),
            (
                json!({ "Type": "LINEAR", "LinearStepSize": size(40), "WaitIntervalInSeconds": 60 }),
                vec![step(40.0, "60s"), step(80.0, "60s"), step(100.0, "180s")],
            ),
        ] {
            let spec = guardrail(&routing(&given), &["errors"]).unwrap();
            assert_eq!(spec, json!({ "steps": expect, "timeout": "1800s" }));
        }
        let rolling = json!({ "RollingUpdatePolicy": { "MaximumBatchSize": size(50), "WaitIntervalInSeconds": 5 } });
        let spec = guardrail(&rolling.to_string(), &[]).unwrap();
        assert_eq!(
            spec,
            json!({ "steps": [step(50.0, "5s"), step(100.0, "5s")] })
        );
    }

    #[test]
    fn what_has_no_meaning_here_is_refused() {
        let count =
            json!({ "Type": "CANARY", "CanarySize": { "Type": "INSTANCE_COUNT", "Value": 1 } });
        let large =
            json!({ "Type": "CANARY", "CanarySize": { "Type": "CAPACITY_PERCENT", "Value": 60 } });
        for (text, guards, expect) in [
            (
                routing(&json!({ "Type": "ALL_AT_ONCE" })),
                &[][..],
                "the alarm `errors` is watched by CloudWatch",
            ),
            (routing(&count), &["errors"], "say CAPACITY_PERCENT"),
            (routing(&large), &["errors"], "at most 50 percent"),
            (
                routing(&json!({ "Type": "SHADOW" })),
                &["errors"],
                "not `SHADOW`",
            ),
            ("{}".to_owned(), &[], "needs one of"),
            ("{\"Blue\": 1}".to_owned(), &[], "unknown field `Blue`"),
        ] {
            let message = guardrail(&text, guards).unwrap_err();
            assert!(message.contains(expect), "{message}");
        }
    }
}
