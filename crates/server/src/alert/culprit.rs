//! What moved a figure: the traces, users, models, pipelines, prompts and releases that contribute most against the usual.
//!
//! A key is the culprit when it accounts for the change *and* is usually a small part of the whole: that a pipeline with ninety per
//! cent of all traffic has ninety per cent of what is too much says nothing, that a user with one per cent has it says all.

use std::collections::HashMap;

use super::measure::{AlertMetric, LatencyKind, MetricFormula, SpanQuantity, SpanSubject};
use crate::notify::notice::{AlertContributor, MeasureUnit, ThresholdDirection};
use crate::query::filter::Filter;
use crate::query::{ContributionSums, ContributionWeight, ContributionWindows, GroupBy, ProjectSnapshot, QueryError, SeriesMeasure};

/// What may be to blame beside single traces.
pub(super) const DIMENSIONS: [&str; 7] = ["user", "model", "pipeline", "prompt", "release", "agent", "tool"];
const TRACE: &str = "trace";
/// Most that are named.
const MOST: usize = 6;
/// Traces that are looked at.
const MOST_TRACES: usize = 20;
/// What is less of the change is not named.
const LEAST: f64 = 0.1;
/// A part of the whole that is taken for chance.
const CHANCE: f64 = 0.02;
const DAY_US: i64 = 86_400_000_000;

/// One key of one dimension, in the window and usually.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DimensionContribution {
    pub(super) dimension: &'static str,
    pub(super) key: Option<String>,
    pub(super) now: f64,
    /// `None` without history.
    pub(super) usual: Option<f64>,
}

/// What adds up to a measure; `None` where that is not made of spans, or it is not known from which duration on (`threshold`, in milliseconds)
/// one is slow.
pub(super) fn weight(measure: AlertMetric, threshold: Option<f64>) -> Option<ContributionWeight> {
    let us = threshold.map(|threshold| (threshold * 1000.0) as i64);
    Some(match measure.made() {
        MetricFormula::Percentile(LatencyKind::Duration, _) => ContributionWeight::Slow(us?),
        MetricFormula::Percentile(LatencyKind::FirstToken, _) => ContributionWeight::SlowToBegin(us?),
        MetricFormula::Asked(_) => return None,
        MetricFormula::Sum(SpanSubject::Tools, _) | MetricFormula::Share(SpanSubject::Tools, _) => ContributionWeight::FailedTool,
        MetricFormula::Sum(SpanSubject::Spans, _) | MetricFormula::Share(SpanSubject::Spans, _) => {
            ContributionWeight::Of(SeriesMeasure::Spans)
        }
        MetricFormula::Sum(SpanSubject::Calls, quantity) | MetricFormula::Share(SpanSubject::Calls, quantity) => match quantity {
            SpanQuantity::One => ContributionWeight::Of(SeriesMeasure::Calls),
            SpanQuantity::Failed => ContributionWeight::Of(SeriesMeasure::Failed),
            SpanQuantity::Unpriced => ContributionWeight::Unpriced,
            SpanQuantity::Cost => ContributionWeight::Of(SeriesMeasure::Cost),
            SpanQuantity::InputTokens => ContributionWeight::Of(SeriesMeasure::InputTokens),
            SpanQuantity::OutputTokens => ContributionWeight::Of(SeriesMeasure::OutputTokens),
            SpanQuantity::TotalTokens => ContributionWeight::TotalTokens,
            SpanQuantity::NewInputTokens => ContributionWeight::Of(SeriesMeasure::NewInputTokens),
            SpanQuantity::CacheReadTokens => ContributionWeight::Of(SeriesMeasure::CacheReadTokens),
            SpanQuantity::CacheWriteTokens => ContributionWeight::Of(SeriesMeasure::CacheWriteTokens),
            SpanQuantity::ReasoningTokens => ContributionWeight::Of(SeriesMeasure::ReasoningTokens),
        },
    })
}

