//! The background job that recalculates the cost of stored calls: one day at a time, with the progress saved after each day.

use std::sync::Arc;

use hinomi_query::filter::Filter;
use hinomi_query::{QueryEngine, QueryScope};
use hinomi_store::Store;
use hinomi_tables::metadata::{MetadataError, MetadataStore};
use hinomi_tables::prices::ActivePrices;
use serde::{Deserialize, Serialize};

use super::{PricingPolicy, RepriceControl, RepriceError, RepriceReport, reprice};
use crate::jobs::{JobContext, JobError, JobHandler, JobInterruption};

const DAY_US: i64 = 86_400_000_000;
/// Filter of the spans that are processed: those that may have a cost of their own.
const CALL_FILTER: &str = "kind:llm,embedding,reranker OR kind:agent,other model:*";

/// Selects the calls whose cost is recalculated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepriceTask {
    /// Start of the time range in microseconds since the Unix epoch; `None` for everything stored.
    pub from_us: Option<i64>,
    /// Exclusive end of the time range; `None` for everything up to the newest call.
    pub to_us: Option<i64>,
}

/// Progress of the job, and what has changed so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepriceProgress {
    /// Start of the time range in microseconds since the Unix epoch. If the job has no start, the first span that was stored when it
    /// began.
    pub from_us: i64,
    /// Exclusive end of the time range. If the job has no end, the last span that was stored when it began.
    pub to_us: i64,
    /// Calls that start before this time are processed, and possibly some calls of the day that begins here.
    pub reached_us: i64,
    /// Fingerprint of the prices that are used.
    pub prices: String,
    /// What has changed before `reached_us`; if the job ended early, all changes.
    pub so_far: RepriceReport,
}

/// Recalculates the cost of stored calls with current prices.
#[derive(Debug)]
pub struct RepriceJob {
    /// Projects.
    pub meta: Arc<MetadataStore>,
    /// Spans.
    pub store: Arc<Store>,
    /// Engine that runs queries.
    pub engine: QueryEngine,
    /// Current prices.
    pub prices: Arc<ActivePrices>,
}

impl JobHandler for RepriceJob {
    const KIND: &'static str = "reprice";
    type Task = RepriceTask;
    type Progress = RepriceProgress;

    async fn run(&self, job: &JobContext<RepriceJob>) -> Result<(), JobError> {
        let mut progress = match job.saved_progress() {
            Some(progress) => progress,
            None => self.prepare_range(job).await?,
        };
        // If prices have changed since, also while the server was stopped, the days before have the old costs: the whole range is done
        // again.
        loop {
            let (pricing, prices) = self.current_pricing(job.project())?;
            if progress.prices != prices {
                progress = RepriceProgress { prices, reached_us: progress.from_us, so_far: RepriceReport::default(), ..progress };
                job.counts().set_done(0);
            }
            self.reprice_days(job, &mut progress, &pricing).await?;
            if !self.current_pricing(job.project()).is_ok_and(|(_, prices)| prices != progress.prices) {
                return Ok(());
            }
        }
    }
}

impl RepriceJob {
    /// Returns how calls of a project are priced now, and a fingerprint of it.
    fn current_pricing(&self, project: u64) -> Result<(PricingPolicy, String), MetadataError> {
        let prefer_client = self.meta.project(project)?.prefer_client_cost;
        // The fingerprint is read first: prices that change between the two lines are noticed at the end of the job.
        let prices = format!("{} {prefer_client}", self.prices.fingerprint(project));
        Ok((PricingPolicy { book: self.prices.book_of(project), prefer_client }, prices))
    }

    /// Determines the time range and counts the calls.
    async fn prepare_range(&self, job: &JobContext<RepriceJob>) -> Result<RepriceProgress, RepriceError> {
        let calls = self.engine.project(self.store.snapshot(), job.project());
        let filter = Filter::parse(CALL_FILTER).unwrap_or_default();
        let RepriceTask { from_us, to_us } = job.task();
        let scope = QueryScope { from_us: from_us.unwrap_or(i64::MIN), to_us: to_us.unwrap_or(i64::MAX), filter };
        let (from_us, to_us) = calls.resolved_range(&scope).await?;
        job.counts().set_total(calls.count(&QueryScope { from_us, to_us, ..scope }).await?);
        Ok(RepriceProgress { from_us, to_us, reached_us: from_us, prices: String::new(), so_far: RepriceReport::default() })
    }

    async fn reprice_days(
        &self,
        job: &JobContext<RepriceJob>,
        progress: &mut RepriceProgress,
        pricing: &PricingPolicy,
    ) -> Result<(), JobError> {
        let control = RepriceControl { calls: job.counts().done_counter(), stop: job.interrupted().clone() };
        while progress.reached_us < progress.to_us {
            job.check()?;
            let day = (progress.reached_us, ((progress.reached_us.div_euclid(DAY_US) + 1) * DAY_US).min(progress.to_us));
            let calls = self.engine.project(self.store.snapshot(), job.project());
            let (changed, ended) = reprice(&calls, job.project(), pricing, day, Some(&self.store), &control).await;
            if matches!(ended, Err(RepriceError::Stopped)) && job.interruption() == Some(JobInterruption::Shutdown) {
                // After the next start the day is done again: calls changed by then are already correct, and are not counted.
                return Err(JobError::Interrupted);
            }
            progress.so_far.add(changed);
            if ended.is_ok() {
                progress.reached_us = day.1;
            }
            job.save_progress(progress)?;
            ended?;
        }
        Ok(())
    }
}

impl From<RepriceError> for JobError {
    fn from(error: RepriceError) -> JobError {
        match error {
            RepriceError::Stopped => JobError::Interrupted,
            error @ (RepriceError::Query(_) | RepriceError::Store(_)) => JobError::Permanent(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_that_also_name_their_kind_are_read() {
        let task: RepriceTask = serde_json::from_str(r#"{"kind":"reprice","from_us":5,"to_us":null}"#).unwrap();
        assert_eq!(task, RepriceTask { from_us: Some(5), to_us: None });
        assert_eq!(serde_json::to_string(&task).unwrap(), r#"{"from_us":5,"to_us":null}"#);
    }
}
