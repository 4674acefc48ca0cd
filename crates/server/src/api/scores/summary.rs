//! Figures of scores: means and rates with their uncertainty.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_model::score::{ScoreDataType, ScoreSource};
use hinomi_tables::scores::{NamedScoreFigures, ScoreFigures};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::auth::AuthorizedProject;
use super::super::params::QueryParameters;
use super::super::permission::Viewer;
use super::super::{ApiError, ApiState, error};
use super::run_on_scores;
use crate::query_parameters::ScoreSummaryParameters;

/// Quantile of the normal distribution for 95 % intervals.
const Z: f64 = 1.959_963_984_540_054;

/// Figures of the scores of a time range.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreSummaryList {
    /// One row for each name, the most frequent first; at most 500.
    scores: Vec<ScoreSummary>,
}

/// Figures of the scores with one name. Means and rates are weighted with the inverse of the probability with which targets were selected.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreSummary {
    /// Name of the scores.
    name: String,
    /// Type of their values; the most frequent one if they differ.
    data_type: ScoreDataType,
    /// Number of scores.
    n: u64,
    /// Number of scores with a numeric value, over which the mean is computed.
    value_n: u64,
    /// Number of scores by source.
    sources: Vec<ScoreSourceCount>,
    /// Mean of the numeric values; null without any.
    #[schema(required)]
    mean: Option<f64>,
    /// Lower end of the 95 % interval of the mean; null for fewer than two values.
    #[schema(required)]
    mean_low: Option<f64>,
    /// Upper end of the 95 % interval of the mean; null for fewer than two values.
    #[schema(required)]
    mean_high: Option<f64>,
    /// Rate of bad scores, from 0 to 1; null if no score definition says which scores are bad.
    #[schema(required)]
    bad_rate: Option<f64>,
    /// Number of scores over which the rate is computed; null without a rate.
    #[schema(required)]
    bad_of: Option<u64>,
    /// Lower end of the 95 % interval of the rate (Wilson); null without a rate.
    #[schema(required)]
    bad_low: Option<f64>,
    /// Upper end of the 95 % interval of the rate (Wilson); null without a rate.
    #[schema(required)]
    bad_high: Option<f64>,
    /// Mean in the period of the same length before; null if it is unknown or the range is open.
    #[schema(required)]
    previous_mean: Option<f64>,
    /// Rate of bad scores in the period of the same length before; null if it is unknown or the range is open.
    #[schema(required)]
    previous_bad_rate: Option<f64>,
    /// Most frequent labels.
    labels: Vec<ScoreLabelShare>,
}

/// Number of scores from a source.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreSourceCount {
    /// Source.
    source: ScoreSource,
    /// Number of scores.
    n: u64,
}

/// Number of scores with a label.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ScoreLabelShare {
    /// Label.
    label: String,
    /// Number of scores.
    n: u64,
}

/// Returns figures of the scores of a time range by name.
#[utoipa::path(get, path = "/projects/{project}/scores/summary", tag = "scores", params(("project" = u64, Path, description = "ID of the project."), ScoreSummaryParameters),
    responses((status = 200, body = ScoreSummaryList), (status = 400, body = error::ErrorResponse)))]
pub(in crate::api) async fn get(
    State(api): State<Arc<ApiState>>,
    authorized: AuthorizedProject<Viewer>,
    QueryParameters(which): QueryParameters<ScoreSummaryParameters>,
) -> Result<Json<ScoreSummaryList>, ApiError> {
    let (from_us, to_us) = which.range()?;
    let now_us = jiff::Timestamp::now().as_microsecond();
    // An open end means until now.
    let end_us = to_us.min(now_us);
    let before = (from_us != i64::MIN && from_us < end_us).then(|| (from_us.saturating_sub(end_us - from_us), from_us));
    let environment = which.environment.filter(|name| !name.is_empty());
    let read = move |store: &hinomi_tables::scores::ScoreStore| {
        let current = store.summarize(authorized.project, (from_us, to_us), environment.as_deref())?;
        let before = before.map(|before| store.summarize(authorized.project, before, environment.as_deref())).transpose()?;
        Ok((current, before.unwrap_or_default()))
    };
    let (current, before) = run_on_scores(&api, read).await?;
    let scores = current.into_iter().map(|figures| {
        let earlier = before.iter().find(|earlier| earlier.name == figures.name);
        summary_of(figures, earlier)
    });
    Ok(Json(ScoreSummaryList { scores: scores.collect() }))
}

fn summary_of(figures: NamedScoreFigures, earlier: Option<&NamedScoreFigures>) -> ScoreSummary {
    let (mean, error) = (figures.values.mean(), figures.values.standard_error());
    let interval = mean.zip(error).map(|(mean, error)| (mean - Z * error, mean + Z * error));
    let bad = figures.bad.as_ref().filter(|bad| bad.n > 0);
    let bad_interval = bad.map(wilson);
    ScoreSummary {
        data_type: figures.data_type,
        n: figures.n,
        value_n: figures.values.n,
        sources: figures.sources.iter().map(|(source, n)| ScoreSourceCount { source: *source, n: *n }).collect(),
        mean,
        mean_low: interval.map(|(low, _)| low),
        mean_high: interval.map(|(_, high)| high),
        bad_rate: bad.and_then(ScoreFigures::mean),
        bad_of: bad.map(|bad| bad.n),
        bad_low: bad_interval.map(|(low, _)| low),
        bad_high: bad_interval.map(|(_, high)| high),
        previous_mean: earlier.and_then(|earlier| earlier.values.mean()),
        previous_bad_rate: earlier.and_then(|earlier| earlier.bad.as_ref()).and_then(ScoreFigures::mean),
        labels: figures.labels.into_iter().map(|count| ScoreLabelShare { label: count.label, n: count.n }).collect(),
        name: figures.name,
    }
}

/// Returns the 95 % interval of a rate by Wilson's method, with the effective number of scores.
fn wilson(figures: &ScoreFigures) -> (f64, f64) {
    let (n, rate) = (figures.effective_n().max(1.0), figures.mean().unwrap_or(0.0));
    let (center, scale) = (rate + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    (((center - half) / scale).max(0.0), ((center + half) / scale).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_of_rates() {
        let of = |bad: f64, n: u64| wilson(&ScoreFigures { n, weight: n as f64, squared_weight: n as f64, sum: bad, square_sum: bad });
        let (low, high) = of(14.0, 21);
        assert!((low - 0.4537).abs() < 1e-3 && (high - 0.8281).abs() < 1e-3, "{low} {high}");
        let (low, high) = of(0.0, 10);
        assert!(low == 0.0 && (high - 0.2775).abs() < 1e-3, "{low} {high}");
        // One of ten that stands for ten is less certain than ten.
        let weighted = wilson(&ScoreFigures { n: 2, weight: 11.0, squared_weight: 101.0, sum: 1.0, square_sum: 1.0 });
        assert!(weighted.1 - weighted.0 > 0.5, "{weighted:?}");
    }
}
