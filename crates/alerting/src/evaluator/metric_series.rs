//! A figure over time, for each group: what one or more rules and budgets with the same filter look at.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hinomi_model::span::Span;
use hinomi_query::{GroupBy, SpanMatcher};

use super::buckets::{BucketSeries, DurationSketch, QuantitySum, percentile};
use crate::delivery::notice;
use crate::rule::metric::SeriesAggregation;

/// What stands for the groups beyond those that are told apart.
pub(crate) const REST: &str = "(all others)";

/// Which spans of a track belong together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AlertGroupKey {
    /// All of them: the track has no groups.
    Whole,
    /// Those with this value; `None` where the spans do not say.
    Of(Option<Arc<str>>),
    /// Those of groups beyond what is told apart.
    Rest,
}

impl AlertGroupKey {
    /// As it is shown.
    pub(crate) fn shown(&self, by: Option<&str>) -> Option<notice::AlertGroup> {
        let name = by.unwrap_or_default().to_owned();
        match self {
            AlertGroupKey::Whole => None,
            AlertGroupKey::Of(value) => Some(notice::AlertGroup { name, value: value.as_deref().map(str::to_owned) }),
            AlertGroupKey::Rest => Some(notice::AlertGroup { name, value: Some(REST.to_owned()) }),
        }
    }

    /// From how it is shown.
    pub(crate) fn read(shown: Option<&notice::AlertGroup>) -> AlertGroupKey {
        match shown {
            None => AlertGroupKey::Whole,
            Some(notice::AlertGroup { value, .. }) if value.as_deref() == Some(REST) => AlertGroupKey::Rest,
            Some(notice::AlertGroup { value, .. }) => AlertGroupKey::Of(value.as_deref().map(Arc::from)),
        }
    }
}

/// What tells tracks apart. Rules that say the same share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AlertSeriesSpec {
    pub(crate) project: u64,
    pub(crate) filter: String,
    pub(crate) by: Option<String>,
    pub(crate) max_groups: u32,
    pub(crate) gathers: SeriesAggregation,
    /// Length of a step in microseconds.
    pub(crate) step_us: i64,
    /// Whether it is estimated what clients left out by sampling.
    pub(crate) with_unsent: bool,
}

/// What one group did.
#[derive(Debug, Clone)]
enum GroupBuckets {
    Sums(BucketSeries<QuantitySum>),
    Sketches(BucketSeries<DurationSketch>),
}

/// A figure of some steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WindowAggregate {
    /// Of the quantity; 0 for sketches.
    pub(crate) quantity: i128,
    /// Spans.
    pub(crate) spans: i64,
    /// The percentile that was asked for, in microseconds.
    pub(crate) percentile: Option<f64>,
}

/// A figure over time.
#[derive(Debug)]
pub(crate) struct AlertSeries {
    pub(crate) spec: AlertSeriesSpec,
    /// Steps that are kept: as many as the rule that looks back furthest needs.
    pub(crate) keep: i64,
    by: Option<GroupBy>,
    pub(crate) matcher: SpanMatcher,
    /// The version of the store up to which everything is in it.
    pub(crate) version: u64,
    /// Most tracks have no groups: theirs lies here, so that a span of a thousand rules costs no look-up in each.
    whole: Option<AlertSeriesGroup>,
    groups: HashMap<AlertGroupKey, AlertSeriesGroup>,
    /// Groups that changed since they were last judged.
    changed: Vec<AlertGroupKey>,
}

/// One group.
#[derive(Debug)]
struct AlertSeriesGroup {
    heaps: GroupBuckets,
    /// What clients that say at which rate they sample are likely not to have sent: a call at a rate of 0.2 stands for four more.
    unsent: BucketSeries<QuantitySum>,
    /// The oldest step that changed since it was last judged.
    oldest: Option<i64>,
}

impl AlertSeriesGroup {
    fn new(gathers: SeriesAggregation) -> AlertSeriesGroup {
        let heaps = match gathers {
            SeriesAggregation::Sums(..) => GroupBuckets::Sums(BucketSeries::default()),
            SeriesAggregation::Sketches(_) => GroupBuckets::Sketches(BucketSeries::default()),
        };
        AlertSeriesGroup { heaps, unsent: BucketSeries::default(), oldest: None }
    }
}

impl AlertSeries {
    pub(crate) fn new(spec: AlertSeriesSpec, keep: i64, by: Option<GroupBy>, matcher: SpanMatcher) -> AlertSeries {
        AlertSeries { spec, keep, by, matcher, version: 0, whole: None, groups: HashMap::new(), changed: Vec::new() }
    }

