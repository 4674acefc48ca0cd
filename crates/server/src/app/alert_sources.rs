//! What the alert evaluator reads from the other parts of the server.

use anyhow::Context;
use hinomi_alerting::{EvaluatorDependencies, ScoreStatistic, SystemClock};
use hinomi_tables::error_events::ErrorEventFilter;
use tokio::runtime::Handle;

use crate::api::{ApiState, FindingCounter};

/// Subscribes the alert evaluator to rows: from now on it sees each span before the sender of the span gets its answer.
pub(super) fn start_alert_evaluator(api: &ApiState, low_priority: &Handle) -> anyhow::Result<()> {
    let scores = api.scores.clone();
    let statistic = move |project: u64, name: &str, statistic: ScoreStatistic, from_us: i64, to_us: i64| {
        let value = match statistic {
            ScoreStatistic::Mean => scores.mean_score(project, name, from_us, to_us),
            ScoreStatistic::BadRate => scores.bad_rate(project, name, (from_us, to_us)),
            ScoreStatistic::Count => scores.count_scores(project, name, (from_us, to_us)).map(|count| Some(count as f64)),
        };
        value.inspect_err(|error| tracing::error!(%error, "alert.scores.read_failed")).ok().flatten()
    };
    let (store, engine, findings, scores) = (api.store.clone(), api.engine.clone(), api.findings.clone(), api.scores.clone());
    let (counter, finding_runtime) = (FindingCounter { store, engine, findings, scores }, low_priority.clone());
    let findings_of = move |project: u64, filter: &str, from_us: i64, to_us: i64| {
        let counted = finding_runtime.block_on(counter.count_traces(project, filter, (from_us, to_us)));
        counted.inspect_err(|error| tracing::error!(%error, "alert.findings.read_failed")).ok()
    };
    let (errors, runtime) = (api.errors.clone(), low_priority.clone());
    let errors_of = move |project: u64, from_us: i64, to_us: i64| {
        let counted = runtime.block_on(errors.count(project, ErrorEventFilter::in_range(from_us, to_us)));
        counted.inspect_err(|error| tracing::error!(%error, "alert.errors.read_failed")).ok()
    };
    let around = EvaluatorDependencies {
        store: api.store.clone(),
        engine: api.engine.clone(),
        outcomes: api.outcomes.clone(),
        scores: Box::new(statistic),
        findings: Box::new(findings_of),
        errors: Box::new(errors_of),
        outbox: api.delivery_worker.outbox().clone(),
        public_url: api.public_url.clone(),
        clock: Box::<SystemClock>::default(),
    };
    api.alerts.start(around, low_priority.clone()).context("cannot start the thread of the alerts")
}
