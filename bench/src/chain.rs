//! `chain`: three warm stages in this process, compared with the same steps as plain functions.
//!
//! The difference is the cost of the sandbox: entering and leaving three instances, and copying
//! tensors. One request at a time; its bytes are allocated anew each time, as by a decoder. In
//! `rewrite` the first stage reads and changes the tensor and the second reads it; in `pass on` no
//! stage reads it, so the floor does nothing.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::tensor::{Shape, Tensor};
use hotstage_engine::Tensors;
use hotstage_server::executors::compute::ComputePool;
use hotstage_server::serving::pipeline::Pipeline;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::Outcome;
use crate::deploy::Host;
use crate::measure::{Effort, Side, compare};
use crate::origin::Origin;
use crate::question;
use crate::steps::Steps;
use crate::table::{Goal, Line, Table, tell};

/// Microseconds above the floor, by the number of floats.
const GOALS: [(usize, f64); 2] = [(30, 5.0), (150_528, 350.0)];
const SIZES: [usize; 2] = [3_072, 150_528];
/// Scores of the made-up models.
const CLASSES: usize = 8;

/// One pipeline and its floor.
pub(crate) struct Case {
    name: String,
    pub(crate) pipeline: Arc<Pipeline>,
    shape: Shape,
    bytes: Vec<u8>,
    floor: Floor,
}

enum Floor {
    Steps(Steps),
    Nothing,
}

impl Case {
    /// The example: 30 floats.
    pub(crate) fn tumor(host: &Host, origin: &Origin) -> Outcome<Self> {
        let manifest = origin.manifest();
        Ok(Self {
            name: "chain, rewrite".to_owned(),
            pipeline: host.load(&manifest)?,
            shape: Shape::from_slice(&[1, 30]),
            bytes: question::row(origin)?,
            floor: Floor::Steps(Steps::of(&manifest)?),
        })
    }

    /// The same stages with any number of columns.
    fn wide(host: &Host, floats: usize) -> Outcome<Self> {
        host.write(&format!("weights-{floats}.safetensors"), &weights(floats)?)?;
        let manifest = host.write(
            &format!("rewrite-{floats}.yaml"),
            wide_manifest(floats)?.as_bytes(),
        )?;
        Ok(Self {
            name: "chain, rewrite".to_owned(),
            pipeline: host.load(&manifest)?,
            shape: Shape::from_slice(&[1, floats as u64]),
            bytes: some_floats(floats, 100.0),
            floor: Floor::Steps(Steps::of(&manifest)?),
        })
    }

    /// Three stages that do not read their input.
    fn pass_on(host: &Host, floats: usize) -> Outcome<Self> {
        Self::passing_on(host, floats, "pass-on.yaml", PASS_ON)
    }

    /// The same with a fresh instance of each stage for each call.
    fn fresh(host: &Host, floats: usize) -> Outcome<Self> {
        let fresh = |line: &str| match line.strip_suffix(" }") {
            Some(stage) if line.starts_with("    - ") => {
                format!("{stage}, limits: {{ instances: {{ reuse: never }} }} }}\n")
            }
            _ => format!("{line}\n"),
        };
        Self::passing_on(
            host,
            floats,
            "fresh.yaml",
            &PASS_ON.lines().map(fresh).collect::<String>(),
        )
    }

    fn passing_on(host: &Host, floats: usize, file: &str, text: &str) -> Outcome<Self> {
        let manifest = host.write(file, text.as_bytes())?;
        Ok(Self {
            name: "chain, pass on".to_owned(),
            pipeline: host.load(&manifest)?,
            shape: Shape::from_slice(&[floats as u64]),
            bytes: some_floats(floats, 1.0),
            floor: Floor::Nothing,
        })
    }

    /// One request with bytes of its own.
    pub(crate) fn payload(&self) -> Outcome<Payload> {
        Ok(Payload::Tensors(vec![self.input()?]))
    }

    fn input(&self) -> Outcome<Tensor> {
        Ok(Tensor::new(
            Datatype::Fp32,
            self.shape.clone(),
            Bytes::from(self.bytes.clone()),
        )?)
    }

    fn floats(&self) -> usize {
        self.bytes.len() / 4
    }

    /// Both sides must give the same answer.
    fn check(&self, host: &Host) -> Outcome {
        let place = host.place();
        let ours = host
            .io
            .block_on(self.pipeline.infer(&place, self.payload()?))?
            .outputs;
        let floor = self.floor.run(vec![self.input()?])?;
        let is_same = ours.len() == floor.len()
            && ours
                .iter()
                .zip(&floor)
                .all(|(ours, floor)| is_close(ours, floor));
        if is_same {
            Ok(())
        } else {
            Err(format!("{}: ours answered {ours:?}, the floor {floor:?}", self.name).into())
        }
    }

    fn measure(&self, host: &Host, effort: &Effort, table: &mut Table) -> Outcome {
        tell(&format!("{} of {} floats", self.name, self.floats()));
        self.check(host)?;
        let place = host.place();
        let [run, infer, floor] = compare(
            effort,
            [
                self.ours_run(host),
                self.ours_infer(host, &place),
                self.floor(),
            ],
        )?;
        let goal = GOALS
            .into_iter()
            .find(|(floats, _)| *floats == self.floats())
            .map(|(_, goal)| Goal::AtMost(goal));
        for (how, ours) in [("stages", run), ("stages + placement", infer)] {
            let what = format!("{}, {} floats: {how}", self.name, self.floats());
            let line = Line::difference(what, "µs", ours, floor);
            table.push(goal.into_iter().fold(line, Line::goal));
        }
        Ok(())
    }

