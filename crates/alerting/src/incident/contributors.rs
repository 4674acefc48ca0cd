//! Contributors: the traces, users, models, pipelines, prompts and releases that caused most of a change.
//!
//! For a rule, a value is a contributor if it explains the change *and* is usually a small part of the total. For example, a pipeline with
//! 90 percent of all traffic does not explain a change if it has 90 percent of the excess. A user with one percent of the traffic and the
//! same share of the excess does explain it. A budget is used up by all spend of the period. Shares of a budget therefore refer to the
//! total, and contributors with a large spend are named even if this spend is usual. Without history, the share of a value is compared with
//! the average share. The contributors to a worsening are determined from the time since the previous step.

use std::collections::HashMap;

use hinomi_query::filter::Filter;
use hinomi_query::{ContributionSums, ContributionWeight, ContributionWindows, GroupBy, ProjectSnapshot, QueryError, SeriesMeasure};

use crate::delivery::notification::{AlertContributor, MeasureUnit, ShareOf, ThresholdDirection};
use crate::rule::metric::{AlertMetric, LatencyKind, MetricFormula, SpanQuantity, SpanSubject};

/// Properties of which values can be contributors, in addition to traces.
pub(crate) const DIMENSIONS: [&str; 7] = ["user", "model", "pipeline", "prompt", "release", "agent", "tool"];
const TRACE_DIMENSION: &str = "trace";
/// Maximum number of contributors.
const MAX_CONTRIBUTORS: usize = 6;
/// Maximum number of traces that are ranked.
const MAX_RANKED_TRACES: usize = 20;
/// Minimum share of the change or total.
const MIN_CONTRIBUTION_SHARE: f64 = 0.1;
/// Share that may be due to chance.
const CHANCE_SHARE: f64 = 0.02;
const DAY_US: i64 = 86_400_000_000;

/// Contribution of one value of a property: in the window and usually.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DimensionContribution {
    pub(crate) dimension: &'static str,
    pub(crate) key: Option<String>,
    pub(crate) current: f64,
    /// Mean of earlier windows; `None` without history, and for traces.
    pub(crate) usual: Option<f64>,
    /// Part of `current` since the previous step; `None` if it is not requested.
    pub(crate) recent: Option<f64>,
}

/// What contributors explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContributorGoal {
    /// Contributors that make a metric higher or lower than usual.
    Change(ThresholdDirection),
    /// Contributors that spent most of a budget.
    Spending,
}

/// Spans that contributors are searched in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContributorScope<'a> {
    /// Start and end of the window, or of a budget's period so far, in microseconds since the Unix epoch.
    pub(crate) window: (i64, i64),
    /// Time after which received spans are ignored, since the metric does not include them.
    pub(crate) until_us: Option<i64>,
    /// Time of the previous step, if this time is within the window and not immediately before the present step.
    pub(crate) since_us: Option<i64>,
    /// Property that the metric is already grouped by, so that all spans have the same value.
    pub(crate) group: Option<&'a str>,
}

/// Returns the weight of a span in a metric. `threshold` is the duration in milliseconds from which a call is slow. Returns `None` if the
/// metric is not computed from spans, or if the metric needs a threshold and `threshold` is `None`.
pub(crate) fn contribution_weight(measure: AlertMetric, threshold: Option<f64>) -> Option<ContributionWeight> {
    let us = threshold.map(|threshold| (threshold * 1000.0) as i64);
    Some(match measure.made() {
        MetricFormula::Percentile(LatencyKind::Duration, _) => ContributionWeight::Slow(us?),
        MetricFormula::Percentile(LatencyKind::FirstToken, _) => ContributionWeight::SlowFirstToken(us?),
        MetricFormula::Polled(_) => return None,
        MetricFormula::Sum(SpanSubject::Tools, _) | MetricFormula::Share(SpanSubject::Tools, _) => ContributionWeight::FailedTool,
        MetricFormula::Sum(SpanSubject::Spans, _) | MetricFormula::Share(SpanSubject::Spans, _) => {
            ContributionWeight::SeriesTotal(SeriesMeasure::Spans)
        }
        MetricFormula::Sum(SpanSubject::Calls | SpanSubject::Counted, quantity)
        | MetricFormula::Share(SpanSubject::Calls | SpanSubject::Counted, quantity) => match quantity {
            SpanQuantity::Count => ContributionWeight::SeriesTotal(SeriesMeasure::Calls),
            SpanQuantity::Failed => ContributionWeight::SeriesTotal(SeriesMeasure::Failed),
            SpanQuantity::Unpriced => ContributionWeight::Unpriced,
            SpanQuantity::Cost => ContributionWeight::SeriesTotal(SeriesMeasure::Cost),
            SpanQuantity::InputTokens => ContributionWeight::SeriesTotal(SeriesMeasure::InputTokens),
            SpanQuantity::OutputTokens => ContributionWeight::SeriesTotal(SeriesMeasure::OutputTokens),
            SpanQuantity::TotalTokens => ContributionWeight::TotalTokens,
            SpanQuantity::NewInputTokens => ContributionWeight::SeriesTotal(SeriesMeasure::NewInputTokens),
            SpanQuantity::CacheReadTokens => ContributionWeight::SeriesTotal(SeriesMeasure::CacheReadTokens),
            SpanQuantity::CacheWriteTokens => ContributionWeight::SeriesTotal(SeriesMeasure::CacheWriteTokens),
            SpanQuantity::ReasoningTokens => ContributionWeight::SeriesTotal(SeriesMeasure::ReasoningTokens),
        },
    })
}

