//! Parses a source, and lists the alternatives when it does not exist.
//!
//! Names of stages and of tensors may contain dots, so `a.b.c` is ambiguous. It is accepted when
//! exactly one of its meanings exists. A source that starts with `request.` always means the
//! client's tensor.

use super::Accepts;
use super::connect::{Connect, Origin};
use crate::limits::PORT_NAME_BYTES_MAX;
use crate::signature::{Port, show_dimensions};
use crate::suggest::{LIST_MAX, nearest, shown};

impl Connect<'_> {
    /// The tensor that a source names. `index` is the stage of the input, one more than the last
    /// for the answers; `taker` is the input, which determines the type of a request tensor.
    pub(super) fn by_source(
        &mut self,
        index: usize,
        source: &str,
        taker: Option<&Port>,
    ) -> Result<Origin, String> {
        if let Some(name) = source.strip_prefix("request.") {
            return self.by_request(index, name, taker);
        }
        let mut found: Vec<Origin> = self.by_name(source).into_iter().collect();
        for (stage, name) in splits(source) {
            let made = self
                .made
                .iter()
                .rposition(|made| self.stages[made.stage].name == stage && made.name == name);
            found.extend(made.map(Origin::Made).filter(|made| !found.contains(made)));
        }
        match (found.as_slice(), taker) {
            ([origin], _) => Ok(*origin),
            // Only the client comes before the first stage.
            ([], Some(taker)) if index == 0 && self.stage_named_in(source).is_none() => {
                match self.requested(source) {
                    Some(origin) => Ok(origin),
                    None => Ok(self.request(index, source, taker)),
                }
            }
            ([], _) => Err(self.unknown_source(index, source)),
            (several, _) => {
                let several: Vec<String> = several
                    .iter()
                    .map(|origin| self.show_apart(*origin))
                    .collect();
                let several = several.join(" or ");
                let word = self.parts.word();
                Err(format!(
                    "`{}` could be {several}; rename one of them under its {word}'s `outputs`",
                    shown(source)
                ))
            }
        }
    }

    fn by_request(
        &mut self,
        index: usize,
        name: &str,
        taker: Option<&Port>,
    ) -> Result<Origin, String> {
        if index > 0 && self.accepts == Accepts::Raw {
            return Err(format!(
                "`request.{}` isn't always present: {} `{}` takes raw bodies, which have no tensors",
                shown(name),
                self.parts.word(),
                self.stages[0].name
            ));
        }
        if name.is_empty() || name.len() > PORT_NAME_BYTES_MAX {
            return Err(format!(
                "a tensor's name has 1 to {PORT_NAME_BYTES_MAX} bytes, this one has {}",
                name.len()
            ));
        }
        match (self.requested(name), taker) {
            (Some(origin), _) => Ok(origin),
            (None, Some(taker)) => Ok(self.request(index, name, taker)),
            (None, None) => Err(format!(
                "no {} takes `request.{}`, so its type is unknown; {}",
                self.parts.word(),
                shown(name),
                self.show_reachable(name)
            )),
        }
    }

    /// The message for an input whose name no earlier tensor has.
    pub(super) fn unknown_input(&self, index: usize, port: &Port) -> String {
        let name = shown(&port.name);
        let ask = match self.accepts {
            Accepts::Tensors => format!("; `request.{name}` asks the client for it"),
            Accepts::Raw => String::new(),
        };
        format!(
            "nothing before {} `{}` makes its input `{name}` {} {}; {}{ask}",
            self.parts.word(),
            self.stages[index].name,
            port.datatype,
            show_dimensions(&port.shape),
            self.show_reachable(&port.name)
        )
    }

    /// With stage and tensor apart, where dots would be ambiguous.
    fn show_apart(&self, origin: Origin) -> String {
        let name = shown(self.bare(origin));
        match self.maker(origin) {
            Some(stage) => format!("`{name}` of {} `{stage}`", self.parts.word()),
            None => format!("`{name}` of the request"),
        }
    }

    fn unknown_source(&self, index: usize, source: &str) -> String {
        let mut why = format!("there is no tensor `{}` here", shown(source));
        if let Some((stage, name)) = self.stage_named_in(source) {
            if stage == index {
                why.push_str(&format!(
                    "; a {} can't take what it makes itself",
                    self.parts.word()
                ));
            } else if stage > index {
                why.push_str(&format!(
                    "; {} `{}` runs later",
                    self.parts.word(),
                    self.stages[stage].name
                ));
            } else if let Some(renamed) = self.stages[stage].outputs.get(name) {
                why.push_str(&format!("; `outputs` renames that to `{}`", shown(renamed)));
            }
        }
        format!("{why}; {}", self.show_reachable(source))
    }

    /// The stage that a source names, at any position, and the tensor.
    fn stage_named_in<'s>(&self, source: &'s str) -> Option<(usize, &'s str)> {
        splits(source).find_map(|(stage, name)| {
            let index = self.stages.iter().position(|other| other.name == stage)?;
            Some((index, name))
        })
    }

    /// The tensors that can be taken, the nearest first.
    fn show_reachable(&self, name: &str) -> String {
        let mut tensors = self.reachable();
        if tensors.is_empty() {
            return "there are none".to_owned();
        }
        let bare = splits(name).last().map_or(name, |(_, bare)| bare);
        let near = [name, bare]
            .into_iter()
            .find_map(|word| nearest(word, tensors.iter().map(|origin| self.bare(*origin))));
        let is_near = |origin: &Origin| near == Some(self.bare(*origin));
        // The latest is the most likely one.
        tensors.reverse();
        tensors.sort_by_key(|origin| !is_near(origin));
        let shown: Vec<String> = tensors
            .iter()
            .take(LIST_MAX)
            .map(|origin| self.show(*origin))
            .collect();
        let more = match tensors.len().saturating_sub(LIST_MAX) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let meant = match tensors.first().filter(|origin| is_near(origin)) {
            Some(origin) => format!("did you mean `{}`? ", self.qualified(*origin)),
            None => String::new(),
        };
        format!("{meant}reachable: {}{more}", shown.join(", "))
    }
}

/// All splits of a source into a stage and a tensor.
fn splits(source: &str) -> impl Iterator<Item = (&str, &str)> {
    source
        .match_indices('.')
        .map(|(dot, _)| (&source[..dot], &source[dot + 1..]))
}
