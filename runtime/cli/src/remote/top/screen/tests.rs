//! The screen at many sizes, drawn on a text backend.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::state::tests::some;
use super::*;
use hotstage_client::{ChangeMade, What};

fn drawn(state: &mut State, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    terminal.draw(|frame| draw(frame, state, now)).unwrap();
    let buffer = terminal.backend().buffer();
    let cell = |x, y| buffer[(x, y)].symbol().to_owned();
    (0..height)
        .map(|y| {
            (0..width)
                .map(|x| cell(x, y))
                .collect::<String>()
                .trim_end()
                .to_owned()
        })
        .collect()
}

fn busy() -> State {
    let mut state = some(&[("tumor", 812.0), ("iris", 9.5), ("tulip", 0.0)]);
    let made = ChangeMade {
        what: What::Added,
        pipeline: "tumor".to_owned(),
        version: "1".to_owned(),
        label: None,
        digest: Some("sha256:12".to_owned()),
        was: None,
        evidence: None,
    };
    let revision = |number| RevisionInfo {
        number,
        time: "2026-03-01T11:57:00Z".to_owned(),
        actor: "operator anna".to_owned(),
        reason: "a better\u{1b}[2J fit".to_owned(),
        verb: "apply".to_owned(),
        to: None,
        name: None,
        changes: vec![made.clone()],
        loaded: 0,
        compiled: 0,
        tests: 0,
        took_ms: 3,
        hash: String::new(),
        previous: String::new(),
    };
    state.revisions = (1..=20).rev().map(revision).collect();
    state
}

#[test]
fn a_wide_screen_shows_everything() {
    let lines = drawn(&mut busy(), 100, 24);
    assert_eq!(
        lines[0],
        "hotstage 0.1.0 · ready · up 2 min 5 s · revision 12 · 0 versions · 64.0 MiB"
    );
    assert_eq!(
        lines[1],
        "822 requests/s · 0 failed/s · 0 in flight · 0 connections"
    );
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let row = [
        "tumor", "1", "*", "stable", "ready", "812", "0.5", "512", "µs", "4.1", "ms", "2",
    ];
    assert_eq!(
        (words(&lines[3]).len(), words(&lines[4])),
        (9, row.map(str::to_owned).to_vec())
    );
    let at = lines
        .iter()
        .position(|line| line == "last changes")
        .unwrap();
    let revision =
        "  3 min ago  operator anna  apply: added tumor/1 sha256:12 (a better\\u001b[2J fit)";
    assert_eq!(lines[at + 1], format!("20{revision}"));
    assert_eq!(lines[at + 6], format!("15{revision}"));
    assert_eq!(
        lines[23],
        "q quit · s sort: rate · / filter · p pause · ? help"
    );
}

#[test]
fn a_small_screen_shows_what_matters() {
    let lines = drawn(&mut busy(), 40, 10);
    assert_eq!(lines[0], "ready · up 2 min 5 s · revision 12");
    assert_eq!(lines[2], "name   version  rate/s  failed/s     p99");
    assert_eq!(lines[3], "tumor  1 *         812       0.5  4.1 ms");
    assert_eq!(lines[9], "q quit · s sort: rate · ? help");
    let lines = drawn(&mut busy(), 20, 5);
    assert_eq!(
        lines,
        [
            "822 requests/s",
            "name     rate/s",
            "tumor       812",
            "iris        9.5",
            "tulip         0"
        ]
    );
    assert_eq!(drawn(&mut busy(), 1, 1), ["…"]);
}

#[test]
fn no_size_is_too_small() {
    let keys: [fn(&mut State); 5] = [
        |_| (),
        |state| state.is_typing = true,
        |state| state.is_helping = true,
        |state| (state.is_paused, state.filter) = (true, "nothing".to_owned()),
        |state| {
            state.lost = Some(Lost {
                since: Timestamp::UNIX_EPOCH,
                why: "gone\u{7}".to_owned(),
            });
        },
    ];
    for key in keys {
        for width in (0..60).chain([100, 300]) {
            for height in (0..30).chain([100]) {
                let (mut state, mut empty) = (busy(), State::default());
                state.offset = 1000;
                key(&mut state);
                key(&mut empty);
                assert_eq!(drawn(&mut state, width, height).len(), usize::from(height));
                drawn(&mut empty, width, height);
            }
        }
    }
}

#[test]
fn a_plan_fills_the_screen_and_no_more() {
    for height in 0..200 {
        for revisions in 0..=REVISIONS_MAX {
            let plan = plan(height, revisions);
            let below = if plan.changes > 0 {
                plan.changes + 1 + plan.gap
            } else {
                0
            };
            let sum = plan.head + plan.gap + plan.title + plan.rows + below + plan.gap + plan.foot;
            assert_eq!(sum, height.max(1), "{plan:?}");
        }
    }
}

#[test]
fn a_lost_server_is_shown_in_the_head() {
    let mut state = busy();
    state.lost = Some(Lost {
        since: "2026-03-01T11:59:30Z".parse().unwrap(),
        why: "can't reach it".to_owned(),
    });
    let lines = drawn(&mut state, 100, 30);
    assert_eq!(
        lines[0],
        "no answer since 11:59:30 UTC; trying again · can't reach it"
    );
    assert_eq!(drawn(&mut state, 20, 5)[0], "no answer since 11:…");
}

#[test]
fn what_is_below_is_counted() {
    let mut state = busy();
    state.traffic.total = 10_000;
    state.offset = 1;
    let lines = drawn(&mut state, 80, 6);
    assert_eq!(
        lines[5],
        "q quit · s sort: rate · / filter · p pause · ? help · 1–3 of 10000"
    );
    let lines = drawn(&mut state, 80, 5);
    assert_eq!(lines[2].split_whitespace().next(), Some("tumor"));
    let lines = drawn(&mut state, 80, 3);
    assert_eq!(
        (state.page, lines[2].split_whitespace().next()),
        (1, Some("tumor"))
    );
}
