//! Curves over a logarithmic axis, as SVG: a few panels side by side.

use std::fmt::Write as _;

/// Pixels of a panel, with its margins.
const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
/// Bound on the points drawn of a curve; more would not be visible.
const POINTS: f64 = 240.0;
/// Colours that differ in greyscale too; the second curve is dashed.
const LINES: [&str; 2] = [
    "stroke=\"#1660a8\"",
    "stroke=\"#c25a00\" stroke-dasharray=\"5 3\"",
];
const GREY: &str = "stroke=\"#999\" stroke-width=\"1\"";

/// One curve.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// Sorted by the first value, which is greater than 0.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Curves over one pair of axes.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// A marked height and its label.
    pub(crate) marked: Option<(f64, &'static str)>,
    /// The ends of the vertical axis.
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// At most two.
    pub(crate) series: Vec<Series>,
}

/// The picture.
pub(crate) fn svg(panels: &[Panel], below: &str) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#222\">\n<rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (place, panel) in panels.iter().enumerate() {
        // Writing to a `String` can't fail.
        let _ = writeln!(
            out,
            "<g transform=\"translate({} 0)\">",
            WIDTH * place as f64
        );
        panel.draw(&mut out, below);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

impl Panel {
    fn draw(&self, out: &mut String, below: &str) {
        let ends = self
            .series
            .iter()
            .flat_map(|series| [series.points.first(), series.points.last()])
            .flatten();
        let (low, high) = ends.fold((f64::INFINITY, 0.0), |(low, high), (x, _)| {
            (x.min(low), x.max(high))
        });
        let across = |x: f64| LEFT + (x / low).ln() / (high / low).ln() * (WIDTH - LEFT - RIGHT);
        let up = |y: f64| {
            HEIGHT
                - BOTTOM
                - (y.clamp(self.from, self.to) - self.from) / (self.to - self.from)
                    * (HEIGHT - TOP - BOTTOM)
        };
        let _ = writeln!(
            out,
            "<text x=\"{LEFT}\" y=\"20\" font-weight=\"bold\">{}</text>",
            self.title
        );
        self.axes(out, (low, high), &across, &up);
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{below}</text>",
            f64::midpoint(LEFT, WIDTH - RIGHT),
            HEIGHT - 8.0
        );
        for (place, series) in self.series.iter().enumerate() {
            let line = LINES[place % LINES.len()];
            let mut points = String::new();
            let mut last = f64::NEG_INFINITY;
            for (x, y) in &series.points {
                let x = across(*x);
                if x - last >= (WIDTH - LEFT - RIGHT) / POINTS {
                    let _ = write!(points, "{x:.1},{:.1} ", up(*y));
                    last = x;
                }
            }
            let _ = writeln!(
                out,
                "<polyline fill=\"none\" stroke-width=\"1.8\" {line} points=\"{}\"/>",
                points.trim()
            );
            let y = HEIGHT - BOTTOM - 14.0 - 18.0 * (self.series.len() - 1 - place) as f64;
            let _ = writeln!(
                out,
                "<line x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke-width=\"1.8\" {line}/>\
                 <text x=\"{}\" y=\"{}\">{}</text>",
                LEFT + 10.0,
                LEFT + 34.0,
                LEFT + 40.0,
                y + 4.0,
                series.name
            );
        }
    }

    fn axes(
        &self,
        out: &mut String,
        (low, high): (f64, f64),
        across: &impl Fn(f64) -> f64,
        up: &impl Fn(f64) -> f64,
    ) {
        const STEPS: u32 = 5;
        for step in 0..=STEPS {
            let value = self.from + (self.to - self.from) * f64::from(step) / f64::from(STEPS);
            let y = up(value);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" stroke=\"#ddd\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value:.1}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        let mut tick = low;
        while tick <= high {
            let x = across(tick);
            let _ = writeln!(
                out,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"#eee\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{tick}</text>",
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 16.0
            );
            tick *= 10.0;
        }
        if let Some((value, name)) = self.marked {
            let y = up(value);
            let _ = writeln!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\" {GREY}/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#666\">{name}</text>",
                WIDTH - RIGHT,
                WIDTH - RIGHT - 4.0,
                y + 14.0
            );
        }
    }
}
