//! Figures of scores: means and rates with their uncertainty.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hinomi_evaluation::statistics::intervals::WeightedSums;
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
    let interval = sums_of(&figures.values).mean_interval();
    let bad = figures.bad.as_ref().filter(|bad| bad.n > 0);
    let bad_interval = bad.and_then(|bad| sums_of(bad).rate_interval());
    ScoreSummary {
        data_type: figures.data_type,
        n: figures.n,
        value_n: figures.values.n,
        sources: figures.sources.iter().map(|(source, n)| ScoreSourceCount { source: *source, n: *n }).collect(),
        mean: figures.values.mean(),
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

fn sums_of(figures: &ScoreFigures) -> WeightedSums {
    let ScoreFigures { weight, squared_weight, sum, square_sum, .. } = *figures;
    WeightedSums { weight, squared_weight, sum, square_sum }
}
