//! `placement`: the evidence for where guests run (docs/decisions/0003-where-guests-run.md).
//!
//! Compares three placements: *inline*, on the I/O thread that has the request; *away*, always on
//! the compute pool; *hybrid*, as `place` decides. Measures the cost of a request of a few
//! microseconds, and the delay of the I/O threads' timers, and so of their sockets, while one guest
//! per I/O thread spins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hotstage_core::datatype::Datatype;
use hotstage_core::failure::Failure;
use hotstage_core::request::Payload;
use hotstage_core::tensor::{Shape, Tensor};
use hotstage_engine::Tensors;
use hotstage_server::executors::compute::{ComputePool, Pace};
use hotstage_server::serving::pipeline::Pipeline;
use tokio::task::JoinSet;

use crate::Outcome;
use crate::chain::Case;
use crate::deploy::Host;
use crate::measure::{Effort, cpu, median, percentile};
use crate::origin::Origin;
use crate::table::{Line, Table, tell};

/// Requests in flight.
const TASKS: usize = 16;
/// Interval of the timer.
const PERIOD: Duration = Duration::from_millis(1);

/// A guest that spins until its time limit.
const SPINS: &str = "apiVersion: hotstage.dev/v1
kind: Pipeline
metadata: { name: spins, version: \"1\" }
spec:
  stages:
    - { name: spins, role: model, component: spins, limits: { time: 300ms } }
";
/// The input that makes it spin.
const SPIN: f32 = 13.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Inline,
    Away,
    Hybrid,
}

impl Where {
    const ALL: [Self; 3] = [Self::Inline, Self::Away, Self::Hybrid];

    const fn name(self) -> &'static str {
        match self {
            Self::Inline => "inline",
            Self::Away => "away",
            Self::Hybrid => "hybrid",
        }
    }
}

/// A pipeline with a placement.
#[derive(Clone)]
struct Site {
    at: Where,
    pipeline: Arc<Pipeline>,
    compute: tokio::runtime::Handle,
    place: ComputePool,
    pace: Arc<Pace>,
}

impl Site {
    fn new(at: Where, pipeline: &Arc<Pipeline>, host: &Host) -> Self {
        let (pipeline, pace) = (Arc::clone(pipeline), Arc::default());
        Self {
            at,
            pipeline,
            compute: host.compute.handle().clone(),
            place: host.place(),
            pace,
        }
    }

    async fn run(&self, payload: Payload) -> Result<Tensors, Failure> {
        let (pipeline, pace) = (Arc::clone(&self.pipeline), Arc::clone(&self.pace));
        let chain = async move {
            let began = Instant::now();
            let mut now = began;
            let result = pipeline.run(&mut now, payload).await;
            pace.learn(now - began);
            result
        };
        match self.at {
            Where::Inline => chain.await,
            Where::Away => match self.compute.spawn(chain).await {
                Ok(result) => result,
                Err(error) => Err(Failure::invalid(error.to_string())),
            },
            Where::Hybrid => self.place.run(&self.pace, Box::pin(chain)).await,
        }
    }
}

pub(crate) fn measure(origin: &Origin, effort: &Effort, table: &mut Table) -> Outcome {
    tell("placement");
    let host = Host::open(origin)?;
    throughput(origin, &host, effort, table)?;
    if !origin.has_guest("spins") {
        let guests = origin.guests.display();
        table.note(format!(
            "placement beside spinning guests left out: no guest programs in {guests}"
        ));
        return Ok(());
    }
    let spins = host.load(&host.write("spins.yaml", SPINS.as_bytes())?)?;
    report_lateness("timers, idle", lateness(&host, None, effort.round)?, table);
    for at in Where::ALL {
        let site = Site::new(at, &spins, &host);
        let late = lateness(&host, Some(&site), effort.round)?;
        report_lateness(
            &format!("timers while guests spin {}", at.name()),
            late,
            table,
        );
    }
    Ok(())
}

