//! The results, as a table and as JSON.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is this program's output"
)]

use std::path::Path;

use comfy_table::{CellAlignment, presets};
use serde_json::{Value, json};

use crate::Outcome;

/// All results, in order.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lines: Vec<Line>,
    notes: Vec<String>,
}

/// One figure.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    ours: f64,
    floor: Option<f64>,
    by: By,
    goal: Option<Goal>,
}

/// The bound for a figure.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

#[derive(Clone, Copy, Debug)]
enum By {
    Ratio,
    Difference,
    Itself,
}

impl Line {
    /// A figure by itself.
    pub(crate) fn alone(what: impl Into<String>, unit: &'static str, ours: f64) -> Self {
        Self {
            what: what.into(),
            unit,
            ours,
            floor: None,
            by: By::Itself,
            goal: None,
        }
    }

    /// Our figure, with the floor shown beside it.
    pub(crate) fn beside(
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
        floor: f64,
    ) -> Self {
        Self {
            floor: Some(floor),
            ..Self::alone(what, unit, ours)
        }
    }

    /// Our figure divided by the floor.
    pub(crate) fn ratio(
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
        floor: f64,
    ) -> Self {
        Self {
            by: By::Ratio,
            ..Self::beside(what, unit, ours, floor)
        }
    }

    /// Our figure minus the floor.
    pub(crate) fn difference(
        what: impl Into<String>,
        unit: &'static str,
        ours: f64,
        floor: f64,
    ) -> Self {
        Self {
            by: By::Difference,
            ..Self::beside(what, unit, ours, floor)
        }
    }

    /// Sets a goal for the ratio, the difference or the figure.
    pub(crate) fn goal(self, goal: Goal) -> Self {
        Self {
            goal: Some(goal),
            ..self
        }
    }

    fn value(&self) -> f64 {
        match (self.by, self.floor) {
            (By::Ratio, Some(floor)) => self.ours / floor,
            (By::Difference, Some(floor)) => self.ours - floor,
            _ => self.ours,
        }
    }

    fn verdict(&self) -> String {
        let value = self.value();
        let missed = |by: f64| format!("missed by {:.0} %", by * 100.0);
        match self.goal {
            None => String::new(),
            Some(goal) if goal.is_met(value) => "met".to_owned(),
            Some(Goal::AtLeast(least)) => missed(1.0 - value / least),
            Some(Goal::AtMost(most)) => missed(value / most - 1.0),
        }
    }

    fn cells(&self) -> [String; 6] {
        let shown = match self.by {
            By::Ratio => format!("× {}", show(self.value())),
            By::Difference => {
                format!(
                    "{}{} {}",
                    if self.value() < 0.0 { "" } else { "+" },
                    show(self.value()),
                    self.unit
                )
            }
            By::Itself => String::new(),
        };
        let with_unit = |value| format!("{} {}", show(value), self.unit);
        let goal = match self.goal {
            Some(Goal::AtLeast(least)) => format!("≥ {least}"),
            Some(Goal::AtMost(most)) => format!("≤ {most}"),
            None => String::new(),
        };
        let floor = self.floor.map(with_unit).unwrap_or_default();
        [
            self.what.clone(),
            with_unit(self.ours),
            floor,
            shown,
            goal,
            self.verdict(),
        ]
    }

    fn to_json(&self) -> Value {
        json!({
            "what": self.what, "unit": self.unit, "ours": self.ours, "floor": self.floor,
            "by": match self.by { By::Ratio => "ratio", By::Difference => "difference", By::Itself => "itself" },
            "value": self.value(),
            "goal": self.goal.map(|goal| match goal {
                Goal::AtLeast(least) => json!({ "at_least": least }),
                Goal::AtMost(most) => json!({ "at_most": most }),
            }),
            "met": self.goal.map(|goal| goal.is_met(self.value())),
        })
    }
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
        }
    }
}

impl Table {
    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Adds a note below the table.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    pub(crate) fn print(&self) {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["what", "ours", "floor", "ours to floor", "goal", "met?"]);
        self.lines.iter().for_each(|line| {
            table.add_row(line.cells());
        });
        for index in 1..=3 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("{table}");
        self.notes.iter().for_each(|note| println!("note: {note}"));
    }

    pub(crate) fn write(&self, path: &Path, quick: bool) -> Outcome {
        let lines: Vec<Value> = self.lines.iter().map(Line::to_json).collect();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let report = json!({ "cores": cores, "quick": quick, "lines": lines, "notes": self.notes });
        Ok(std::fs::write(path, format!("{report:#}\n"))?)
    }
}

/// About three digits.
fn show(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 => 2,
        _ => 4,
    };
    format!("{value:.decimals$}")
}

/// Prints what is being measured.
pub(crate) fn tell(text: &str) {
    eprintln!("{text}");
}

/// Prints why there is no table.
pub(crate) fn complain(error: &dyn std::error::Error) {
    eprintln!("error: {error}");
}

/// Prints a server's ready line.
pub(crate) fn ready(text: &str) {
    println!("{text}");
}
