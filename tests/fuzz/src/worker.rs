//! Mutated components through the real compile process, one process per component, as in the
//! server.
//!
//! The inputs are mutations of the bundled components, of the test guests and of the corpus. If a
//! process answers, crashes or reaches a bound, the caller must survive and get success or one
//! clear error. Default bounds: [`limits`], which are low, so that each process ends soon.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, io};

use hotstage_core::compile_limits::{CompileLimits, ComponentLimits};
use hotstage_core::role::Role;
use hotstage_engine::compile::CompileError;
use hotstage_server::control::compiler::{Compilers, Source, Work};

use crate::mutate::{Chance, mutate};
use crate::{TEXT_BYTES_MAX, corpus, target};

/// Maximum bytes of a component to mutate: larger ones take more time and find no more.
const BYTES_MAX: usize = 1 << 20;

/// Parameters of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of components.
    pub count: u64,
    /// Seed of the mutations.
    pub seed: u64,
    /// Whether to compile each component, or only to check it.
    pub work: Work,
}

/// The result of a run.
#[derive(Debug, Default)]
pub struct Seen {
    /// Number of components by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Errors found.
    pub findings: Vec<String>,
    /// Duration of the run.
    pub took: Duration,
}

/// Low bounds for the compile processes.
pub fn limits() -> CompileLimits {
    CompileLimits {
        component: ComponentLimits::default(),
        memory: 256 << 20,
        cpu: Duration::from_secs(5),
        wall: Duration::from_secs(60),
        processes: std::thread::available_parallelism().map_or(1, usize::from),
        ..CompileLimits::default()
    }
}

/// A component in memory.
struct Whole {
    bytes: Vec<u8>,
    is_read: bool,
}

impl Source for Whole {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn next(&mut self) -> Result<&[u8], String> {
        let is_read = std::mem::replace(&mut self.is_read, true);
        Ok(if is_read { &[] } else { &self.bytes })
    }
}

/// Reads the components in the folders and in the corpus.
pub fn components(folders: &[PathBuf]) -> io::Result<Vec<Vec<u8>>> {
    let mut paths = Vec::new();
    for folder in folders {
        let entries = fs::read_dir(folder)
            .map_err(|error| io::Error::other(format!("{}: {error}", folder.display())))?;
        paths.extend(
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()?,
        );
    }
    paths.retain(|path| is_component(path));
    paths.sort();
    let mut components: Vec<Vec<u8>> = paths.iter().map(fs::read).collect::<io::Result<_>>()?;
    components.extend(corpus::read(target("component_bounds").unwrap())?);
    Ok(components)
}

fn is_component(path: &Path) -> bool {
    let is_small = fs::metadata(path).is_ok_and(|about| about.len() <= BYTES_MAX as u64);
    is_small
        && path
            .extension()
            .is_some_and(|extension| extension == "wasm")
}

/// Compiles mutations of the components, a few at once; calls `progress` now and then.
pub async fn run(components: Vec<Vec<u8>>, plan: Plan, progress: fn(u64, Duration)) -> Seen {
    let limits = limits();
    let lanes = limits.processes;
    let shared = Arc::new(Shared {
        components,
        plan,
        compilers: Compilers::new(limits),
        next: AtomicU64::new(0),
        seen: Mutex::default(),
        began: Instant::now(),
        progress,
    });
    let lanes: Vec<_> = (0..lanes)
        .map(|_| tokio::spawn(lane(Arc::clone(&shared))))
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    let mut seen = std::mem::take(&mut *shared.seen());
    seen.took = shared.began.elapsed();
    if let Some(left) = children() {
        seen.findings
            .push(format!("{left} processes are left over"));
    }
    seen
}

struct Shared {
    components: Vec<Vec<u8>>,
    plan: Plan,
    compilers: Compilers,
    next: AtomicU64,
    seen: Mutex<Seen>,
    began: Instant,
    progress: fn(u64, Duration),
}