/// What contributions are in.
fn unit(weight: ContributionWeight) -> MeasureUnit {
    match weight {
        ContributionWeight::Of(SeriesMeasure::Cost) => MeasureUnit::Usd,
        ContributionWeight::TotalTokens => MeasureUnit::Tokens,
        ContributionWeight::Of(
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

/// Asks the store who is to blame for a window, or for what was received of it since a moment.
///
/// # Errors
///
/// When the engine fails.
pub(super) async fn explain(
    project: &ProjectSnapshot,
    filter: &Filter,
    weight: ContributionWeight,
    direction: ThresholdDirection,
    (from_us, to_us): (i64, i64),
    since_us: Option<i64>,
) -> Result<Vec<AlertContributor>, QueryError> {
    // The same hours of the days before; of a new project, what was just before.
    let apart_us = ((to_us - from_us).max(1) + DAY_US - 1) / DAY_US * DAY_US;
    let days = ContributionWindows { from_us, to_us, since_us, apart_us, earlier: (28 * DAY_US / apart_us).clamp(1, 7) };
    let length = (to_us - days.begin_us()).max(1);
    let by: Vec<GroupBy> = DIMENSIONS.iter().map(|name| GroupBy::parse(name)).collect::<Result<_, _>>()?;
    let mut found = project.contributions(filter, weight, days, &by).await?;
    if found.keys().all(|(window, _)| *window == 0) {
        found = project.contributions(filter, weight, ContributionWindows { apart_us: length, earlier: 12, ..days }, &by).await?;
    }
    let mut parts = parts(&found);
    if direction == ThresholdDirection::Above {
        let alone = ContributionWindows { earlier: 0, ..days };
        let traces = project.contributions(filter, weight, alone, &[GroupBy::Column(TRACE, "trace_id")]).await?;
        let mut traces: Vec<DimensionContribution> = traces
            .into_iter()
            .map(|((_, mut keys), now)| DimensionContribution { dimension: TRACE, key: keys.pop().flatten(), now, usual: Some(0.0) })
            .collect();
        traces.sort_by(|a, b| b.now.total_cmp(&a.now).then_with(|| a.key.cmp(&b.key)));
        traces.truncate(MOST_TRACES);
        parts.extend(traces);
    }
    Ok(rank(parts, direction, unit(weight)))
}

/// Sums of each dimension alone, the usual as the mean of those earlier windows in which anything was.
pub(super) fn parts(found: &ContributionSums) -> Vec<DimensionContribution> {
    let earlier: std::collections::BTreeSet<i64> = found.keys().map(|(window, _)| *window).filter(|window| *window > 0).collect();
    let mut sums: HashMap<(usize, Option<&str>), (f64, f64)> = HashMap::new();
    for ((window, keys), sum) in found {
        for (index, key) in keys.iter().enumerate() {
            let part = sums.entry((index, key.as_deref())).or_default();
            *(if *window == 0 { &mut part.0 } else { &mut part.1 }) += sum;
        }
    }
    let windows = earlier.len() as f64;
    let part = |((index, key), (now, usual)): ((usize, Option<&str>), (f64, f64))| DimensionContribution {
        dimension: DIMENSIONS[index],
        key: key.map(str::to_owned),
        now,
        usual: (windows > 0.0).then(|| usual / windows),
    };
    sums.into_iter().map(part).collect()
}

/// Those who are to blame, the most to blame first. Links are left out.
pub(super) fn rank(parts: Vec<DimensionContribution>, direction: ThresholdDirection, unit: MeasureUnit) -> Vec<AlertContributor> {
    // More is worse, or less is.
    let sign = if direction == ThresholdDirection::Above { 1.0 } else { -1.0 };
    let delta = |part: &DimensionContribution| sign * (part.now - part.usual.unwrap_or(0.0));
    let mut moved: HashMap<&str, f64> = HashMap::new();
    let mut usual: HashMap<&str, f64> = HashMap::new();
    for part in &parts {
        *moved.entry(part.dimension).or_default() += delta(part).abs();
        *usual.entry(part.dimension).or_default() += part.usual.unwrap_or(0.0);
    }
    // Each dimension adds up to the same whole.
    let first = parts.iter().find(|part| part.dimension != TRACE).map(|part| part.dimension);
    let whole: f64 = parts.iter().filter(|part| Some(part.dimension) == first).map(delta).sum();
    let usual_whole = first.and_then(|first| usual.get(first)).copied().unwrap_or(0.0);
    if whole <= 0.0 {
        return Vec::new();
    }
    let mut scored: Vec<(f64, AlertContributor)> = Vec::new();
    for part in parts {
        let covers = delta(&part) / whole;
        if part.key.is_none() || covers < LEAST {
            continue;
        }
        let before = if usual_whole > 0.0 { part.usual.unwrap_or(0.0) / usual_whole } else { 0.0 };
        let surprise = ((covers.min(1.0) + CHANCE) / (before + CHANCE)).ln();
        // Where much comes and goes anyway, as releases do, a new key means less.
        let churn = if part.dimension == TRACE { 1.0 } else { (whole / moved[part.dimension].max(whole)).sqrt() };
        // A single trace is more to the point than the user who made it.
        let to_the_point = if part.dimension == TRACE { 1.1 } else { 1.0 };
        let score = covers.min(1.0) * surprise * churn * to_the_point;
        if surprise <= 0.0 {
            continue;
        }
        let culprit = AlertContributor {
            dimension: part.dimension.to_owned(),
            key: part.key,
            unit,
            contribution: part.now,
            usual: part.usual,
            share: Some(covers.clamp(0.0, 1.0)),
            link: None,
        };
        scored.push((score, culprit));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (&a.1.dimension, &a.1.key).cmp(&(&b.1.dimension, &b.1.key))));
    scored.truncate(MOST);
    scored.into_iter().map(|(_, culprit)| culprit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_sum_are_like_it_and_those_of_a_percentile_or_share_are_so_many() {
        let unit_of = |measure, threshold| weight(measure, threshold).map(unit);
        assert_eq!(unit_of(AlertMetric::Cost, Some(5.0)), Some(MeasureUnit::Usd));
        assert_eq!(unit_of(AlertMetric::CacheReadTokens, Some(5.0)), Some(MeasureUnit::Tokens));
        assert_eq!(unit_of(AlertMetric::DurationP95, Some(1500.0)), Some(MeasureUnit::Count));
        assert_eq!(unit_of(AlertMetric::ErrorRate, Some(0.1)), Some(MeasureUnit::Count));
        assert_eq!(unit_of(AlertMetric::DurationP95, None), None, "half as slow again is no duration");
        assert_eq!(unit_of(AlertMetric::Cost, None), Some(MeasureUnit::Usd));
    }
}
