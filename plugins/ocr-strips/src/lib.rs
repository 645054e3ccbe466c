//! Runs an ONNX graph on cropped lines of different lengths, for networks that take strips of a
//! fixed height.
//!
//! Each line is scaled to the height of a strip and keeps its aspect ratio; lines with similar
//! ratios are computed together, and shorter ones are padded. The output is either a row of scores
//! for each line, or, along its length, the best class and its score. Bounds: `max_width` columns
//! of a strip and of a call; `call_width` may allow more per call.

use hotstage_raster::CHANNELS;
use hotstage_sdk::graphs::Graph;
use hotstage_sdk::{
    Datatype, Failure, Files, Inputs, Model, OpenError, Outputs, Signature, Tensor, any, export,
    size,
};

use crate::answers::Answers;
use crate::batches::{Batch, batches};
use crate::lines::Lines;
use crate::settings::{Answer, Settings};

mod answers;
mod batches;
mod lines;
mod settings;

/// The levels of all lines, one after another.
const CROPS: &str = "crops";
/// Height and width of each line.
const SIZES: &str = "crop_sizes";
/// Scores for each line, one of which says whether it is upside down.
const TURN: &str = "turn";

/// An open graph, and the parameters of its strips.
#[derive(Debug)]
pub struct Strips {
    settings: Settings,
    normaliser: hotstage_raster::Normaliser,
    graph: Graph,
    /// The number of scores per line that the graph declares; 0 if it does not.
    classes: u64,
}

impl Model for Strips {
    type Settings = Settings;
    const SUMMARY: &'static str = "Computes an ONNX graph on cut-out lines of different lengths.";

    fn open(settings: Settings, _files: &Files) -> Result<(Self, Signature), OpenError> {
        settings.check().map_err(OpenError::settings)?;
        let graph = Graph::open(&settings.file, &settings.options())?;
        let classes = fits(&graph.signature(), &settings).map_err(OpenError::file)?;
        let mut signature = Signature::new()
            .input(CROPS, Datatype::Uint8, [any()])
            .input(SIZES, Datatype::Int64, [any(), size(2)]);
        if settings.turn.is_some() {
            signature = signature.input(TURN, Datatype::Fp32, [any(), any()]);
        }
        signature = match settings.answer {
            Answer::Scores => signature.output("scores", Datatype::Fp32, [any(), any()]),
            Answer::Path => signature
                .output("classes", Datatype::Int64, [any(), any()])
                .output("scores", Datatype::Fp32, [any(), any()]),
        };
        let normaliser = hotstage_raster::Normaliser::new(settings.mean, settings.std);
        Ok((
            Self {
                settings,
                normaliser,
                graph,
                classes,
            },
            signature,
        ))
    }

    fn infer(&mut self, inputs: &mut Inputs, outputs: &mut Outputs) -> Result<(), Failure> {
        let lines =
            Lines::new(inputs.slice(SIZES)?, inputs.slice(CROPS)?).map_err(Failure::internal)?;
        let turned = match &self.settings.turn {
            Some(turn) => turn.which(inputs.get(TURN)?, lines.len())?,
            None => vec![false; lines.len()],
        };
        let mut answers = Answers::new(self.settings.answer, lines.len());
        for batch in batches(&lines, &self.settings) {
            let most = (self.settings.call_width / batch.width).max(1);
            for members in batch.members.chunks(most) {
                let strips = self.strips(&lines, &turned, &batch, members)?;
                let answered = self.graph.compute(vec![strips])?;
                answers
                    .take(members, answered.first())
                    .map_err(Failure::internal)?;
            }
        }
        answers.put(outputs, self.classes, self.settings.blank)
    }
}

impl Strips {
    /// A tensor of strips, each as wide as the batch.
    fn strips(
        &self,
        lines: &Lines<'_>,
        turned: &[bool],
        batch: &Batch,
        members: &[usize],
    ) -> Result<Tensor, Failure> {
        let height = self.settings.height;
        let mut strips = Tensor::zeros::<f32>(&[members.len(), CHANNELS, height, batch.width])?;
        let each = strips
            .slice_mut::<f32>()?
            .chunks_exact_mut(CHANNELS * height * batch.width);
        for (member, strip) in members.iter().zip(each) {
            let Some(line) = lines.get(*member) else {
                continue;
            };
            let width = batches::width(&line, &self.settings).min(batch.width);
            let upside_down = turned
                .get(*member)
                .is_some_and(|turned| *turned)
                .then(|| line.upside_down());
            let line = upside_down
                .as_ref()
                .map_or(line, hotstage_raster::Raster::view);
            self.normaliser
                .write(&line.resized(width, height).view(), batch.width, strip);
        }
        Ok(strips)
    }
}

/// Checks that the graph takes strips and has the output that the settings need; returns its
/// declared number of classes.
fn fits(graph: &Signature, settings: &Settings) -> Result<u64, String> {
    let file = &settings.file;
    let may_be = |port: &hotstage_sdk::Port, shape: &[Option<usize>]| {
        let fits = |(has, want): (&Option<u64>, &Option<usize>)| {
            has.zip(*want)
                .is_none_or(|(has, want)| usize::try_from(has) == Ok(want))
        };
        port.datatype == Datatype::Fp32
            && port.shape.len() == shape.len()
            && port.shape.iter().zip(shape).all(fits)
    };
    let (height, width) = (settings.height, (!settings.widen).then_some(settings.width));
    let [input] = &graph.inputs[..] else {
        return Err(format!(
            "`{file}` takes {} inputs; one, of strips, is needed",
            graph.inputs.len()
        ));
    };
    if !may_be(input, &[None, Some(CHANNELS), Some(height), width]) {
        return Err(format!(
            "`{file}`: its input `{}` takes no strips: FP32 [-1, 3, {height}, -1]",
            input.name
        ));
    }
    let rank = match settings.answer {
        Answer::Scores => 2,
        Answer::Path => 3,
    };
    match graph.outputs.first() {
        Some(output) if may_be(output, &vec![None; rank]) => {
            Ok(output.shape.last().copied().flatten().unwrap_or(0))
        }
        _ => Err(format!(
            "`{file}`: its first output is not FP32 of {rank} dimensions, which `settings.answer` asks for"
        )),
    }
}

export!(model: Strips);

#[cfg(test)]
mod tests;
