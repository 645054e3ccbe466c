//! Collects the graph's outputs batch by batch, in the order of the lines.
//!
//! Of a path only the best class at each position is kept, so that an alphabet of thousands needs
//! no memory. Bound: two numbers for each position of each line.

use hotstage_sdk::{Failure, Outputs, Tensor};

use crate::settings::Answer;

/// A row per line; rows may differ in length until the end.
#[derive(Debug)]
pub(crate) struct Answers {
    answer: Answer,
    classes: Vec<Vec<i64>>,
    scores: Vec<Vec<f32>>,
}

impl Answers {
    pub(crate) fn new(answer: Answer, lines: usize) -> Self {
        Self {
            answer,
            classes: vec![Vec::new(); lines],
            scores: vec![Vec::new(); lines],
        }
    }

    /// Stores the graph's outputs for some of the lines.
    pub(crate) fn take(
        &mut self,
        members: &[usize],
        answered: Option<&Tensor>,
    ) -> Result<(), String> {
        let answered = answered.ok_or("the graph answered nothing")?;
        let scores = answered.slice::<f32>().map_err(|error| error.to_string())?;
        let size = |place: usize| {
            answered
                .shape()
                .get(place)
                .and_then(|size| usize::try_from(*size).ok())
                .unwrap_or(0)
        };
        let rows = size(0);
        if rows != members.len() {
            return Err(format!(
                "the graph answered {rows} rows to {} strips",
                members.len()
            ));
        }
        let each = scores.chunks_exact((scores.len() / rows.max(1)).max(1));
        for (member, row) in members.iter().zip(each) {
            let Some((classes, kept)) = self
                .classes
                .get_mut(*member)
                .zip(self.scores.get_mut(*member))
            else {
                continue;
            };
            match self.answer {
                Answer::Scores => *kept = row.to_vec(),
                Answer::Path => {
                    for place in row.chunks_exact(size(2).max(1)) {
                        let (class, score) =
                            best(place).ok_or("the graph answered NaN for a place of a line")?;
                        classes.push(class);
                        kept.push(score);
                    }
                }
            }
        }
        Ok(())
    }

    /// Pads rows to the same length; without lines, to the length that the graph declares.
    pub(crate) fn put(
        mut self,
        outputs: &mut Outputs,
        classes: u64,
        blank: u32,
    ) -> Result<(), Failure> {
        let lines = self.scores.len();
        let longest = self.scores.iter().map(Vec::len).max();
        let length = match self.answer {
            Answer::Scores => longest.unwrap_or_else(|| usize::try_from(classes).unwrap_or(0)),
            Answer::Path => longest.unwrap_or(0),
        };
        self.scores
            .iter_mut()
            .for_each(|row| row.resize(length, 0.0));
        outputs.put_slice("scores", &[lines, length], &self.scores.concat())?;
        if self.answer == Answer::Path {
            self.classes
                .iter_mut()
                .for_each(|row| row.resize(length, i64::from(blank)));
            outputs.put_slice("classes", &[lines, length], &self.classes.concat())?;
        }
        Ok(())
    }
}

/// The first of the largest scores, and its class. Sixteen at a time, because there may be
/// thousands.
fn best(scores: &[f32]) -> Option<(i64, f32)> {
    let larger = |a: f32, b: f32| if a < b { b } else { a };
    let mut largest = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = scores.as_chunks::<16>();
    for chunk in chunks {
        for (largest, score) in largest.iter_mut().zip(chunk) {
            *largest = larger(*largest, *score);
        }
    }
    let largest = largest
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, larger);
    let class = scores.iter().position(|score| *score == largest)?;
    Some((i64::try_from(class).ok()?, largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_largest_is_best() {
        let mut scores: Vec<f32> = vec![0.25; 40];
        assert_eq!(best(&scores), Some((0, 0.25)));
        scores[33] = 0.5;
        scores[39] = 0.5;
        assert_eq!(best(&scores), Some((33, 0.5)));
        assert_eq!(best(&[f32::NAN, f32::NAN]), None);
        assert_eq!(best(&[f32::NAN, 0.1]), Some((1, 0.1)));
    }
}