fn throughput(origin: &Origin, host: &Host, effort: &Effort, table: &mut Table) -> Outcome {
    let case = Arc::new(Case::tumor(host, origin)?);
    let mut figures = Where::ALL.map(|_| (Vec::new(), Vec::new()));
    for round in 0..=effort.rounds {
        for (at, (per_second, cpu_each)) in Where::ALL.into_iter().zip(&mut figures) {
            let site = Site::new(at, &case.pipeline, host);
            let began = (Instant::now(), cpu("self")?);
            let answers = f64::from(answers(host, &case, &site, effort.round)?);
            // The first round warms up.
            if round > 0 {
                per_second.push(answers / began.0.elapsed().as_secs_f64());
                cpu_each.push((cpu("self")? - began.1).as_secs_f64() * 1e6 / answers);
            }
        }
    }
    let mut medians =
        figures.map(|(mut per_second, mut cpu)| (median(&mut per_second), median(&mut cpu)));
    let [inline, others @ ..] = &mut medians;
    table.push(Line::alone("placement inline: chain", "/s", inline.0));
    table.push(Line::alone(
        "placement inline: CPU per chain",
        "µs",
        inline.1,
    ));
    for (at, (per_second, cpu)) in Where::ALL.into_iter().skip(1).zip(others) {
        let name = at.name();
        table.push(Line::ratio(
            format!("placement {name} (floor: inline): chain"),
            "/s",
            *per_second,
            inline.0,
        ));
        table.push(Line::ratio(
            format!("placement {name} (floor: inline): CPU per chain"),
            "µs",
            *cpu,
            inline.1,
        ));
    }
    Ok(())
}

/// The number of requests answered in `duration`.
fn answers(host: &Host, case: &Arc<Case>, site: &Site, duration: Duration) -> Outcome<u32> {
    host.io.block_on(async {
        let end = Instant::now() + duration;
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            let (case, site) = (Arc::clone(case), site.clone());
            tasks.spawn_on(
                async move {
                    let mut answers = 0_u32;
                    while Instant::now() < end {
                        site.run(case.payload()?).await?;
                        answers += 1;
                        // A connection would wait for its client here.
                        tokio::task::yield_now().await;
                    }
                    Outcome::Ok(answers)
                },
                host.io.handle(),
            );
        }
        let mut answers = 0;
        while let Some(ended) = tasks.join_next().await {
            answers += ended??;
        }
        Ok(answers)
    })
}

/// The delays of a timer on the I/O runtime, in nanoseconds.
fn lateness(host: &Host, spinning: Option<&Site>, duration: Duration) -> Outcome<Vec<u64>> {
    let end = Instant::now() + duration;
    let spinners = host.io.metrics().num_workers();
    let mut tasks = JoinSet::new();
    for site in spinning
        .into_iter()
        .cycle()
        .take(if spinning.is_some() { spinners } else { 0 })
    {
        let site = site.clone();
        let spin = async move {
            while Instant::now() < end {
                let spin_input = Tensor::new(
                    Datatype::Fp32,
                    Shape::from_slice(&[1]),
                    SPIN.to_le_bytes().to_vec().into(),
                )?;
                // Every call reaches its time limit.
                let _ = site.run(Payload::Tensors(vec![spin_input])).await;
            }
            Outcome::Ok(())
        };
        tasks.spawn_on(spin, host.io.handle());
    }
    let timer = host.io.spawn(async move {
        let mut late = Vec::new();
        while Instant::now() < end {
            let due = Instant::now() + PERIOD;
            tokio::time::sleep_until(due.into()).await;
            late.push(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX));
        }
        late
    });
    host.io.block_on(async {
        let late = timer.await?;
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(late)
    })
}

fn report_lateness(what: &str, mut late: Vec<u64>, table: &mut Table) {
    let mut at = |percent| Duration::from_nanos(percentile(&mut late, percent)).as_secs_f64() * 1e3;
    table.push(Line::alone(format!("{what}: late, p99"), "ms", at(99)));
    table.push(Line::alone(format!("{what}: late, at most"), "ms", at(100)));
}
