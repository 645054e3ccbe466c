//! The screen: a head, the table of versions, the last changes and the keys; the least important
//! parts are left out on a small screen.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::super::{show, status};
use super::columns::{self, COLUMNS, CONDITION, FAILED, Fit, NAME, cut, padded};
use super::state::{Lost, State};
use super::words::{ago, change, others, rate, shown};
use hotstage_client::{Condition, RevisionInfo, VersionTraffic};

const PLAIN: Style = Style::new();
const BOLD: Style = PLAIN.add_modifier(Modifier::BOLD);
const DIM: Style = PLAIN.add_modifier(Modifier::DIM);
const GOOD: Style = PLAIN.fg(Color::Green);
const CARE: Style = PLAIN.fg(Color::Yellow);
const BAD: Style = PLAIN.fg(Color::Red).add_modifier(Modifier::BOLD);

/// Ranks are less than this.
const RANKS: u8 = 10;
/// Separator of the parts of a line.
const BETWEEN: &str = " · ";
/// Bound on the revisions shown.
const REVISIONS_MAX: usize = 8;

/// A part of a line. If not all parts fit, those with the highest rank are dropped.
pub(super) struct Part {
    pub(super) text: String,
    style: Style,
    /// Rank 0 is dropped last.
    rank: u8,
}

/// Draws everything, and stores how many rows fitted.
pub(super) fn draw(frame: &mut Frame<'_>, state: &mut State, now: Timestamp) {
    let area = frame.area();
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    let plan = plan(height, state.revisions.len().min(REVISIONS_MAX));
    state.page = plan.rows;
    state.offset = state
        .offset
        .min(state.rows().len().saturating_sub(plan.rows));
    let lines = lines(state, &plan, width, now);
    for (line, y) in lines.iter().take(height).zip(area.y..) {
        frame.buffer_mut().set_line(area.x, y, line, area.width);
    }
}

/// The lines of each part of the screen.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    head: usize,
    /// Empty lines between the parts.
    gap: usize,
    title: usize,
    rows: usize,
    changes: usize,
    foot: usize,
}

fn plan(height: usize, revisions: usize) -> Plan {
    let head = if height < 7 { 1 } else { 2 };
    let gap = usize::from(height >= 12);
    let foot = usize::from(height >= 6);
    let changes = if height >= 16 {
        revisions.min(height / 4)
    } else {
        0
    };
    let below = if changes > 0 { changes + 1 + gap } else { 0 };
    let left = height.saturating_sub(head + gap + below + foot + gap);
    let title = usize::from(left > 1);
    Plan {
        head,
        gap,
        title,
        rows: left - title,
        changes,
        foot,
    }
}

fn lines(state: &State, plan: &Plan, width: usize, now: Timestamp) -> Vec<Line<'static>> {
    let blank = || std::iter::repeat_n(Line::default(), plan.gap);
    let mut lines = head_lines(state, plan.head, width);
    lines.extend(blank());
    lines.extend(table(state, plan, width));
    if plan.changes > 0 {
        lines.extend(blank());
        lines.extend(changes(&state.revisions[..plan.changes], width, now));
    }
    lines.extend(blank());
    if plan.foot > 0 {
        lines.push(foot(state, plan.rows, width));
    }
    lines
}

/// The server's state and its traffic.
pub(super) fn head(state: &State) -> [Vec<Part>; 2] {
    [server(state), traffic(state)]
}

fn part(rank: u8, style: Style, text: String) -> Part {
    Part { text, style, rank }
}

