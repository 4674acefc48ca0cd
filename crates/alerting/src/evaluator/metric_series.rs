//! Metric series: a metric over time for each group, shared by rules and budgets with the same filter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hinomi_model::span::Span;
use hinomi_query::{GroupBy, SpanMatcher};

use super::buckets::{BucketSeries, DurationSketch, QuantitySum, percentile};
use crate::delivery::notice;
use crate::rule::metric::SeriesAggregation;

/// Name of the group that contains all groups beyond the maximum number.
pub(crate) const REST: &str = "(all others)";

/// Group of a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AlertGroupKey {
    /// All spans: the series has no groups.
    Whole,
    /// Spans with this value; `None` for spans without one.
    Of(Option<Arc<str>>),
    /// Spans of groups beyond the maximum number.
    Rest,
}

impl AlertGroupKey {
    /// Returns the group as shown in notices.
    pub(crate) fn shown(&self, by: Option<&str>) -> Option<notice::AlertGroup> {
        let name = by.unwrap_or_default().to_owned();
        match self {
            AlertGroupKey::Whole => None,
            AlertGroupKey::Of(value) => Some(notice::AlertGroup { name, value: value.as_deref().map(str::to_owned) }),
            AlertGroupKey::Rest => Some(notice::AlertGroup { name, value: Some(REST.to_owned()) }),
        }
    }

    /// Returns the group from its form in notices.
    pub(crate) fn read(shown: Option<&notice::AlertGroup>) -> AlertGroupKey {
        match shown {
            None => AlertGroupKey::Whole,
            Some(notice::AlertGroup { value, .. }) if value.as_deref() == Some(REST) => AlertGroupKey::Rest,
            Some(notice::AlertGroup { value, .. }) => AlertGroupKey::Of(value.as_deref().map(Arc::from)),
        }
    }
}

/// Specification of a series. Rules with the same specification share one series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AlertSeriesSpec {
    pub(crate) project: u64,
    pub(crate) filter: String,
    pub(crate) by: Option<String>,
    pub(crate) max_groups: u32,
    pub(crate) gathers: SeriesAggregation,
    /// Length of a step in microseconds.
    pub(crate) step_us: i64,
    /// Whether to estimate what clients left out by sampling.
    pub(crate) with_unsent: bool,
}

/// Aggregates of one group over time.
#[derive(Debug, Clone)]
enum GroupBuckets {
    Sums(BucketSeries<QuantitySum>),
    Sketches(BucketSeries<DurationSketch>),
}

/// Aggregate of a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct WindowAggregate {
    /// Sum of the quantity; 0 for sketches.
    pub(crate) quantity: i128,
    /// Number of spans.
    pub(crate) spans: i64,
    /// The requested percentile in microseconds.
    pub(crate) percentile: Option<f64>,
}

/// A metric over time.
#[derive(Debug)]
pub(crate) struct AlertSeries {
    pub(crate) spec: AlertSeriesSpec,
    /// Number of steps that are kept: as many as the rule that looks back furthest needs.
    pub(crate) keep: i64,
    by: Option<GroupBy>,
    pub(crate) matcher: SpanMatcher,
    /// Version of the store up to which the series is complete.
    pub(crate) version: u64,
    /// Group of a series without groups. Most series have none; storing it here saves a lookup for each of the series that a span belongs
    /// to.
    whole: Option<AlertSeriesGroup>,
    groups: HashMap<AlertGroupKey, AlertSeriesGroup>,
    /// Groups that changed since the last evaluation.
    changed: Vec<AlertGroupKey>,
}

/// One group of a series.
#[derive(Debug)]
struct AlertSeriesGroup {
    heaps: GroupBuckets,
    /// Estimate of what clients left out by sampling: a call at a sample rate of 0.2 represents four more.
    unsent: BucketSeries<QuantitySum>,
    /// Oldest step that changed since the last evaluation.
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

    /// Returns the columns of a span that the series needs.
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

    /// Adds or removes a span that passes the filter. Spans that are too old are ignored.
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

    /// Returns the aggregate of a group from one step to another, exclusive. `part` is the percentile as a fraction.
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

    /// Returns the estimate of what clients left out of a group by sampling; 0 if none reports a sample rate.
    pub(crate) fn unsent(&self, group: &AlertGroupKey, from: i64, to: i64) -> i128 {
        self.slot(group).map_or(0, |slot| slot.unsent.sums(from, to).0)
    }

    /// Returns the sums of a group by step.
    pub(crate) fn sums(&self, group: &AlertGroupKey) -> Option<&BucketSeries<QuantitySum>> {
        match &self.slot(group)?.heaps {
            GroupBuckets::Sums(buckets) => Some(buckets),
            GroupBuckets::Sketches(_) => None,
        }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &AlertGroupKey> {
        self.groups.keys().chain(self.whole.as_ref().map(|_| &AlertGroupKey::Whole))
    }

    /// Returns the groups that changed since the last call, each with its oldest changed step.
    pub(crate) fn take_changed(&mut self) -> HashMap<AlertGroupKey, i64> {
        let mut changed = HashMap::with_capacity(self.changed.len());
        for group in std::mem::take(&mut self.changed) {
            let slot = if group == AlertGroupKey::Whole { self.whole.as_mut() } else { self.groups.get_mut(&group) };
            // A group that was removed meanwhile is not evaluated.
            if let Some(oldest) = slot.and_then(|slot| slot.oldest.take()) {
                changed.insert(group, oldest);
            }
        }
        changed
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Removes groups with all their data.
    pub(crate) fn forget_groups(&mut self, is_meant: impl Fn(&AlertGroupKey) -> bool) {
        self.groups.retain(|group, _| !is_meant(group));
        self.changed.retain(|group| !is_meant(group));
    }

    /// Removes steps that are too old, and groups without data.
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
