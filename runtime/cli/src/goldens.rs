//! `hotstage check --update-goldens`: replaces what failing golden tests expect by what the
//! pipelines answer.
//!
//! Only the values that differ are replaced: `data` and, where needed, `shape` and `datatype` of an
//! output, in the manifest or in the test's own file. All other bytes of the file stay the same. If
//! one expectation can't be rewritten, no file is changed. Each file is replaced atomically, by a
//! rename.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

use hotstage_core::expect::compare;
use hotstage_core::manifest::{DocumentRef, KeyPath, Place, span};
use hotstage_core::tensor::Tensor;
use serde_json::{Value, json};

use super::workbench::Workbench;
use super::{CliError, Exit, console};
use hotstage_server::codecs::oip::document::encode_request;
use hotstage_server::control::deploy::{Failed, Failing, Named, Outcome};
use hotstage_server::files::{self, Allowed, Confined};

/// One output of one test whose expectation was updated.
pub(super) struct Updated {
    file: PathBuf,
    test: String,
    output: String,
}

impl Updated {
    pub(super) fn json(&self) -> Value {
        json!({ "file": self.file.display().to_string(), "test": self.test, "output": self.output })
    }
}

/// Rewrites the expectations of all failing tests, and returns them.
pub(super) fn update(bench: &Workbench, paths: &[PathBuf]) -> Result<Vec<Updated>, CliError> {
    let failed = bench.load(paths, Failing::Told)?.failed;
    let mut edits = Edits::default();
    let (mut updated, mut refused) = (Vec::new(), Vec::new());
    for failed in &failed {
        match edits.take(failed, bench.allowed()) {
            Ok(outputs) => updated.extend(outputs),
            Err(message) => refused.push(refusal(failed, &message)),
        }
    }
    if !refused.is_empty() {
        return Err(CliError::new(Exit::Refused, refused.join("\n")));
    }
    edits.write()?;
    Ok(updated)
}

/// Prints the updates as text.
pub(super) fn tell(updated: &[Updated]) {
    if updated.is_empty() {
        console::note("nothing to update: no golden test fails");
    }
    for Updated { file, test, output } in updated {
        console::note(&format!(
            "updated {}: test `{test}` expects another `{output}`",
            file.display()
        ));
    }
}

fn refusal(failed: &Failed, message: &str) -> String {
    let Failed {
        file,
        place,
        test,
        problems,
        ..
    } = failed;
    let place = problems.first().map_or(*place, |problem| problem.place);
    format!(
        "{file}:{}:{}: test `{}`: can't be updated: {message}",
        place.line, place.column, test.name
    )
}

/// The replacements, by file.
#[derive(Default)]
struct Edits(BTreeMap<PathBuf, Edited>);

struct Edited {
    text: String,
    /// By the position at which the value begins and ends.
    values: BTreeMap<(usize, usize), String>,
}

/// A document that holds the expectation of a test.
struct Expectation {
    file: PathBuf,
    document: Place,
    outputs: KeyPath,
}

impl Edits {
    fn take(&mut self, failed: &Failed, allowed: &Allowed) -> Result<Vec<Updated>, String> {
        let (expected, got) = match &failed.outcome {
            Outcome::Differs { expected, got, .. } => (expected, got),
            Outcome::Passed => return Ok(Vec::new()),
            Outcome::Unreadable(message) => return Err(message.clone()),
            Outcome::Unanswered(failure) => {
                return Err(format!("the pipeline gives no answer: {failure}"));
            }
        };
        let expectation = self.read(failed, allowed)?;
        let mut updated = Vec::new();
        for (index, (name, tensor)) in expected.iter().enumerate() {
            let one = |tensor: &Tensor| vec![(name.clone(), tensor.clone())];
            let answered = got.iter().find(|(other, _)| other == name);
            let (_, answered) = answered.ok_or_else(|| {
                format!("the pipeline has no output `{name}`; take it out, or correct it")
            })?;
            if compare(&one(tensor), &one(answered), failed.test.tolerance).is_ok() {
                continue;
            }
            self.replace(&expectation, index, tensor, &one(answered))?;
            let (file, test) = (expectation.file.clone(), failed.test.name.clone());
            updated.push(Updated {
                file,
                test,
                output: name.clone(),
            });
        }
        Ok(updated)
    }