/// The server's state; while it does not answer, only that fact.
fn server(state: &State) -> Vec<Part> {
    if let Some(Lost { since, why }) = &state.lost {
        let since = since.strftime("%H:%M:%S UTC");
        return vec![
            part(0, BAD, format!("no answer since {since}; trying again")),
            part(1, DIM, shown(why)),
        ];
    }
    let status = &state.traffic.status;
    let ready = if status.ready {
        part(0, GOOD, "ready".to_owned())
    } else {
        part(0, CARE, "not ready".to_owned())
    };
    let mut server = vec![
        part(5, BOLD, format!("hotstage {}", shown(&status.version))),
        ready,
        part(
            2,
            PLAIN,
            format!("up {}", status::uptime(status.uptime_seconds)),
        ),
        part(1, PLAIN, format!("revision {}", status.head)),
        part(
            6,
            PLAIN,
            show::count(status.pipelines, "version") + &others(status),
        ),
    ];
    server.extend(
        status
            .resident_bytes
            .map(|bytes| part(3, PLAIN, show::bytes(bytes))),
    );
    if state.is_paused {
        server.insert(0, part(0, CARE, "paused".to_owned()));
    }
    server
}

/// The server's traffic; dimmed while it does not answer.
fn traffic(state: &State) -> Vec<Part> {
    let (status, all) = (&state.traffic.status, &state.traffic.all);
    let failed = if all.failed_per_second > 0.0 {
        BAD
    } else {
        PLAIN
    };
    let mut traffic = vec![
        part(
            0,
            BOLD,
            format!("{} requests/s", rate(all.requests_per_second)),
        ),
        part(
            1,
            failed,
            format!("{} failed/s", rate(all.failed_per_second)),
        ),
        part(4, PLAIN, format!("{} in flight", status.in_flight)),
        part(
            5,
            PLAIN,
            show::count(status.connections.unsigned_abs(), "connection"),
        ),
    ];
    let latency = [(3, "p50", all.p50_ms), (2, "p99", all.p99_ms)];
    let latency = latency.into_iter().filter(|(.., span)| span.is_some());
    let latency = latency
        .map(|(rank, word, span)| part(rank, PLAIN, format!("{word} {}", show::latency(span))));
    traffic.splice(2..2, latency);
    if state.lost.is_some() {
        traffic.iter_mut().for_each(|part| part.style = DIM);
    }
    traffic
}

fn head_lines(state: &State, many: usize, width: usize) -> Vec<Line<'static>> {
    let [mut server, traffic] = head(state);
    if many > 1 {
        return vec![joined(server, width), joined(traffic, width)];
    }
    // The traffic matters more than the state, unless the server is lost.
    if state.lost.is_none() {
        server.iter_mut().for_each(|part| part.rank += RANKS);
        server.splice(0..0, traffic);
    }
    vec![joined(server, width)]
}

/// The parts that fit, in their order.
fn joined(mut parts: Vec<Part>, width: usize) -> Line<'static> {
    let wide = |parts: &[Part]| {
        let words: usize = parts
            .iter()
            .map(|part| Span::raw(part.text.as_str()).width())
            .sum();
        words + BETWEEN.chars().count() * parts.len().saturating_sub(1)
    };
    while parts.len() > 1 && wide(&parts) > width {
        let worst = parts.iter().map(|part| part.rank).max();
        let Some(index) = parts.iter().rposition(|part| Some(part.rank) == worst) else {
            break;
        };
        parts.remove(index);
    }
    let mut line = Line::default();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            line.push_span(Span::styled(BETWEEN, DIM));
        }
        line.push_span(Span::styled(cut(&part.text, width), part.style));
    }
    line
}

fn table(state: &State, plan: &Plan, width: usize) -> Vec<Line<'static>> {
    let rows = state.rows();
    let shown: Vec<&VersionTraffic> = rows
        .iter()
        .skip(state.offset)
        .take(plan.rows)
        .copied()
        .collect();
    let cells: Vec<[String; COLUMNS]> = shown.iter().map(|version| columns::row(version)).collect();
    let fit = columns::fit(&cells, width);
    let mut lines = Vec::new();
    if plan.title > 0 {
        lines.push(cells_line(
            &fit,
            &columns::HEADER.map(str::to_owned),
            |_| DIM,
        ));
    }
    lines.extend(shown.iter().zip(&cells).map(|(version, cells)| {
        let is_idle = version.rates.requests_per_second == 0.0;
        cells_line(&fit, cells, |column| match column {
            CONDITION => condition(version.condition),
            FAILED if version.rates.failed_per_second > 0.0 => BAD,
            NAME if !is_idle => BOLD,
            _ => PLAIN,
        })
    }));
    if rows.is_empty() && plan.rows > 0 {
        let why = if state.filter.is_empty() {
            "nothing is served"
        } else {
            "no name matches the filter"
        };
        lines.push(Line::styled(cut(why, width), DIM));
    }
    lines.resize(plan.title + plan.rows, Line::default());
    lines
}

