//! Metric series: a metric over time for each group, shared by rules and budgets with the same filter.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use hinomi_model::span::Span;
use hinomi_query::{GroupBy, SpanMatcher};

use super::buckets::{BucketSeries, DurationSketch, QuantitySum, percentile};
use crate::delivery::notification;
use crate::rule::metric::SeriesAggregation;

/// Name of the group that contains all groups beyond the maximum number.
pub(crate) const OTHER_GROUPS: &str = "(all others)";

/// Group of a series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum AlertGroupKey {
    /// All spans: the series has no groups.
    AllSpans,
    /// Spans with this value; `None` for spans without a value.
    Value(Option<Arc<str>>),
    /// Spans of groups beyond the maximum number.
    Others,
}

impl AlertGroupKey {
    /// Returns the group as shown in notifications.
    pub(crate) fn to_notification_group(&self, by: Option<&str>) -> Option<notification::AlertGroup> {
        let name = by.unwrap_or_default().to_owned();
        match self {
            AlertGroupKey::AllSpans => None,
            AlertGroupKey::Value(value) => Some(notification::AlertGroup { name, value: value.as_deref().map(str::to_owned) }),
            AlertGroupKey::Others => Some(notification::AlertGroup { name, value: Some(OTHER_GROUPS.to_owned()) }),
        }
    }

    /// Returns the group from its form in notifications.
    pub(crate) fn from_notification_group(shown: Option<&notification::AlertGroup>) -> AlertGroupKey {
        match shown {
            None => AlertGroupKey::AllSpans,
            Some(notification::AlertGroup { value, .. }) if value.as_deref() == Some(OTHER_GROUPS) => AlertGroupKey::Others,
            Some(notification::AlertGroup { value, .. }) => AlertGroupKey::Value(value.as_deref().map(Arc::from)),
        }
    }
}

/// Specification of a series. Rules with the same specification share one series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AlertSeriesSpec {
    pub(crate) project: u64,
    pub(crate) filter: String,
    pub(crate) group_by: Option<String>,
    pub(crate) max_groups: u32,
    pub(crate) aggregation: SeriesAggregation,
    /// Length of a step in microseconds.
    pub(crate) step_us: i64,
    /// Whether to estimate the amount that clients did not send because of sampling.
    pub(crate) with_sampled_out: bool,
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
    /// Number of steps that are kept: the largest number that a rule of the series needs.
    pub(crate) kept_steps: i64,
    group_by: Option<GroupBy>,
    pub(crate) matcher: SpanMatcher,
    /// Version of the store up to which the series is complete.
    pub(crate) version: u64,
    /// Group of a series without groups. Most series have none; storing it here saves a lookup for each of the series that a span belongs
    /// to.
    single_group: Option<AlertSeriesGroup>,
    groups: HashMap<AlertGroupKey, AlertSeriesGroup>,
    /// Groups that changed since the last evaluation.
    changed_groups: Vec<AlertGroupKey>,
}

/// One group of a series.
#[derive(Debug)]
struct AlertSeriesGroup {
    buckets: GroupBuckets,
    /// Estimate of what clients left out by sampling: a call at a sample rate of 0.2 represents four more.
    sampled_out: BucketSeries<QuantitySum>,
    /// Oldest step that changed since the last evaluation.
    oldest_changed: Option<i64>,
}

impl AlertSeriesGroup {
    fn new(aggregation: SeriesAggregation) -> AlertSeriesGroup {
        let buckets = match aggregation {
            SeriesAggregation::Sums(..) => GroupBuckets::Sums(BucketSeries::default()),
            SeriesAggregation::Sketches(_) => GroupBuckets::Sketches(BucketSeries::default()),
        };
        AlertSeriesGroup { buckets, sampled_out: BucketSeries::default(), oldest_changed: None }
    }
}

impl AlertSeries {
    pub(crate) fn new(spec: AlertSeriesSpec, kept_steps: i64, group_by: Option<GroupBy>, matcher: SpanMatcher) -> AlertSeries {
        AlertSeries {
            spec,
            kept_steps,
            group_by,
            matcher,
            version: 0,
            single_group: None,
            groups: HashMap::new(),
            changed_groups: Vec::new(),
        }
    }