/// Returns the unit of contributions.
fn contribution_unit(weight: ContributionWeight) -> MeasureUnit {
    match weight {
        ContributionWeight::SeriesTotal(SeriesMeasure::Cost) => MeasureUnit::Usd,
        ContributionWeight::TotalTokens => MeasureUnit::Tokens,
        ContributionWeight::SeriesTotal(
            SeriesMeasure::InputTokens
            | SeriesMeasure::OutputTokens
            | SeriesMeasure::NewInputTokens
            | SeriesMeasure::CacheReadTokens
            | SeriesMeasure::CacheWriteTokens
            | SeriesMeasure::ReasoningTokens,
        ) => MeasureUnit::Tokens,
        _ => MeasureUnit::Count,
    }
}

/// Finds the contributors to a metric, the largest first.
///
/// # Errors
///
/// Returns an error if the query engine fails.
pub(crate) async fn find_contributors(
    project: &ProjectSnapshot,
    filter: &Filter,
    weight: ContributionWeight,
    goal: ContributorGoal,
    scope: ContributorScope<'_>,
) -> Result<Vec<AlertContributor>, QueryError> {
    let ContributorScope { window: (from_us, to_us), until_us, since_us, group } = scope;
    // Compare with the same hours of earlier days; for a new project, with the time immediately before.
    let length = (to_us - from_us).max(1);
    let interval_us = (length + DAY_US - 1) / DAY_US * DAY_US;
    let days = ContributionWindows {
        from_us,
        to_us,
        since_us: None,
        until_us,
        interval_us,
        earlier_windows: (28 * DAY_US / interval_us).clamp(1, 7),
    };
    let by: Vec<GroupBy> = DIMENSIONS.iter().map(|name| GroupBy::parse(name)).collect::<Result<_, _>>()?;
    let mut found = project.contributions(filter, weight, days, &by).await?;
    if found.keys().all(|(window, _)| *window == 0) {
        found =
            project.contributions(filter, weight, ContributionWindows { interval_us: length, earlier_windows: 12, ..days }, &by).await?;
    }
    let mut parts = contributions_by_dimension(&found);
    if goal != ContributorGoal::Change(ThresholdDirection::Below) {
        let (alone, fresh) =
            (ContributionWindows { earlier_windows: 0, ..days }, ContributionWindows { earlier_windows: 0, since_us, ..days });
        let by_trace = [GroupBy::Column(TRACE_DIMENSION, "trace_id")];
        parts.extend(top_traces(&project.contributions(filter, weight, alone, &by_trace).await?));
        if since_us.is_some() {
            let mut since = self::contributions_by_dimension(&project.contributions(filter, weight, fresh, &by).await?);
            since.extend(top_traces(&project.contributions(filter, weight, fresh, &by_trace).await?));
            let since: HashMap<_, f64> = since.into_iter().map(|part| ((part.dimension, part.key), part.current)).collect();
            let of = |part: &DimensionContribution| since.get(&(part.dimension, part.key.clone())).copied().unwrap_or(0.0);
            parts.iter_mut().for_each(|part| part.recent = Some(of(part)));
        }
    }
    parts.retain(|part| Some(part.dimension) != group);
    Ok(rank_contributors(parts, goal, contribution_unit(weight)))
}