fn cells_line(
    fit: &Fit,
    cells: &[String; COLUMNS],
    style: impl Fn(usize) -> Style,
) -> Line<'static> {
    let mut line = Line::default();
    for (index, &(column, width)) in fit.columns.iter().enumerate() {
        if index > 0 {
            line.push_span(Span::raw(" ".repeat(fit.gap)));
        }
        line.push_span(Span::styled(
            padded(&cells[column], column, width),
            style(column),
        ));
    }
    line
}

fn condition(condition: Condition) -> Style {
    match condition {
        Condition::Ready => GOOD,
        Condition::Loading | Condition::Draining => CARE,
        Condition::Failed => BAD,
        Condition::Kept => DIM,
    }
}

fn changes(revisions: &[RevisionInfo], width: usize, now: Timestamp) -> Vec<Line<'static>> {
    let rows: Vec<[String; 3]> = revisions
        .iter()
        .map(|revision| {
            [
                revision.number.to_string(),
                ago(&revision.time, now),
                cut(&shown(&revision.actor), 24),
            ]
        })
        .collect();
    let widest = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let [number, when, actor] = [widest(0), widest(1), widest(2)];
    let mut lines = vec![Line::styled(cut("last changes", width), DIM)];
    lines.extend(rows.iter().zip(revisions).map(|(row, revision)| {
        let [n, w, a] = row;
        let left = width.saturating_sub(number + when + actor + 6);
        Line::from(vec![
            Span::raw(format!("{n:>number$}  ")),
            Span::styled(format!("{w:<when$}  "), DIM),
            Span::raw(format!("{a:<actor$}  ")),
            Span::raw(cut(&change(revision), left)),
        ])
    }));
    lines
}

/// The keys, or the filter that is being typed.
fn foot(state: &State, rows: usize, width: usize) -> Line<'static> {
    let part = |rank, text: String| Part {
        text,
        style: DIM,
        rank,
    };
    if state.is_typing {
        let typed = Part {
            text: format!("/{}_", state.filter),
            style: BOLD,
            rank: 0,
        };
        return joined(
            vec![typed, part(1, "Enter keeps it, Esc clears it".to_owned())],
            width,
        );
    }
    if state.is_helping {
        let texts = [
            (3, "↑ ↓ PgUp PgDn scroll"),
            (2, "p50, p99: 50 %, 99 % took less"),
            (4, "kept: out of service, for a rollback"),
            (1, "* answers by default"),
            (0, "? back"),
        ];
        return joined(
            texts.map(|(rank, text)| part(rank, text.to_owned())).into(),
            width,
        );
    }
    let mut parts = vec![
        part(0, "q quit".to_owned()),
        part(2, format!("s sort: {}", state.order.word())),
    ];
    if state.filter.is_empty() {
        parts.push(part(4, "/ filter".to_owned()));
    } else {
        parts.push(Part {
            text: format!("/ filter: {}", shown(&state.filter)),
            style: CARE,
            rank: 1,
        });
    }
    parts.push(part(
        5,
        if state.is_paused {
            "p resume"
        } else {
            "p pause"
        }
        .to_owned(),
    ));
    parts.push(part(3, "? help".to_owned()));
    let (there, total) = (state.rows().len(), state.traffic.total);
    if total > rows as u64 && there > 0 {
        let last = (state.offset + rows).min(there);
        parts.push(part(2, format!("{}–{last} of {total}", state.offset + 1)));
    }
    joined(parts, width)
}

#[cfg(test)]
mod tests;
