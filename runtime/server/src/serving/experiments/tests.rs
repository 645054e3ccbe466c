//! Feedback matches its answer once, and acknowledged feedback survives a restart.

use hotstage_core::manifest::parse;
use hotstage_core::route::{Choice, Why};

use super::*;

fn trial(more: &str) -> Arc<Trial> {
    let text = format!(
        "apiVersion: hotstage.dev/v1\nkind: Route\nmetadata: {{ name: m }}\nspec:\n  split: [ {{ version: b }}, \
         {{ version: a }} ]\n  experiment: {{ reward: {{ name: clicked }}{more} }}\n"
    );
    let route = parse("r.yaml", &text).unwrap().routes.remove(0);
    let digests = ["1", "2"].map(|text| hotstage_core::digest::Digest::of(text.as_bytes()));
    Arc::new(Trial::of(&route, &digests).unwrap())
}

fn part(trial: &Arc<Trial>, variant: usize) -> Part {
    Trial::part(
        trial,
        Choice {
            variant,
            why: Why::Chance,
        },
    )
    .unwrap()
}

fn reward(id: &str, reward: f64) -> Reward {
    Reward {
        id: Id::of(id.as_bytes()),
        reward,
    }
}

fn taken(counted: u64, duplicates: u64, unknown: &[usize]) -> Taken {
    Taken {
        counted,
        duplicates,
        unknown: unknown.to_vec(),
    }
}

#[tokio::test]
async fn feedback_finds_its_answer_once_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let trial = trial("");
    {
        let experiments = Experiments::start(folder.path()).unwrap();
        experiments.note(part(&trial, 0), b"one");
        experiments.note(part(&trial, 1), b"two");
        experiments.note(part(&trial, 1), b"two");
        let sent = vec![
            reward("two", 0.25),
            reward("unknown", 1.0),
            reward("two", 1.0),
        ];
        assert_eq!(
            experiments.take(&trial, sent).await.unwrap(),
            taken(1, 1, &[1])
        );
        assert_eq!(
            experiments
                .take(&trial, vec![reward("two", 1.0)])
                .await
                .unwrap(),
            taken(0, 1, &[])
        );
        assert_eq!(experiments.counts().reused.load(Relaxed), 1);
    }
    let experiments = Experiments::start(folder.path()).unwrap();
    assert_eq!(
        experiments
            .take(&trial, vec![reward("one", 1.0)])
            .await
            .unwrap(),
        taken(1, 0, &[])
    );
    let known = experiments.known(&trial).await.unwrap();
    let of = |evidence: &Evidence| {
        (
            evidence.answers,
            evidence.sequence.count(),
            evidence.sequence.sum(),
        )
    };
    assert_eq!(
        known.evidence.iter().map(of).collect::<Vec<_>>(),
        [(1, 1, 1.0), (1, 1, 0.25)]
    );
}

#[tokio::test]
async fn the_compared_versions_identify_the_experiment_and_weights_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let experiments = Experiments::start(folder.path()).unwrap();
    let first = trial("");
    experiments.note(part(&first, 0), b"one");
    let same = trial(", worth: 0.1, keep: 1h, strategy: adaptive");
    assert_eq!(
        experiments
            .take(&same, vec![reward("one", 1.0)])
            .await
            .unwrap(),
        taken(1, 0, &[])
    );
    let other = trial(", alpha: 0.01");
    assert_eq!(
        experiments
            .take(&other, vec![reward("one", 1.0)])
            .await
            .unwrap(),
        taken(0, 0, &[0])
    );
}

#[test]
fn only_randomly_assigned_requests_take_part() {
    let (fixed, adaptive) = (trial(""), trial(", strategy: adaptive"));
    let is_part = |trial, why| Trial::part(trial, Choice { variant: 0, why }).is_some();
    assert!(
        is_part(&fixed, Why::Key) && is_part(&fixed, Why::Chance) && !is_part(&fixed, Why::Rule(0))
    );
    assert!(!is_part(&adaptive, Why::Key) && is_part(&adaptive, Why::Chance));
}

#[tokio::test]
async fn a_failure_to_write_the_file_is_reported_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    std::fs::write(
        &path,
        "no database, and longer than a header of one would be",
    )
    .unwrap();
    let (experiments, trial) = (Experiments::start(folder.path()).unwrap(), trial(""));
    experiments.note(part(&trial, 0), b"lost");
    let failure = experiments
        .take(&trial, vec![reward("lost", 1.0)])
        .await
        .unwrap_err();
    assert_eq!(failure.kind, Kind::Internal);
    assert!(failure.cause.unwrap().contains("experiments.db"));
    std::fs::remove_file(&path).unwrap();
    experiments.note(part(&trial, 0), b"found");
    let sent = vec![reward("lost", 1.0), reward("found", 1.0)];
    assert_eq!(
        experiments.take(&trial, sent).await.unwrap(),
        taken(1, 0, &[0])
    );
    assert_eq!(experiments.counts().dropped.load(Relaxed), 1);
}

#[tokio::test]
async fn an_answer_that_is_too_old_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let trial = trial(", keep: 1m");
    let mut db = db::ExperimentDb::open(folder.path()).unwrap();
    db.begin().unwrap();
    assert_eq!(
        db.add(
            &[Note {
                part: part(&trial, 0),
                id: Id::of(b"old")
            }],
            1000
        )
        .unwrap(),
        1
    );
    assert_eq!(
        db.take(&trial, &[reward("old", 1.0)], 61_001).unwrap(),
        taken(0, 0, &[0])
    );
    db.sweep(1, 61_001).unwrap();
    assert_eq!(
        db.take(&trial, &[reward("old", 1.0)], 2000).unwrap(),
        taken(0, 0, &[0])
    );
    db.commit(&[]).unwrap();
}

#[tokio::test]
async fn without_an_experiment_there_is_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE);
    let experiments = Experiments::start(folder.path()).unwrap();
    experiments.close();
    assert!(!file.exists(), "closing made a file");
    experiments.note(part(&trial(""), 0), b"one");
    experiments.close();
    assert!(file.exists());
}