/// Returns the traces with the largest contributions. A trace has no history.
fn top_traces(found: &ContributionSums) -> Vec<DimensionContribution> {
    let part = |((_, keys), now): (&(i64, Vec<Option<String>>), &f64)| DimensionContribution {
        dimension: TRACE_DIMENSION,
        key: keys.first().cloned().flatten(),
        current: *now,
        usual: None,
        recent: None,
    };
    let mut traces: Vec<DimensionContribution> = found.iter().map(part).collect();
    traces.sort_by(|a, b| b.current.total_cmp(&a.current).then_with(|| a.key.cmp(&b.key)));
    traces.truncate(MAX_RANKED_TRACES);
    traces
}

/// Sums contributions by the values of each property. `usual` is the mean of the earlier windows that have data.
pub(crate) fn contributions_by_dimension(found: &ContributionSums) -> Vec<DimensionContribution> {
    let earlier: std::collections::BTreeSet<i64> = found.keys().map(|(window, _)| *window).filter(|window| *window > 0).collect();
    let mut sums: HashMap<(usize, Option<&str>), (f64, f64)> = HashMap::new();
    for ((window, keys), sum) in found {
        for (index, key) in keys.iter().enumerate() {
            let part = sums.entry((index, key.as_deref())).or_default();
            *(if *window == 0 { &mut part.0 } else { &mut part.1 }) += sum;
        }
    }
    let windows = earlier.len() as f64;
    let part = |((index, key), (current, usual)): ((usize, Option<&str>), (f64, f64))| DimensionContribution {
        dimension: DIMENSIONS[index],
        key: key.map(str::to_owned),
        current,
        usual: (windows > 0.0).then(|| usual / windows),
        recent: None,
    };
    sums.into_iter().map(part).collect()
}

/// Totals of a metric, and of each property.
struct ContributionTotals {
    /// 1 if higher values are worse, -1 if lower values are.
    sign: f64,
    current: f64,
    usual: f64,
    recent: f64,
    has_usual: bool,
    by_dimension: HashMap<&'static str, DimensionTotals>,
}

/// Totals of one property.
#[derive(Debug, Clone, Copy, Default)]
struct DimensionTotals {
    /// Sum of all changes, regardless of direction.
    changes: f64,
    /// Sum of the changes for the worse.
    changes_for_worse: f64,
    /// Number of values with a contribution.
    keys: f64,
}

impl ContributionTotals {
    fn total_of(parts: &[DimensionContribution], sign: f64) -> ContributionTotals {
        // All properties have the same total; of traces, only the largest are known.
        let first = parts.iter().find(|part| part.dimension != TRACE_DIMENSION).map(|part| part.dimension);
        let all = || parts.iter().filter(move |part| Some(part.dimension) == first);
        let mut whole = ContributionTotals {
            sign,
            current: all().map(|part| part.current).sum(),
            usual: all().filter_map(|part| part.usual).sum(),
            recent: all().filter_map(|part| part.recent).sum(),
            has_usual: all().any(|part| part.usual.is_some()),
            by_dimension: HashMap::new(),
        };
        for part in parts {
            let delta = whole.change_of(part);
            let sides = whole.by_dimension.entry(part.dimension).or_default();
            sides.changes += delta.abs();
            sides.changes_for_worse += delta.max(0.0);
            sides.keys += if part.current > 0.0 { 1.0 } else { 0.0 };
        }
        whole
    }

    fn change_of(&self, part: &DimensionContribution) -> f64 {
        self.sign * (part.current - part.usual.unwrap_or(0.0))
    }

    fn total_change(&self) -> f64 {
        if self.has_usual { self.sign * (self.current - self.usual) } else { 0.0 }
    }

    /// Returns how well a part explains the change from the usual value; `None` if it does not.
    fn change_score(&self, part: &DimensionContribution) -> Option<f64> {
        let change = self.total_change();
        let covers = if change > 0.0 { self.change_of(part) / change } else { 0.0 };
        let before = if self.usual > 0.0 { part.usual.unwrap_or(0.0) / self.usual } else { 0.0 };
        // If values of a property come and go anyway, as releases do, a new value means less.
        let churn =
            if part.dimension == TRACE_DIMENSION { 1.0 } else { (change / self.by_dimension[part.dimension].changes.max(change)).sqrt() };
        significance(covers, before).map(|score| score * churn)
    }

