//! A figure over time, for each group: what one or more rules and budgets with the same filter look at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hinomi_model::span::Span;

use super::buckets::{Buckets, DurationSketch, Sums, percentile};
use super::measure::Gathers;
use crate::notify::notice;
use crate::query::{By, Matcher};

/// What stands for the groups beyond those that are told apart.
pub(super) const REST: &str = "(all others)";

/// Which spans of a track belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Group {
    /// All of them: the track has no groups.
    Whole,
    /// Those with this value; `None` where the spans do not say.
    Of(Option<Arc<str>>),
    /// Those of groups beyond what is told apart.
    Rest,
}

impl Group {
    /// As it is shown.
    pub(super) fn shown(&self, by: Option<&str>) -> Option<notice::Group> {
        let name = by.unwrap_or_default().to_owned();
        match self {
            Group::Whole => None,
            Group::Of(value) => Some(notice::Group { name, value: value.as_deref().map(str::to_owned) }),
            Group::Rest => Some(notice::Group { name, value: Some(REST.to_owned()) }),
        }
    }

    /// From how it is shown.
    pub(super) fn read(shown: Option<&notice::Group>) -> Group {
        match shown {
            None => Group::Whole,
            Some(notice::Group { value, .. }) if value.as_deref() == Some(REST) => Group::Rest,
            Some(notice::Group { value, .. }) => Group::Of(value.as_deref().map(Arc::from)),
        }
    }
}

/// What tells tracks apart. Rules that say the same share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Spec {
    pub(super) project: u64,
    pub(super) filter: String,
    pub(super) by: Option<String>,
    pub(super) most_groups: u32,
    pub(super) gathers: Gathers,
    /// Length of a step in microseconds.
    pub(super) step_us: i64,
    /// Whether it is estimated what clients left out by sampling.
    pub(super) with_unsent: bool,
}

/// What one group did.
#[derive(Debug, Clone)]
enum Heaps {
    Sums(Buckets<Sums>),
    Sketches(Buckets<DurationSketch>),
}

/// A figure of some steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figure {
    /// Of the quantity; 0 for sketches.
    pub(super) quantity: i128,
    /// Spans.
    pub(super) spans: i64,
    /// The percentile that was asked for, in microseconds.
    pub(super) percentile: Option<f64>,
}

/// A figure over time.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) spec: Spec,
    /// Steps that are kept: as many as the rule that looks back furthest needs.
    pub(super) keep: i64,
    by: Option<By>,
    pub(super) matcher: Matcher,
    /// The version of the store up to which everything is in it.
    pub(super) version: u64,
    /// Most tracks have no groups: theirs lies here, so that a span of a thousand rules costs no look-up in each.
    whole: Option<Slot>,
    groups: HashMap<Group, Slot>,
    /// Groups that changed since they were last judged.
    changed: Vec<Group>,
}

/// One group.
#[derive(Debug)]
struct Slot {
    heaps: Heaps,
    /// What clients that say at which rate they sample are likely not to have sent: a call at a rate of 0.2 stands for four more.
    unsent: Buckets<Sums>,
    /// The oldest step that changed since it was last judged.
    oldest: Option<i64>,
}

impl Slot {
    fn new(gathers: Gathers) -> Slot {
        let heaps = match gathers {
            Gathers::Sums(..) => Heaps::Sums(Buckets::default()),
            Gathers::Sketches(_) => Heaps::Sketches(Buckets::default()),
        };
        Slot { heaps, unsent: Buckets::default(), oldest: None }
    }
}

impl Track {
    pub(super) fn new(spec: Spec, keep: i64, by: Option<By>, matcher: Matcher) -> Track {
        Track { spec, keep, by, matcher, version: 0, whole: None, groups: HashMap::new(), changed: Vec::new() }
    }