    fn read(&mut self, failed: &Failed, allowed: &Allowed) -> Result<Expectation, String> {
        let manifest = Path::new(&failed.file);
        let expectation = match &failed.test.expect {
            DocumentRef::Digest(_) => {
                return Err(
                    "its expectation is referred to by digest; refer to a file instead".to_owned(),
                );
            }
            DocumentRef::Inline(_) if manifest == Path::new("-") => {
                return Err("it was read from standard input, which can't be rewritten".to_owned());
            }
            DocumentRef::Inline(_) => {
                let outputs = KeyPath::test(failed.index).key("expect").key("outputs");
                Expectation {
                    file: manifest.to_owned(),
                    document: failed.place,
                    outputs,
                }
            }
            DocumentRef::Path(path) => {
                let file = Confined::of(&failed.file, allowed).path(path);
                Expectation {
                    file,
                    document: Place::START,
                    outputs: KeyPath::default().key("outputs"),
                }
            }
        };
        if !self.0.contains_key(&expectation.file) {
            let opened = match &failed.test.expect {
                DocumentRef::Path(path) => Confined::of(&failed.file, allowed).open(path),
                _ => files::open(&expectation.file),
            };
            let text = opened.map_err(|error| error.to_string()).and_then(|file| {
                io::read_to_string(file)
                    .map_err(|error| format!("can't read {}: {error}", expectation.file.display()))
            })?;
            self.0.insert(
                expectation.file.clone(),
                Edited {
                    text,
                    values: BTreeMap::new(),
                },
            );
        }
        Ok(expectation)
    }

    fn replace(
        &mut self,
        Expectation {
            file,
            document,
            outputs,
        }: &Expectation,
        index: usize,
        before: &Tensor,
        now: &Named,
    ) -> Result<(), String> {
        let encoded = encode_request(None, now).map_err(|failure| failure.message)?;
        let encoded: Value = serde_json::from_slice(&encoded).map_err(|error| error.to_string())?;
        let now = &now[0].1;
        let keys = [
            ("data", true),
            ("shape", before.shape() != now.shape()),
            ("datatype", before.datatype() != now.datatype()),
        ];
        let Some(edited) = self.0.get_mut(file) else {
            return Ok(());
        };
        // Leading blank lines may precede the document.
        let document = if *document == Place::START {
            first(&edited.text)
        } else {
            *document
        };
        for (key, _) in keys.into_iter().filter(|(_, differs)| *differs) {
            let place = span(
                &edited.text,
                document,
                &outputs.clone().index(index).key(key),
            );
            let Range { start, end } =
                place.ok_or_else(|| format!("its `{key}` is not found in the text"))?;
            let text = written(&encoded["inputs"][0][key]);
            let there = edited
                .values
                .entry((start, end))
                .or_insert_with(|| text.clone());
            if *there != text {
                return Err(format!(
                    "another test expects something else in the same place of {}",
                    file.display()
                ));
            }
        }
        Ok(())
    }

    /// Writes every changed file.
    fn write(self) -> Result<(), CliError> {
        for (file, Edited { mut text, values }) in self.0 {
            // From the end, so that earlier positions stay valid.
            for ((start, end), value) in values.iter().rev() {
                text.replace_range(*start..*end, value);
            }
            if !values.is_empty() {
                put(&file, &text).map_err(|error| {
                    CliError::new(
                        Exit::Refused,
                        format!("can't write {}: {error}", file.display()),
                    )
                })?;
            }
        }
        Ok(())
    }
}

/// The position of the first value in a text.
fn first(text: &str) -> Place {
    let before = text.len()
        - text
            .trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n'])
            .len();
    let before = text[..before].trim_start_matches('\u{feff}');
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Place {
        line: before.matches('\n').count() + 1,
        column,
    }
}

/// A value in one line, with a space after each comma, as people write it. JSON is YAML.
fn written(value: &Value) -> String {
    match value {
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(written).collect::<Vec<_>>().join(", ")
        ),
        value => value.to_string(),
    }
}

/// Replaces the content of the file, or of the link's target, atomically.
fn put(file: &Path, text: &str) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    let name = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let beside = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = write(&beside, text, &file).and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        // Remove the incomplete file.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Creates a file with the permissions of `like`.
fn write(new: &Path, text: &str, like: &Path) -> io::Result<()> {
    let mut file = File::options().create_new(true).write(true).open(new)?;
    file.set_permissions(fs::metadata(like)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