    /// The columns that must be there of a span.
    pub(crate) fn columns(&self) -> BTreeSet<&'static str> {
        let mut columns = self.matcher.columns();
        columns.extend(self.spec.gathers.columns());
        columns.extend(self.spec.with_unsent.then_some("sample_rate"));
        columns.extend(self.by.iter().flat_map(|by| by.columns()));
        columns
    }

    pub(crate) fn step_of(&self, us: i64) -> i64 {
        us.div_euclid(self.spec.step_us)
    }

    /// Adds a span that the filter lets pass, or takes it back. What lies too far back changes nothing.
    pub(crate) fn add(&mut self, span: &Span, sign: i64, now_us: i64) {
        let step = self.step_of(span.start_us);
        if step <= self.step_of(now_us) - self.keep {
            return;
        }
        let value = match self.spec.gathers {
            SeriesAggregation::Sums(subject, quantity) if subject.has(span) => quantity.of(span),
            SeriesAggregation::Sketches(spread) if crate::rule::metric::SpanSubject::Calls.has(span) => match spread.of(span) {
                Some(us) => us,
                None => return,
            },
            _ => return,
        };
        let gathers = self.spec.gathers;
        let (group, slot) = if self.by.is_none() {
            (AlertGroupKey::Whole, self.whole.get_or_insert_with(|| AlertSeriesGroup::new(gathers)))
        } else {
            let group = self.group(span);
            (group.clone(), self.groups.entry(group).or_insert_with(|| AlertSeriesGroup::new(gathers)))
        };
        match &mut slot.heaps {
            GroupBuckets::Sums(buckets) => buckets.change(step, |sums| {
                sums.quantity = sums.quantity.saturating_add(sign.saturating_mul(value));
                sums.spans += sign;
            }),
            GroupBuckets::Sketches(buckets) => buckets.change(step, |sketch| sketch.add(value, sign as i32)),
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

    fn slot(&self, group: &AlertGroupKey) -> Option<&AlertSeriesGroup> {
        if *group == AlertGroupKey::Whole { self.whole.as_ref() } else { self.groups.get(group) }
    }

    fn group(&self, span: &Span) -> AlertGroupKey {
        let Some(by) = &self.by else { return AlertGroupKey::Whole };
        let group = AlertGroupKey::Of(by.of(span).map(|value| Arc::from(value.as_ref())));
        let is_known = self.groups.contains_key(&group) || self.groups.len() < self.spec.max_groups as usize;
        if is_known { group } else { AlertGroupKey::Rest }
    }

    /// The figure of a group from one step to another, the latter not included. `part` is the percentile that is wanted.
    pub(crate) fn figure(&self, group: &AlertGroupKey, from: i64, to: i64, part: f64) -> WindowAggregate {
        match self.slot(group).map(|slot| &slot.heaps) {
            None => WindowAggregate { quantity: 0, spans: 0, percentile: None },
            Some(GroupBuckets::Sums(buckets)) => {
                let (quantity, spans) = buckets.sums(from, to);
                WindowAggregate { quantity, spans, percentile: None }
            }
            Some(GroupBuckets::Sketches(buckets)) => {
                let (percentile, spans) = percentile(buckets.range(from, to), part);
                WindowAggregate { quantity: 0, spans, percentile }
            }
        }
    }

    /// What clients are likely not to have sent of a group; 0 where none says that it samples.
    pub(crate) fn unsent(&self, group: &AlertGroupKey, from: i64, to: i64) -> i128 {
        self.slot(group).map_or(0, |slot| slot.unsent.sums(from, to).0)
    }

    /// Sums of a group by steps.
    pub(crate) fn sums(&self, group: &AlertGroupKey) -> Option<&BucketSeries<QuantitySum>> {
        match &self.slot(group)?.heaps {
            GroupBuckets::Sums(buckets) => Some(buckets),
            GroupBuckets::Sketches(_) => None,
        }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &AlertGroupKey> {
        self.groups.keys().chain(self.whole.as_ref().map(|_| &AlertGroupKey::Whole))
    }

    /// What changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> HashMap<AlertGroupKey, i64> {
        let mut changed = HashMap::with_capacity(self.changed.len());
        for group in std::mem::take(&mut self.changed) {
            let slot = if group == AlertGroupKey::Whole { self.whole.as_mut() } else { self.groups.get_mut(&group) };
            // A group that was forgotten meanwhile has nothing left to judge.
            if let Some(oldest) = slot.and_then(|slot| slot.oldest.take()) {
                changed.insert(group, oldest);
            }
        }
        changed
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Forgets some groups, whatever is in them.
    pub(crate) fn forget_groups(&mut self, is_meant: impl Fn(&AlertGroupKey) -> bool) {
        self.groups.retain(|group, _| !is_meant(group));
        self.changed.retain(|group| !is_meant(group));
    }

    /// Forgets what is older than what is kept, and groups of which nothing is left.
    pub(crate) fn forget(&mut self, now_us: i64) {
        let oldest = self.step_of(now_us) - self.keep + 1;
        let is_left = |slot: &mut AlertSeriesGroup| {
            slot.unsent.forget_before(oldest);
            match &mut slot.heaps {
                GroupBuckets::Sums(buckets) => {
                    buckets.forget_before(oldest);
                    !buckets.is_empty()
                }
                GroupBuckets::Sketches(buckets) => {
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
