//! Settings in the manifest, and the labels and the rule that result from them.
//!
//! Keys without an effect in combination with others are refused by name.

use std::collections::BTreeMap;

use hotstage_sdk::{Files, OpenError};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::Labels;
use crate::activation::Activation;
use crate::names::{self, Label, Names};
use crate::rank::Ranks;

/// Default threshold.
const THRESHOLD: f32 = 0.5;

/// Settings in the manifest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The labels, one for each column of the scores; all different. Two labels also accept a
    /// single column. Exclusive with `values` and `labels_file`.
    #[serde(default)]
    labels: Option<Vec<String>>,
    /// Integer labels: the output has the datatype INT64.
    #[serde(default)]
    values: Option<Vec<i64>>,
    /// The name, under the stage's `files`, of a file of labels: one per line, or JSON: a list,
    /// {"0": "cat"}, {"cat": 0}, or an object with such an object under "id2label".
    #[serde(default)]
    labels_file: Option<String>,
    /// The function that converts scores to probabilities, before thresholds and for the output.
    #[serde(default)]
    activation: Activation,
    /// With two labels: the score from which the second one wins. With `below`: the score under
    /// which a label is replaced. With `multi_label`: the score from which a label applies.
    /// Default: 0.5.
    #[serde(default)]
    threshold: Option<f32>,
    /// A threshold for each label; instead of `threshold`, with `below` or `multi_label`.
    #[serde(default)]
    thresholds: Option<Vec<f32>>,
    /// The answer in place of a label whose score is under its threshold.
    #[serde(default)]
    below: Option<Label>,
    /// The number of labels in the answer, in descending order of score. Default: 1. From 2 on the
    /// outputs have a second dimension.
    #[serde(default)]
    top_k: Option<usize>,
    /// Whether labels are independent: for each label, the answer says whether it applies.
    #[serde(default)]
    multi_label: bool,
    /// Name of the input.
    #[serde(default = "scores")]
    input: String,
    /// Names of the outputs.
    #[serde(default)]
    outputs: OutputNames,
    /// Whether each call observes the mean of its answers' scores as the stage's metric `score`, on
    /// which a rollout can guard.
    #[serde(default)]
    observe_score: bool,
}

fn scores() -> String {
    "scores".to_owned()
}

/// Names of the outputs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutputNames {
    /// Name of the output with the labels.
    pub(crate) label: String,
    /// Name of the output with their scores.
    pub(crate) score: String,
    /// Name of an optional output: every label's score, a column for each.
    pub(crate) scores: Option<String>,
    /// Name of an optional output: the labels, in the order of the columns.
    pub(crate) names: Option<String>,
}

impl Default for OutputNames {
    fn default() -> Self {
        Self {
            label: "label".to_owned(),
            score: "score".to_owned(),
            scores: None,
            names: None,
        }
    }
}

/// How labels are selected.
#[derive(Debug)]
pub(crate) enum Rule {
    /// The second of two labels from a score on, otherwise the first.
    Second { threshold: f32 },
    /// The largest scores, in order. With thresholds, a label under its own is replaced by `below`.
    Largest {
        top_k: usize,
        thresholds: Option<Thresholds>,
    },
    /// Each label whose score reaches its threshold.
    Each { thresholds: Thresholds },
}

/// The thresholds.
#[derive(Debug)]
pub(crate) enum Thresholds {
    Same(f32),
    Own(Vec<f32>),
}

impl Thresholds {
    pub(crate) fn of(&self, label: usize) -> f32 {
        match self {
            Self::Same(threshold) => *threshold,
            Self::Own(thresholds) => thresholds[label],
        }
    }
}

impl Settings {
    /// Validates the settings, and reads the file if there is one.
    pub(crate) fn check(mut self, files: &Files) -> Result<Labels, OpenError> {
        let (key, mut names) = self.names(files)?;
        let count = names.len();
        let (fewest, needed) = if self.multi_label {
            (1, "one is")
        } else {
            (2, "two are")
        };
        if count < fewest {
            let few = format!("settings.{key}: has {count} elements; at least {needed} needed");
            return Err(OpenError::settings(few));
        }
        let rule = self.rule(count).map_err(OpenError::settings)?;
        self.outputs.check(&rule).map_err(OpenError::settings)?;
        let Self {
            below,
            activation,
            input,
            outputs,
            observe_score,
            ..
        } = self;
        if let Some(below) = below
            && !names.push(below)
        {
            let expected = if matches!(names, Names::Texts(_)) {
                "a string"
            } else {
                "a whole number"
            };
            return Err(OpenError::settings(format!(
                "settings.below: expected {expected}, as the other labels are"
            )));
        }
        Ok(Labels {
            names,
            count,
            rule,
            activation,
            input,
            outputs,
            observes: observe_score,
            ranks: Ranks::default(),
        })
    }

    /// The labels, and the key from which they come.
    fn names(&mut self, files: &Files) -> Result<(&'static str, Names), OpenError> {
        match (
            self.labels.take(),
            self.values.take(),
            self.labels_file.take(),
        ) {
            (Some(labels), None, None) => {
                differ("labels", &labels)?;
                Ok(("labels", Names::Texts(labels)))
            }
            (None, Some(values), None) => {
                differ("values", &values)?;
                Ok(("values", Names::Numbers(values)))
            }
            // Published lists contain duplicate names, so in a file they are no error.
            (None, None, Some(file)) => names::parse(&files.read(&file)?)
                .map(|labels| ("labels_file", Names::Texts(labels)))
                .map_err(|error| OpenError::file(format!("file `{file}`: {error}"))),
            (None, None, None) => Err(OpenError::settings(
                "settings: has no labels; give one of `labels`, `values` and `labels_file`",
            )),
            _ => Err(OpenError::settings(
                "settings: has more than one of `labels`, `values` and `labels_file`; keep one",
            )),
        }
    }