    fn ours_run<'a>(&'a self, host: &'a Host) -> Side<'a> {
        Box::new(move |times| {
            host.io.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    black_box(
                        self.pipeline
                            .run(&mut Instant::now(), self.payload()?)
                            .await?,
                    );
                }
                Ok(began.elapsed())
            })
        })
    }

    fn ours_infer<'a>(&'a self, host: &'a Host, place: &'a ComputePool) -> Side<'a> {
        Box::new(move |times| {
            host.io.block_on(async {
                let began = Instant::now();
                for _ in 0..times {
                    black_box(self.pipeline.infer(place, self.payload()?).await?);
                }
                Ok(began.elapsed())
            })
        })
    }

    fn floor(&self) -> Side<'_> {
        Box::new(move |times| {
            let began = Instant::now();
            for _ in 0..times {
                black_box(self.floor.run(black_box(vec![self.input()?]))?);
            }
            Ok(began.elapsed())
        })
    }
}

impl Floor {
    fn run(&self, inputs: Vec<Tensor>) -> Result<Tensors, Failure> {
        match self {
            Self::Steps(steps) => steps.run(&inputs),
            Self::Nothing => Ok(inputs),
        }
    }
}

/// Exponentials may differ in their last bits between the host and the sandbox.
fn is_close(ours: &Tensor, floor: &Tensor) -> bool {
    if ours.datatype() != Datatype::Fp32 {
        return ours == floor;
    }
    let floats = |tensor: &Tensor| -> Vec<f32> {
        tensor
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect()
    };
    let (ours, floor) = (floats(ours), floats(floor));
    ours.len() == floor.len()
        && ours
            .iter()
            .zip(&floor)
            .all(|(ours, floor)| (ours - floor).abs() < 1e-5)
}

/// Pseudo-random numbers between 0 and `scale`, the same in every run.
fn some_floats(count: usize, scale: f32) -> Vec<u8> {
    let mut state = 7_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., high, higher] = state.to_le_bytes();
        f32::from(u16::from_le_bytes([high, higher])) / 65_536.0 * scale
    };
    (0..count).flat_map(|_| next().to_le_bytes()).collect()
}

fn weights(inputs: usize) -> Outcome<Vec<u8>> {
    let (weight, bias) = (
        some_floats(inputs * CLASSES, 0.001),
        some_floats(CLASSES, 1.0),
    );
    let views = [
        (
            "0.weight",
            TensorView::new(Dtype::F32, vec![CLASSES, inputs], &weight)?,
        ),
        ("0.bias", TensorView::new(Dtype::F32, vec![CLASSES], &bias)?),
    ];
    Ok(serialize(views, None)?)
}

fn wide_manifest(floats: usize) -> Outcome<String> {
    let list = |value: &str| vec![value; floats].join(", ");
    let (mean, std) = (list("50.5"), list("29.25"));
    let mut text = String::new();
    write!(
        text,
        "apiVersion: hotstage.dev/v1
kind: Pipeline
metadata: {{ name: rewrite, version: \"1\" }}
spec:
  stages:
    - {{ name: scale, role: preprocess, component: scale, settings: {{ mean: [{mean}], std: [{std}] }} }}
    - {{ name: classify, role: model, component: mlp, files: {{ weights: ./weights-{floats}.safetensors }} }}
    - {{ name: label, role: postprocess, component: labels, settings: {{ labels: [a, b, c, d, e, f, g, h] }} }}
"
    )?;
    Ok(text)
}

const PASS_ON: &str = "apiVersion: hotstage.dev/v1
kind: Pipeline
metadata: { name: pass-on, version: \"1\" }
spec:
  stages:
    - { name: first, role: preprocess, component: echo_pre }
    - { name: second, role: model, component: echo }
    - { name: third, role: postprocess, component: echo_post, inputs: { x: y } }
";

/// Measures all sizes.
pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    let host = Host::open(origin)?;
    Case::tumor(&host, origin)?.measure(&host, effort, table)?;
    for floats in SIZES {
        Case::wide(&host, floats)?.measure(&host, effort, table)?;
    }
    if !origin.has_guest("echo") {
        table.note(format!(
            "`pass on` left out: no guest programs in {}; build them first",
            origin.guests.display()
        ));
        return Ok(());
    }
    for floats in [30].into_iter().chain(SIZES) {
        Case::pass_on(&host, floats)?.measure(&host, effort, table)?;
    }
    measure_fresh(&host, effort, table)
}

/// The cost of a fresh instance for each call (`instances: { reuse: never }`).
fn measure_fresh(host: &Host, effort: &Effort, table: &mut Table) -> Outcome {
    let (fresh, warm) = (Case::fresh(host, 30)?, Case::pass_on(host, 30)?);
    tell("three fresh instances for each call");
    fresh.check(host)?;
    let [fresh, warm] = compare(effort, [fresh.ours_run(host), warm.ours_run(host)])?;
    table.push(Line::difference(
        "chain, pass on, 30 floats: three fresh instances, beside warm ones",
        "µs",
        fresh,
        warm,
    ));
    Ok(())
}

/// Runs one chain in a loop.
pub(crate) fn profile(origin: &Origin, floats: usize, duration: Duration) -> Outcome {
    let host = Host::open(origin)?;
    let case = if floats == 30 {
        Case::tumor(&host, origin)?
    } else {
        Case::wide(&host, floats)?
    };
    case.check(&host)?;
    let mut side = case.ours_run(&host);
    let (began, mut requests, mut took) = (Instant::now(), 0_u32, Duration::ZERO);
    while began.elapsed() < duration {
        took += side(100)?;
        requests += 100;
    }
    tell(&format!(
        "{requests} requests, {:.3} µs each",
        took.as_secs_f64() * 1e6 / f64::from(requests)
    ));
    Ok(())
}