    /// Returns how far a part exceeds an even share of the total; `None` for a small part.
    fn total_score(&self, part: &DimensionContribution) -> Option<f64> {
        let covers = if self.current > 0.0 { part.current / self.current } else { 0.0 };
        let even = 1.0 / self.by_dimension[part.dimension].keys.max(1.0);
        (covers >= MIN_CONTRIBUTION_SHARE).then(|| significance(covers, even).unwrap_or(0.0))
    }

    /// Returns how well a part explains what arrived since the previous step, compared with its share before.
    fn recent_score(&self, part: &DimensionContribution) -> Option<f64> {
        let since = part.recent.filter(|_| self.recent > 0.0)?;
        let until = self.current - self.recent;
        let before = if until > 0.0 { (part.current - since) / until } else { 0.0 };
        significance(since / self.recent, before)
    }
}

/// Returns the significance of a share compared with its earlier share; `None` if it is not significant.
fn significance(covers: f64, before: f64) -> Option<f64> {
    let surprise = ((covers.min(1.0) + CHANCE_SHARE) / (before + CHANCE_SHARE)).ln();
    (covers >= MIN_CONTRIBUTION_SHARE && surprise > 0.0).then(|| covers.min(1.0) * surprise)
}

/// Ranks the contributors, the largest first. Links are not set.
pub(crate) fn rank_contributors(parts: Vec<DimensionContribution>, goal: ContributorGoal, unit: MeasureUnit) -> Vec<AlertContributor> {
    let is_below = goal == ContributorGoal::Change(ThresholdDirection::Below);
    let whole = ContributionTotals::total_of(&parts, if is_below { -1.0 } else { 1.0 });
    // Without history there is no change, and missing contributors of a low value cannot be determined.
    let of_total = goal == ContributorGoal::Spending || !(whole.has_usual || is_below);
    let mut scored: Vec<(f64, usize, AlertContributor)> = Vec::new();
    for part in parts.into_iter().filter(|part| part.key.is_some()) {
        let by_change = whole.change_score(&part);
        // A part that explains the change ranks before one that is always large.
        let by_total = whole.total_score(&part).filter(|_| of_total).map(|score| if whole.total_change() > 0.0 { 0.0 } else { score });
        let Some(score) = [by_change.or(by_total), whole.recent_score(&part)].into_iter().flatten().reduce(f64::max) else { continue };
        // A single trace is more specific than the user who caused it.
        let score = if part.dimension == TRACE_DIMENSION { score * 1.1 } else { score };
        let share_of = if of_total || part.dimension == TRACE_DIMENSION { ShareOf::Total } else { ShareOf::Change };
        let (share, all) = match share_of {
            ShareOf::Total => (part.current, whole.current),
            ShareOf::Change => (whole.change_of(&part), whole.by_dimension[part.dimension].changes_for_worse),
        };
        let culprit = AlertContributor {
            dimension: part.dimension.to_owned(),
            key: part.key,
            unit,
            contribution: part.current,
            usual: part.usual,
            share: (share > 0.0 && all > 0.0).then(|| (share / all).min(1.0)),
            share_of,
            since: part.recent,
            link: None,
        };
        let place = DIMENSIONS.iter().position(|name| *name == part.dimension).unwrap_or(DIMENSIONS.len());
        scored.push((score, place, culprit));
    }
    scored.sort_by(|(score, place, culprit), (other_score, other_place, other)| {
        let by_share = other.share.unwrap_or(0.0).total_cmp(&culprit.share.unwrap_or(0.0));
        other_score.total_cmp(score).then(by_share).then(place.cmp(other_place)).then_with(|| culprit.key.cmp(&other.key))
    });
    scored.truncate(MAX_CONTRIBUTORS);
    scored.into_iter().map(|(.., culprit)| culprit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contributions_have_the_unit_of_their_metric() {
        let unit_of = |measure, threshold| contribution_weight(measure, threshold).map(contribution_unit);
        assert_eq!(unit_of(AlertMetric::Cost, Some(5.0)), Some(MeasureUnit::Usd));
        assert_eq!(unit_of(AlertMetric::CacheReadTokens, Some(5.0)), Some(MeasureUnit::Tokens));
        assert_eq!(unit_of(AlertMetric::DurationP95, Some(1500.0)), Some(MeasureUnit::Count));
        assert_eq!(unit_of(AlertMetric::ErrorRate, Some(0.1)), Some(MeasureUnit::Count));
        assert_eq!(unit_of(AlertMetric::DurationP95, None), None, "half as slow again is no duration");
        assert_eq!(unit_of(AlertMetric::Cost, None), Some(MeasureUnit::Usd));
    }
}