    fn rule(&self, count: usize) -> Result<Rule, String> {
        let thresholds = self.thresholds(count)?;
        if self.multi_label {
            return self.multi_label(thresholds);
        }
        let top_k = self.top_k.unwrap_or(1);
        if !(1..=count).contains(&top_k) {
            return Err(format!(
                "settings.top_k: is {top_k}; there are {count} labels, so 1 to {count} are possible"
            ));
        }
        match (count, &self.below, thresholds) {
            (2, Some(_), None) => Err(
                "settings.below: with two labels it needs settings.threshold, the score that \
                 either of them must reach; add it"
                    .to_owned(),
            ),
            (_, Some(_), thresholds) => {
                let thresholds = thresholds.unwrap_or(Thresholds::Same(THRESHOLD));
                Ok(Rule::Largest {
                    top_k,
                    thresholds: Some(thresholds),
                })
            }
            (_, None, Some(Thresholds::Own(_))) => Err(
                "settings.thresholds: has no effect without settings.below, the label of a score \
                 under its threshold, or settings.multi_label"
                    .to_owned(),
            ),
            (2, None, thresholds) if top_k == 1 => Ok(Rule::Second {
                threshold: thresholds.map_or(THRESHOLD, |thresholds| thresholds.of(0)),
            }),
            (2, None, Some(_)) => Err(
                "settings.threshold: with settings.top_k both labels are answered whatever it is; \
                 remove one of them, or add settings.below"
                    .to_owned(),
            ),
            (_, None, Some(_)) => Err(
                "settings.threshold: with more than two labels it needs settings.below, the \
                 label of a score under it"
                    .to_owned(),
            ),
            (_, None, None) => Ok(Rule::Largest {
                top_k,
                thresholds: None,
            }),
        }
    }

    fn multi_label(&self, thresholds: Option<Thresholds>) -> Result<Rule, String> {
        if self.top_k.is_some() {
            return Err(
                "settings.top_k: with settings.multi_label every label is answered; remove one of them".to_owned()
            );
        }
        if self.below.is_some() {
            return Err("settings.below: with settings.multi_label a label under its threshold does not apply, and \
                        none has to; remove one of them"
                .to_owned());
        }
        if matches!(self.activation, Activation::Softmax) {
            return Err(
                "settings.activation: is softmax, by which labels exclude each other; with \
                        settings.multi_label use sigmoid or none"
                    .to_owned(),
            );
        }
        Ok(Rule::Each {
            thresholds: thresholds.unwrap_or(Thresholds::Same(THRESHOLD)),
        })
    }

    fn thresholds(&self, count: usize) -> Result<Option<Thresholds>, String> {
        let finite = |key: &str, threshold: f32| {
            let refusal = || format!("settings.{key}: is {threshold}; a finite number is needed");
            if threshold.is_finite() {
                Ok(())
            } else {
                Err(refusal())
            }
        };
        match (self.threshold, &self.thresholds) {
            (Some(_), Some(_)) => Err(
                "settings.thresholds: stands beside settings.threshold; keep one of them"
                    .to_owned(),
            ),
            (Some(threshold), None) => {
                finite("threshold", threshold).map(|()| Some(Thresholds::Same(threshold)))
            }
            (None, Some(own)) if own.len() != count => Err(format!(
                "settings.thresholds: has {} elements; there are {count} labels, and each needs its own",
                own.len()
            )),
            (None, Some(own)) => {
                for (index, threshold) in own.iter().enumerate() {
                    finite(&format!("thresholds[{index}]"), *threshold)?;
                }
                Ok(Some(Thresholds::Own(own.clone())))
            }
            (None, None) => Ok(None),
        }
    }
}

impl OutputNames {
    fn check(&self, rule: &Rule) -> Result<(), String> {
        if matches!(rule, Rule::Each { .. }) && self.scores.is_some() {
            let score = &self.score;
            return Err(format!(
                "settings.outputs.scores: with settings.multi_label, `{score}` holds every label's score already; \
                 remove it"
            ));
        }
        let given = [
            ("label", Some(&self.label)),
            ("score", Some(&self.score)),
            ("scores", self.scores.as_ref()),
            ("names", self.names.as_ref()),
        ];
        let mut taken = BTreeMap::new();
        for (key, name) in given.iter().filter_map(|(key, name)| Some((key, (*name)?))) {
            if let Some(other) = taken.insert(name, key) {
                return Err(format!(
                    "settings.outputs.{key}: is `{name}`, as settings.outputs.{other} is"
                ));
            }
        }
        Ok(())
    }
}

/// Two equal labels are probably a typing error.
fn differ<L: Ord + std::fmt::Display>(key: &str, labels: &[L]) -> Result<(), OpenError> {
    let mut first = BTreeMap::new();
    for (index, label) in labels.iter().enumerate() {
        if let Some(other) = first.insert(label, index) {
            return Err(OpenError::settings(format!(
                "settings.{key}[{index}]: is `{label}`, as settings.{key}[{other}] is"
            )));
        }
    }
    Ok(())
}
