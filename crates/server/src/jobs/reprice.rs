//! Recalculates the cost of stored calls one day at a time, and saves the progress after each day.

use std::sync::atomic::Ordering;

use hinomi_query::QueryScope;
use hinomi_query::filter::Filter;
use hinomi_tables::metadata::{JobRecord, MetadataError};
use serde::{Deserialize, Serialize};

use super::{JobEnd, JobRunner, RunningJob};
use crate::reprice::{PricingPolicy, RepriceError, RepriceReport, reprice as price_again};

const DAY_US: i64 = 86_400_000_000;
/// Filter of the spans that are processed.
const CALLS: &str = "kind:llm,embedding";

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

impl JobRunner {
    pub(super) async fn reprice(&self, mut record: JobRecord, range: (Option<i64>, Option<i64>), job: &RunningJob) -> JobEnd {
        let before = record.progress.as_deref().and_then(|text| serde_json::from_str::<RepriceProgress>(text).ok());
        let mut progress = match before {
            Some(progress) => progress,
            None => match self.begin(record.project, range, job).await {
                Ok(progress) => progress,
                Err(error) => return JobEnd::Failed(error.to_string()),
            },
        };
        // If prices have changed since, also while the server was stopped, the days before have the old costs: the whole range is done
        // again.
        loop {
            let (pricing, prices) = match self.pricing(record.project) {
                Ok(known) => known,
                Err(error) => return JobEnd::Failed(error.to_string()),
            };
            if progress.prices != prices {
                progress = RepriceProgress { prices, reached_us: progress.from_us, so_far: RepriceReport::default(), ..progress };
                job.done_before.store(0, Ordering::Relaxed);
            }
            match self.reprice_days(&mut record, &mut progress, &pricing, job).await {
                JobEnd::Done if self.pricing(record.project).is_ok_and(|(_, prices)| prices != progress.prices) => {}
                end => return end,
            }
        }
    }

    /// Returns how calls of a project are priced now, and a fingerprint of it.
    fn pricing(&self, project: u64) -> Result<(PricingPolicy, String), MetadataError> {
        let prefer_client = self.resources.meta.project(project)?.prefer_client_cost;
        // The fingerprint is read first: prices that change between the two lines are noticed at the end of the job.
        let prices = format!("{} {prefer_client}", self.resources.prices.fingerprint(project));
        Ok((PricingPolicy { book: self.resources.prices.of(project), prefer_client }, prices))
    }

    /// Determines the time range and counts the calls.
    async fn begin(&self, project: u64, range: (Option<i64>, Option<i64>), job: &RunningJob) -> Result<RepriceProgress, RepriceError> {
        let calls = self.resources.engine.project(self.resources.store.snapshot(), project);
        let filter = Filter::parse(CALLS).unwrap_or_default();
        let scope = QueryScope { from_us: range.0.unwrap_or(i64::MIN), to_us: range.1.unwrap_or(i64::MAX), filter };
        let (from_us, to_us) = calls.kept_range(&scope).await?;
        job.total.store(calls.count(&QueryScope { from_us, to_us, ..scope }).await?, Ordering::Relaxed);
        Ok(RepriceProgress { from_us, to_us, reached_us: from_us, prices: String::new(), so_far: RepriceReport::default() })
    }

    async fn reprice_days(
        &self,
        record: &mut JobRecord,
        progress: &mut RepriceProgress,
        pricing: &PricingPolicy,
        job: &RunningJob,
    ) -> JobEnd {
        let project = record.project;
        while progress.reached_us < progress.to_us {
            if job.control.stop.is_cancelled() {
                return JobEnd::Stopped;
            }
            let day = (progress.reached_us, ((progress.reached_us.div_euclid(DAY_US) + 1) * DAY_US).min(progress.to_us));
            let calls = self.resources.engine.project(self.resources.store.snapshot(), project);
            let (changed, ended) = price_again(&calls, project, pricing, day, Some(&self.resources.store), &job.control).await;
            if matches!(ended, Err(RepriceError::Stopped)) && !job.cancelled.is_cancelled() {
                // The server stops. After its next start the day is done again: calls changed by then are already correct, and are not
                // counted.
                return JobEnd::Stopped;
            }
            progress.so_far.add(changed);
            if ended.is_ok() {
                progress.reached_us = day.1;
            }
            let done = job.control.calls.swap(0, Ordering::Relaxed);
            job.done_before.fetch_add(done, Ordering::Relaxed);
            (record.done, record.total) = job.counts();
            record.progress = serde_json::to_string(progress).ok();
            if let Err(error) = self.write(record) {
                return JobEnd::Failed(error.to_string());
            }
            match ended {
                Ok(()) => {}
                Err(RepriceError::Stopped) => return JobEnd::Stopped,
                Err(error) => return JobEnd::Failed(error.to_string()),
            }
        }
        JobEnd::Done
    }
}
