//! From text to trees: one for each document of a YAML file.
//!
//! YAML's pitfalls are refused: anchors and aliases, so nothing can expand; tags; keys that are not
//! text; duplicate keys. Documents are separated by `---`; empty ones are skipped. JSON is YAML, so
//! JSON files work as well. Bounds: [`MANIFEST_BYTES_MAX`], [`MANIFEST_DEPTH_MAX`] and
//! [`MANIFEST_KEY_BYTES_MAX`].

use std::collections::BTreeSet;
use std::sync::Arc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::node::{Data, Entry, Node};
use super::problem::{KeyPath, Place, Problem, Problems, Step};
use crate::limits::{MANIFEST_BYTES_MAX, MANIFEST_DEPTH_MAX, MANIFEST_KEY_BYTES_MAX};
use crate::suggest::shown;

/// Reads all documents. A value that is refused is reported, and replaced with [`Data::Refused`].
pub(super) fn read(file: &Arc<str>, text: &str) -> (Vec<Node>, Problems) {
    let mut reader = Reader {
        file: Arc::clone(file),
        open: Vec::new(),
        documents: Vec::new(),
        problems: Problems::default(),
    };
    if text.len() > MANIFEST_BYTES_MAX {
        let message = format!(
            "the file has {} bytes; at most {MANIFEST_BYTES_MAX} are allowed",
            text.len()
        );
        reader.report(Place::START, message);
        return (reader.documents, reader.problems);
    }
    let mut parser = Parser::new_from_str(text.trim_start_matches('\u{feff}'));
    if let Err(Stopped { place, message }) = reader.run(&mut parser) {
        reader.report(place, message);
    }
    (reader.documents, reader.problems)
}

/// Reading stops here.
struct Stopped {
    place: Place,
    message: String,
}

struct Reader {
    file: Arc<str>,
    /// The open mappings and lists, outermost first.
    open: Vec<Open>,
    documents: Vec<Node>,
    problems: Problems,
}

enum Open {
    List {
        place: Place,
        items: Vec<Node>,
    },
    Map {
        place: Place,
        entries: Vec<Entry>,
        seen: BTreeSet<String>,
        key: Key,
    },
}

/// What comes next in a mapping.
enum Key {
    /// A key comes next.
    Next,
    /// The value of this key comes next.
    Of(String, Place),
    /// The value of a refused key comes next, and is dropped with it.
    Refused,
}

impl Reader {
    fn run(&mut self, parser: &mut Parser<'_, StrInput<'_>>) -> Result<(), Stopped> {
        loop {
            let (event, span) = match parser.next_event() {
                None => return Ok(()),
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    let message = format!("this isn't YAML: {}", shown(error.info()));
                    return Err(Stopped {
                        place: place(error.marker()),
                        message,
                    });
                }
            };
            if matches!(event, Event::StreamEnd) {
                return Ok(());
            }
            self.take(event, span)?;
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Stopped> {
        let place = place(&span.start);
        match event {
            Event::MappingStart(anchor, ref tag) | Event::SequenceStart(anchor, ref tag) => {
                self.refuse_decorations(place, anchor, tag.as_deref());
                if self.open.len() >= MANIFEST_DEPTH_MAX {
                    let message = format!(
                        "nests deeper than the {MANIFEST_DEPTH_MAX} levels that are allowed"
                    );
                    return Err(Stopped { place, message });
                }
                self.open.push(match event {
                    Event::SequenceStart(..) => Open::List {
                        place,
                        items: Vec::new(),
                    },
                    _ => Open::Map {
                        place,
                        entries: Vec::new(),
                        seen: BTreeSet::new(),
                        key: Key::Next,
                    },
                });
            }
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(Open::List { place, items }) => self.put(Node {
                    place,
                    data: Data::List(items),
                }),
                Some(Open::Map { place, entries, .. }) => self.put(Node {
                    place,
                    data: Data::Map(entries),
                }),
                None => {}
            },
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_decorations(place, anchor, tag.as_deref());
                let text = text.into_owned();
                let data = if style == ScalarStyle::Plain {
                    Data::plain(text)
                } else {
                    Data::Text(text)
                };
                self.put(Node { place, data });
            }
            Event::Alias(_) => {
                self.report(
                    place,
                    "aliases (`*name`) aren't allowed; write the value out".to_owned(),
                );
                self.put(Node {
                    place,
                    data: Data::Refused,
                });
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn refuse_decorations(
        &mut self,
        place: Place,
        anchor: usize,
        tag: Option<&saphyr_parser::Tag>,
    ) {
        if anchor > 0 {
            self.report(
                place,
                "anchors (`&name`) aren't allowed; write the value out where it is used".to_owned(),
            );
        }
        if let Some(tag) = tag {
            let tag = if tag.is_yaml_core_schema() {
                format!("!!{}", tag.suffix)
            } else {
                tag.to_string()
            };
            self.report(
                place,
                format!(
                    "tags (`{}`) aren't allowed; quote what should be text",
                    shown(&tag)
                ),
            );
        }
    }

    /// Adds a finished value to its parent.
    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None if matches!(node.data, Data::Null) => {}
            None => self.documents.push(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match std::mem::replace(key, Key::Next) {
                Key::Next => self.put_key(node),
                Key::Of(key, place) => entries.push(Entry {
                    key,
                    place,
                    value: node,
                }),
                Key::Refused => {}
            },
        }
    }

    fn put_key(&mut self, node: Node) {
        let refusal = match (node.data, self.open.last_mut()) {
            (Data::Text(text), _) if text.len() > MANIFEST_KEY_BYTES_MAX => Some(format!(
                "the key `{}` has {} bytes; at most {MANIFEST_KEY_BYTES_MAX} are allowed",
                shown(&text),
                text.len()
            )),
            (Data::Text(text), Some(Open::Map { seen, key, .. })) => {
                if seen.insert(text.clone()) {
                    *key = Key::Of(text, node.place);
                    return;
                }
                Some(format!("the key `{}` is there twice", shown(&text)))
            }
            (Data::Refused, _) => None,
            (data, _) => {
                let node = Node {
                    place: node.place,
                    data,
                };
                Some(format!(
                    "a key must be text, found {}; quote it if that is its name",
                    node.describe()
                ))
            }
        };
        if let Some(message) = refusal {
            self.report(node.place, message);
        }
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = Key::Refused;
        }
    }

    fn report(&mut self, place: Place, message: String) {
        let Self {
            file,
            open,
            problems,
            ..
        } = self;
        problems.push_with(|| Problem {
            file: Arc::clone(file),
            place,
            path: path(open),
            message,
        });
    }
}

/// The path of the next value.
fn path(open: &[Open]) -> KeyPath {
    let mut path = KeyPath::default();
    for open in open {
        match open {
            Open::List { items, .. } => path.push(Step::Index(items.len())),
            Open::Map {
                key: Key::Of(key, _),
                ..
            } => path.push(Step::Key(key.clone())),
            Open::Map { .. } => {}
        }
    }
    path
}

fn place(marker: &Marker) -> Place {
    Place {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}