    /// Returns the columns of a span that the series needs.
    pub(crate) fn required_columns(&self) -> BTreeSet<&'static str> {
        let mut columns = self.matcher.columns();
        columns.extend(self.spec.aggregation.columns());
        columns.extend(self.spec.with_sampled_out.then_some("sample_rate"));
        columns.extend(self.group_by.iter().flat_map(|by| by.columns()));
        columns
    }

    pub(crate) fn step_of(&self, us: i64) -> i64 {
        us.div_euclid(self.spec.step_us)
    }

    /// Adds or removes a span that passes the filter. Spans that are too old are ignored.
    pub(crate) fn add(&mut self, span: &Span, sign: i64, now_us: i64) {
        let step = self.step_of(span.start_us);
        if step <= self.step_of(now_us) - self.kept_steps {
            return;
        }
        let value = match self.spec.aggregation {
            SeriesAggregation::Sums(subject, quantity) if subject.includes(span) => quantity.of(span),
            SeriesAggregation::Sketches(spread) if crate::rule::metric::SpanSubject::Calls.includes(span) => match spread.of(span) {
                Some(us) => us,
                None => return,
            },
            _ => return,
        };
        let aggregation = self.spec.aggregation;
        let (group, slot) = if self.group_by.is_none() {
            (AlertGroupKey::AllSpans, self.single_group.get_or_insert_with(|| AlertSeriesGroup::new(aggregation)))
        } else {
            let group = self.group_of_span(span);
            (group.clone(), self.groups.entry(group).or_insert_with(|| AlertSeriesGroup::new(aggregation)))
        };
        match &mut slot.buckets {
            GroupBuckets::Sums(buckets) => buckets.change_step(step, |sums| {
                sums.quantity = sums.quantity.saturating_add(sign.saturating_mul(value));
                sums.spans += sign;
            }),
            GroupBuckets::Sketches(buckets) => buckets.change_step(step, |sketch| sketch.add(value, sign as i32)),
        }
        if let Some(rate) = span.sample_rate.filter(|rate| self.spec.with_sampled_out && *rate > 0.0 && *rate < 1.0) {
            let unsent = (value as f64 * (1.0 / rate - 1.0)).round() as i64;
            slot.sampled_out.change_step(step, |sums| {
                sums.quantity = sums.quantity.saturating_add(sign.saturating_mul(unsent));
                sums.spans += sign;
            });
        }
        match &mut slot.oldest_changed {
            Some(oldest) => *oldest = step.min(*oldest),
            none => {
                *none = Some(step);
                self.changed_groups.push(group);
            }
        }
    }

    fn group_data(&self, group: &AlertGroupKey) -> Option<&AlertSeriesGroup> {
        if *group == AlertGroupKey::AllSpans { self.single_group.as_ref() } else { self.groups.get(group) }
    }

    fn group_of_span(&self, span: &Span) -> AlertGroupKey {
        let Some(by) = &self.group_by else { return AlertGroupKey::AllSpans };
        let group = AlertGroupKey::Value(by.of(span).map(|value| Arc::from(value.as_ref())));
        let is_known = self.groups.contains_key(&group) || self.groups.len() < self.spec.max_groups as usize;
        if is_known { group } else { AlertGroupKey::Others }
    }

    /// Returns the aggregate of a group from one step up to another, which is excluded. `share` is the percentile as a fraction.
    pub(crate) fn aggregate(&self, group: &AlertGroupKey, from: i64, to: i64, share: f64) -> WindowAggregate {
        match self.group_data(group).map(|slot| &slot.buckets) {
            None => WindowAggregate { quantity: 0, spans: 0, percentile: None },
            Some(GroupBuckets::Sums(buckets)) => {
                let (quantity, spans) = buckets.sums(from, to);
                WindowAggregate { quantity, spans, percentile: None }
            }
            Some(GroupBuckets::Sketches(buckets)) => {
                let (percentile, spans) = percentile(buckets.aggregates(from, to), share);
                WindowAggregate { quantity: 0, spans, percentile }
            }
        }
    }

    /// Returns the estimated amount of a group that clients did not send because of sampling; 0 if no client reports a sample rate.
    pub(crate) fn sampled_out(&self, group: &AlertGroupKey, from: i64, to: i64) -> i128 {
        self.group_data(group).map_or(0, |slot| slot.sampled_out.sums(from, to).0)
    }

    /// Returns the sums of a group by step.
    pub(crate) fn group_sums(&self, group: &AlertGroupKey) -> Option<&BucketSeries<QuantitySum>> {
        match &self.group_data(group)?.buckets {
            GroupBuckets::Sums(buckets) => Some(buckets),
            GroupBuckets::Sketches(_) => None,
        }
    }

    pub(crate) fn groups(&self) -> impl Iterator<Item = &AlertGroupKey> {
        self.groups.keys().chain(self.single_group.as_ref().map(|_| &AlertGroupKey::AllSpans))
    }

    /// Returns the groups that changed since the last call, each with its oldest changed step.
    pub(crate) fn take_changed(&mut self) -> HashMap<AlertGroupKey, i64> {
        let mut changed = HashMap::with_capacity(self.changed_groups.len());
        for group in std::mem::take(&mut self.changed_groups) {
            let slot = if group == AlertGroupKey::AllSpans { self.single_group.as_mut() } else { self.groups.get_mut(&group) };
            // A group that was removed meanwhile is not evaluated.
            if let Some(oldest) = slot.and_then(|slot| slot.oldest_changed.take()) {
                changed.insert(group, oldest);
            }
        }
        changed
    }

    pub(crate) fn is_changed(&self) -> bool {
        !self.changed_groups.is_empty()
    }

    /// Removes groups with all their data.
    pub(crate) fn forget_groups(&mut self, is_meant: impl Fn(&AlertGroupKey) -> bool) {
        self.groups.retain(|group, _| !is_meant(group));
        self.changed_groups.retain(|group| !is_meant(group));
    }

    /// Removes steps that are too old, and groups without data.
    pub(crate) fn forget_old_steps(&mut self, now_us: i64) {
        let oldest = self.step_of(now_us) - self.kept_steps + 1;
        let is_left = |slot: &mut AlertSeriesGroup| {
            slot.sampled_out.forget_before(oldest);
            match &mut slot.buckets {
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
        if self.single_group.as_mut().is_some_and(|whole| !is_left(whole)) {
            self.single_group = None;
        }
    }
}
