//! Reports the results of mirrors.

use std::sync::atomic::Ordering::Relaxed;

use hotstage_core::agreement::{Agreement, Severity};
use hotstage_core::datatype::Datatype;
use hotstage_core::request::Payload;
use hotstage_core::signature::Port;
use serde_json::{Value, json};

use super::{Control, ControlError, ErrorKind};
use crate::codecs::oip::document::show;
use crate::serving::counts::histogram::quantile_ms;
use crate::serving::mirror::{Example, Mirror, Window};
use hotstage_client::{MirrorExample, MirrorInfo, MirrorWindow, Mirrors, OutputAgreement};

impl Control {
    /// The mirrors of a name's route.
    pub fn mirrors(&self, name: &str) -> Result<Mirrors, ControlError> {
        let route = self.model(name)?.route;
        let snapshot = self.serving.registry.read();
        let routing = snapshot.model(name).and_then(|model| model.routing());
        let mirrors = routing.map_or(&[][..], |routing| routing.mirrors());
        if mirrors.is_empty() {
            let why = if route.is_some() {
                "the route has no `mirror`"
            } else {
                "there is no route"
            };
            return Err(ControlError::new(
                ErrorKind::NotFound,
                format!("nothing is mirrored for `{name}`: {why}"),
            ));
        }
        Ok(Mirrors {
            name: name.to_owned(),
            mirrors: mirrors.iter().map(|mirror| info(mirror)).collect(),
        })
    }
}

fn info(mirror: &Mirror) -> MirrorInfo {
    let ports = &mirror.signature().outputs;
    let durations = mirror.counts.durations.buckets();
    let report = mirror.report();
    MirrorInfo {
        version: mirror.pipeline.version.clone(),
        percent: mirror.settings.percent,
        waiting: mirror.waiting() as u64,
        sent: mirror.counts.sent.load(Relaxed),
        dropped: mirror.counts.dropped.load(Relaxed),
        p50_ms: quantile_ms(&durations, 0.5),
        p99_ms: quantile_ms(&durations, 0.99),
        all: window(&report.all, ports),
        windows: report
            .windows
            .iter()
            .map(|seen| window(seen, ports))
            .collect(),
        worst: report
            .worst
            .iter()
            .map(|example| shown(example, mirror))
            .collect(),
    }
}

fn window(window: &Window, ports: &[Port]) -> MirrorWindow {
    MirrorWindow {
        seconds_ago: window.began.elapsed().as_secs_f64(),
        compared: window.compared,
        disagreed: window.disagreed,
        failed: window.failed,
        failure: window.failure.clone(),
        outputs: ports
            .iter()
            .zip(&window.outputs)
            .map(|(port, seen)| output(port, seen))
            .collect(),
    }
}

fn output(port: &Port, seen: &Agreement) -> OutputAgreement {
    let is_float = matches!(
        port.datatype,
        Datatype::Fp16 | Datatype::Bf16 | Datatype::Fp32 | Datatype::Fp64
    );
    OutputAgreement {
        name: port.name.clone(),
        datatype: port.datatype.name().to_owned(),
        shapes_differ: seen.shapes,
        elements: seen.elements,
        agreement: seen.share(),
        max_abs: is_float.then_some(seen.max),
        mean_abs: if is_float { seen.mean() } else { None },
    }
}

fn shown(example: &Example, mirror: &Mirror) -> MirrorExample {
    let signature = mirror.signature();
    let named = |ports| -> Vec<&str> {
        Iterator::map(<[Port]>::iter(ports), |port: &Port| port.name.as_str()).collect()
    };
    let outputs =
        |tensors| json!({ "outputs": show(named(&signature.outputs).into_iter().zip(tensors)) });
    let request: Value = match &example.request {
        Payload::Tensors(inputs) => {
            json!({ "inputs": show(named(&signature.inputs).into_iter().zip(inputs)) })
        }
        Payload::Raw {
            content_type,
            content,
        } => {
            json!({ "content_type": content_type, "bytes": content.data().len() })
        }
    };
    let Severity {
        shapes,
        unequal,
        difference,
    } = example.severity;
    MirrorExample {
        shapes_differ: shapes,
        unequal,
        max_abs: difference,
        request,
        answer: outputs(&example.answer),
        mirrored: outputs(&example.mirrored),
    }
}