    /// The columns that must be there of a span.
    pub(super) fn columns(&self) -> BTreeSet<&'static str> {
        let mut columns = self.matcher.columns();
        columns.extend(self.spec.gathers.columns());
        columns.extend(self.spec.with_unsent.then_some("sample_rate"));
        columns.extend(self.by.iter().flat_map(|by| by.columns()));
        columns
    }

    pub(super) fn step_of(&self, us: i64) -> i64 {
        us.div_euclid(self.spec.step_us)
    }

    /// Adds a span that the filter lets pass, or takes it back. What lies too far back changes nothing.
    pub(super) fn add(&mut self, span: &Span, sign: i64, now_us: i64) {
        let step = self.step_of(span.start_us);
        if step <= self.step_of(now_us) - self.keep {
            return;
        }
        let value = match self.spec.gathers {
            Gathers::Sums(subject, quantity) if subject.has(span) => quantity.of(span),
            Gathers::Sketches(spread) if super::measure::Subject::Calls.has(span) => match spread.of(span) {
                Some(us) => us,
                None => return,
            },
            _ => return,
        };
        let gathers = self.spec.gathers;
        let (group, slot) = if self.by.is_none() {
            (Group::Whole, self.whole.get_or_insert_with(|| Slot::new(gathers)))
        } else {
            let group = self.group(span);
            (group.clone(), self.groups.entry(group).or_insert_with(|| Slot::new(gathers)))
        };
        match &mut slot.heaps {
            Heaps::Sums(buckets) => buckets.change(step, |sums| {
                sums.quantity = sums.quantity.saturating_add(sign.saturating_mul(value));
                sums.spans += sign;
            }),
            Heaps::Sketches(buckets) => buckets.change(step, |sketch| sketch.add(value, sign as i32)),
        }
        if let Some(rate) = span.sample_rate.filter(|rate| self.spec.with_unsent && *rate > 0.0 && *rate < 1.0) {
            let unsent = (value as f64 * (1.0 / rate - 1.0)).round() as i64;
            slot.unsent.change(step, |sums| {
                sums.quantity = sums.quantity.saturating_add(sign.saturating_mul(unsent));
                sums.spans += sign;
            });
        }
        match &mut slot.oldest {
            Some(oldest) => *oldest = step.min(*oldest),
            none => {
                *none = Some(step);
                self.changed.push(group);
            }
        }
    }

    fn slot(&self, group: &Group) -> Option<&Slot> {
        if *group == Group::Whole { self.whole.as_ref() } else { self.groups.get(group) }
    }

    fn group(&self, span: &Span) -> Group {
        let Some(by) = &self.by else { return Group::Whole };
        let group = Group::Of(by.of(span).map(|value| Arc::from(value.as_ref())));
        let is_known = self.groups.contains_key(&group) || self.groups.len() < self.spec.most_groups as usize;
        if is_known { group } else { Group::Rest }
    }

    /// The figure of a group from one step to another, the latter not included. `part` is the percentile that is wanted.
    pub(super) fn figure(&self, group: &Group, from: i64, to: i64, part: f64) -> Figure {
        match self.slot(group).map(|slot| &slot.heaps) {
            None => Figure { quantity: 0, spans: 0, percentile: None },
            Some(Heaps::Sums(buckets)) => {
                let (quantity, spans) = buckets.sums(from, to);
                Figure { quantity, spans, percentile: None }
            }
            Some(Heaps::Sketches(buckets)) => {
                let (percentile, spans) = percentile(buckets.range(from, to), part);
                Figure { quantity: 0, spans, percentile }
            }
        }
    }

    /// What clients are likely not to have sent of a group; 0 where none says that it samples.
    pub(super) fn unsent(&self, group: &Group, from: i64, to: i64) -> i128 {
        self.slot(group).map_or(0, |slot| slot.unsent.sums(from, to).0)
    }

    /// Sums of a group by steps.
    pub(super) fn sums(&self, group: &Group) -> Option<&Buckets<Sums>> {
        match &self.slot(group)?.heaps {
            Heaps::Sums(buckets) => Some(buckets),
            Heaps::Sketches(_) => None,
        }
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.keys().chain(self.whole.as_ref().map(|_| &Group::Whole))
    }

    /// What changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> HashMap<Group, i64> {
        let mut changed = HashMap::with_capacity(self.changed.len());
        for group in std::mem::take(&mut self.changed) {
            let slot = if group == Group::Whole { self.whole.as_mut() } else { self.groups.get_mut(&group) };
            // A group that was forgotten meanwhile has nothing left to judge.
            if let Some(oldest) = slot.and_then(|slot| slot.oldest.take()) {
                changed.insert(group, oldest);
            }
        }
        changed
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Forgets some groups, whatever is in them.
    pub(super) fn forget_groups(&mut self, is_meant: impl Fn(&Group) -> bool) {
        self.groups.retain(|group, _| !is_meant(group));
        self.changed.retain(|group| !is_meant(group));
    }

    /// Forgets what is older than what is kept, and groups of which nothing is left.
    pub(super) fn forget(&mut self, now_us: i64) {
        let oldest = self.step_of(now_us) - self.keep + 1;
        let is_left = |slot: &mut Slot| {
            slot.unsent.forget_before(oldest);
            match &mut slot.heaps {
                Heaps::Sums(buckets) => {
                    buckets.forget_before(oldest);
                    !buckets.is_empty()
                }
                Heaps::Sketches(buckets) => {
                    buckets.forget_before(oldest);
                    !buckets.is_empty()
                }
            }
        };
        self.groups.retain(|_, slot| is_left(slot));
        if self.whole.as_mut().is_some_and(|whole| !is_left(whole)) {
            self.whole = None;
        }
    }
}
