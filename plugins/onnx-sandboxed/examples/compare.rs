//! Measures a graph natively, with the component's code, for comparison.
//!
//! `cargo run --release -p hotstage-plugin-onnx-sandboxed --example compare -- FILE [CALLS] [SIZE]`
//! prints the time of opening, and the fastest and the median call. Default: 20 calls, and size 1
//! for each dynamic dimension. Every input is filled with a pattern of small numbers; a graph whose
//! inputs are not FP32 is refused.

use std::io::Write;
use std::time::{Duration, Instant};

use hotstage_plugin_onnx_sandboxed::Onnx;
use hotstage_sdk::{Datatype, Files, Port, Tensor, testing};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut words = std::env::args().skip(1);
    let file = words.next().ok_or("which file?")?;
    let calls: usize = words.next().map_or(Ok(20), |word| word.parse())?;
    let open_size: u64 = words.next().map_or(Ok(1), |word| word.parse())?;
    let files = Files::from_map([("model", std::fs::read(file)?)]);
    let start = Instant::now();
    let mut bench = testing::open_model::<Onnx>(serde_json::json!({}), files)?;
    let opened = start.elapsed();
    let ports = bench.signature().inputs.clone();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..calls.max(1) {
        let inputs = ports
            .iter()
            .map(|port| Ok((port.name.clone(), pattern(port, open_size)?)));
        let inputs = inputs.collect::<Outcome<Vec<_>>>()?;
        let start = Instant::now();
        bench.call(inputs)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (fastest, median) = (times[0], times[times.len() / 2]);
    writeln!(
        std::io::stdout(),
        "opened in {opened:.1?}; fastest call {fastest:.2?}, median {median:.2?}"
    )?;
    Ok(())
}

fn pattern(port: &Port, open_size: u64) -> Outcome<Tensor> {
    if port.datatype != Datatype::Fp32 {
        return Err(format!("input `{}` is {}", port.name, port.datatype).into());
    }
    let shape: Vec<usize> = port
        .shape
        .iter()
        .map(|size| size.unwrap_or(open_size))
        .map(usize::try_from)
        .collect::<Result<_, _>>()?;
    let elements = shape.iter().product::<usize>();
    let data: Vec<f32> = (0_u8..=250)
        .cycle()
        .take(elements)
        .map(|step| f32::from(step) / 250.0 - 0.5)
        .collect();
    Ok(Tensor::f32(&shape, data)?)
}