impl Shared {
    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Input `index`, independent of the inputs before it.
    fn input(&self, index: u64) -> (Vec<u8>, Role) {
        let mut chance = Chance::new(self.plan.seed.wrapping_mul(1 << 40).wrapping_add(index));
        let count = self.components.len();
        let (one, other) = (
            &self.components[chance.below(count)],
            &self.components[chance.below(count)],
        );
        let role = Role::ALL[chance.below(Role::ALL.len())];
        (mutate(one, other, BYTES_MAX, &mut chance), role)
    }
}

async fn lane(shared: Arc<Shared>) {
    loop {
        let index = shared.next.fetch_add(1, Relaxed);
        if index >= shared.plan.count {
            return;
        }
        let (bytes, role) = shared.input(index);
        let length = bytes.len();
        let came = shared
            .compilers
            .run(
                shared.plan.work,
                role,
                Whole {
                    bytes,
                    is_read: false,
                },
            )
            .await;
        let outcome = outcome(&came);
        let mut seen = shared.seen();
        *seen.outcomes.entry(outcome).or_default() += 1;
        if let Err(error) = &came
            && let Some(wrong) = unclear(&error.to_string())
        {
            seen.findings.push(format!(
                "component {index} of {length} bytes: {wrong}: {error}"
            ));
        }
        drop(seen);
        if index.is_multiple_of(1000) {
            (shared.progress)(index, shared.began.elapsed());
        }
    }
}

/// A short description of a result.
fn outcome(came: &Result<Vec<u8>, CompileError>) -> &'static str {
    let text = match came {
        Ok(_) => return "taken",
        Err(CompileError::NotAComponent(_)) => return "refused: no component",
        Err(CompileError::TooLarge(_)) => return "refused: beyond a bound",
        Err(CompileError::Unfit(_)) => return "refused: does not fit its role",
        Err(CompileError::Refused(text)) => text,
    };
    let ends = [
        ("(--compile-memory)", "ended: out of memory"),
        ("(--compile-cpu-time)", "ended: out of processor time"),
        ("(--compile-timeout)", "ended: out of time"),
        ("stack is full", "ended: stack overflow"),
        ("crashed on it (signal", "ended: another signal"),
        ("the compiler failed on it", "panic, answered"),
        ("no compiler can be started", "not started"),
    ];
    ends.iter()
        .find(|(part, _)| text.contains(part))
        .map_or("refused: by the compiler", |(_, outcome)| *outcome)
}

/// Why an error text does not help a plugin author; `None` if it does.
fn unclear(text: &str) -> Option<&'static str> {
    [
        (text.len() > TEXT_BYTES_MAX, "the text is too long"),
        (text.trim().is_empty(), "there is no text"),
        (
            text.contains(".cargo") || text.contains("/src/"),
            "the text shows a path of the source",
        ),
        (
            text.contains("no compiler can be started"),
            "no process was started",
        ),
        (
            text.chars()
                .any(|character| character.is_control() && !"\n\t".contains(character)),
            "the text drives terminals",
        ),
    ]
    .into_iter()
    .find_map(|(is_so, what)| is_so.then_some(what))
}

/// Number of running child processes. `None` if there is none or it can't be determined.
fn children() -> Option<usize> {
    let parent = std::process::id().to_string();
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let count = entries
        .filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok())
        .filter(|stat| {
            // The second field, in parentheses, can contain anything; the state and the parent
            // follow.
            let mut fields = stat
                .rsplit_once(") ")
                .map_or("", |(_, fields)| fields)
                .split(' ');
            fields.next() != Some("Z") && fields.next() == Some(&parent)
        })
        .count();
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_a_description_and_a_bad_text_is_found() {
        let refused = |text: &str| Err(CompileError::Refused(text.to_owned()));
        assert_eq!(outcome(&Ok(Vec::new())), "taken");
        assert_eq!(
            outcome(&refused("the compiler crashed on it (signal 11)")),
            "ended: another signal"
        );
        assert_eq!(
            outcome(&refused("unknown import")),
            "refused: by the compiler"
        );
        assert_eq!(unclear("it must export `a`\n  b"), None);
        assert_eq!(unclear("\u{1b}[31m"), Some("the text drives terminals"));
        assert_eq!(unclear(&"x".repeat(5000)), Some("the text is too long"));
    }
}
