//! Each change, made to the journal and to the map that says what must be served.

use super::*;

impl Journal {
    /// Applies it on paper and to the state; operations without a meaning are skipped.
    pub(super) fn act(&mut self, op: &Op) {
        match *op {
            Op::Apply(name, text, seed) => self.apply(name, text, seed),
            Op::Remove(name, text) => self.remove(name, text),
            Op::Label(name, text) => self.label(name, text),
            Op::Route(name, seed) => self.route(name, seed, "operator", &[name]),
            Op::Adapt(name, seed) => {
                let sheet = self.paper().get(name);
                if sheet.is_some_and(|sheet| sheet.route.is_some()) {
                    self.route(name, seed, ADAPT_ACTOR, &[]);
                }
            }
            Op::Unroute(name) => self.unroute(name),
            Op::Start(name, seed) => {
                if self.paper().contains_key(name) && self.under_way(name).is_none() {
                    self.roll(name, (seed, Phase::Running), 0, &[name]);
                }
            }
            Op::Step(name) => {
                if let Some(rollout) = self.under_way(name) {
                    let step = u32::try_from(self.revisions.len()).unwrap();
                    self.roll(name, rollout, step, &[]);
                }
            }
            Op::End(name, phase) => {
                if let Some((seed, _)) = self.under_way(name) {
                    self.roll(name, (seed, phase), 0, &[]);
                }
            }
            Op::Back(name, to) => self.back(name, to),
            Op::BackAll(to) => self.back_all(to),
        }
    }

    fn apply(&mut self, name: &'static str, text: &'static str, seed: u8) {
        let mut paper = self.paper().clone();
        let replaces = paper.entry(name).or_default().versions.insert(text, seed);
        if replaces == Some(seed) {
            return;
        }
        let change = Change::Serve {
            pipeline: model(name),
            version: version(text),
            digest: digest(seed),
            replaces: replaces.map(digest),
        };
        self.record(Verb::Apply, "operator", vec![change], paper, &[name]);
    }

    fn remove(&mut self, name: &'static str, text: Option<&'static str>) {
        let Ok(changes) = self.state.delete(&model(name), text.map(version).as_ref()) else {
            return;
        };
        let mut paper = self.paper().clone();
        let sheet = paper.get_mut(name).unwrap();
        sheet
            .versions
            .retain(|version, _| text.is_some_and(|text| text != *version));
        if sheet.versions.is_empty() {
            paper.remove(name);
        }
        self.record(Verb::Delete, "operator", changes, paper, &[name]);
    }

    fn label(&mut self, name: &'static str, text: Option<&'static str>) {
        let to = text.map(version);
        let Ok(change) = self.state.label(&model(name), &version(LABEL), to.as_ref()) else {
            return;
        };
        let mut paper = self.paper().clone();
        let labels = text.map(|text| (LABEL, text)).into_iter().collect();
        paper.get_mut(name).unwrap().labels = labels;
        let changes = change.into_iter().collect();
        self.record(Verb::Label, "operator", changes, paper, &[name]);
    }

    fn unroute(&mut self, name: &'static str) {
        let Ok(change) = self.state.unroute(&model(name)) else {
            return;
        };
        let mut paper = self.paper().clone();
        paper.get_mut(name).unwrap().route = None;
        self.record(Verb::Delete, "operator", vec![change], paper, &[name]);
    }

    fn route(&mut self, name: &'static str, seed: u8, actor: &str, decided: &[&'static str]) {
        let mut paper = self.paper().clone();
        let Some(sheet) = paper
            .get_mut(name)
            .filter(|sheet| sheet.route != Some(seed))
        else {
            return;
        };
        let replaces = sheet.route.replace(seed).map(digest);
        let versions = sheet
            .versions
            .keys()
            .take(1)
            .map(|text| version(text))
            .collect();
        let change = Change::Route {
            pipeline: model(name),
            digest: digest(seed),
            versions,
            replaces,
        };
        self.record(Verb::Apply, actor, vec![change], paper, decided);
    }

    /// Moves the name's rollout, given as on paper, to a step.
    fn roll(
        &mut self,
        name: &'static str,
        rollout: (u8, Phase),
        step: u32,
        decided: &[&'static str],
    ) {
        let mut paper = self.paper().clone();
        paper.get_mut(name).unwrap().rollout = Some(rollout);
        let to = rolling(rollout.0, step, rollout.1);
        let change = self.state.roll(&model(name), Some(to));
        self.record(Verb::Rollout, "rollout", vec![change], paper, decided);
    }

    fn back(&mut self, name: &'static str, to: Option<usize>) {
        let head = self.revisions.len();
        let mut trail = Trail::of(model(name));
        self.revisions
            .iter()
            .for_each(|revision| trail.add(revision).unwrap());
        let origin = trail.origin();
        // On paper: before the last revision by a person's decision about the name.
        let last = self.decided.iter().rposition(|names| names.contains(&name));
        assert_eq!(
            origin.as_ref().map(|origin| origin.revision + 1),
            last.map(|last| last as u64),
            "{name}"
        );
        let Some(before) = to
            .map(|to| to % (head + 1))
            .or_else(|| last.map(|last| last - 1))
        else {
            return;
        };
        let target = self.state_after(before);
        if let (None, Some(origin)) = (to, origin) {
            assert_eq!(origin.entry.as_ref(), target.model(name));
        }
        let mut paper = self.paper().clone();
        let sheet = self.papers[before].get(name).map(settled);
        // A change that would end the name is refused unless it was requested.
        if sheet.is_none() && paper.contains_key(name) && to.is_none_or(|_| before != 0) {
            assert!(
                self.state
                    .lost_in(&target)
                    .any(|lost| lost.as_str() == name)
            );
            return;
        }
        match sheet {
            // A name that does not change keeps its rollout under way.
            Some(sheet) if self.state.model(name) != target.model(name) => {
                drop(paper.insert(name, sheet));
            }
            Some(_) => {}
            None => drop(paper.remove(name)),
        }
        let changes = self.state.changes_of(&model(name), target.model(name));
        assert!(
            changes
                .iter()
                .all(|change| *change.pipeline() == model(name))
        );
        self.record(Verb::Rollback, "operator", changes, paper, &[name]);
    }

    fn back_all(&mut self, to: Option<usize>) {
        let head = self.revisions.len();
        let before = to.map_or(head.saturating_sub(1), |to| to % (head + 1));
        let target = self.state_after(before);
        let names = || self.paper().keys().chain(self.papers[before].keys());
        let lost = self
            .paper()
            .keys()
            .any(|name| !self.papers[before].contains_key(name));
        assert_eq!(self.state.lost_in(&target).count() > 0, lost);
        if lost && (to.is_none() || before != 0) {
            return;
        }
        let changes = |name: &str| self.state.changes_of(&model(name), target.model(name));
        let changed: Vec<&'static str> = names()
            .copied()
            .filter(|name| !changes(name).is_empty())
            .collect();
        let mut paper = self.paper().clone();
        for name in &changed {
            match self.papers[before].get(name) {
                Some(sheet) => drop(paper.insert(*name, settled(sheet))),
                None => drop(paper.remove(name)),
            }
        }
        self.record(
            Verb::Rollback,
            "operator",
            self.state.changes_to(&target),
            paper,
            &changed,
        );
    }
}
