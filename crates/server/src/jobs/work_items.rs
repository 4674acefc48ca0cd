//! Work on many items at the same time.

use std::pin::pin;

use futures::{Stream, StreamExt};
use tokio::sync::Semaphore;

use super::context::JobContext;
use super::handler::{JobError, JobHandler};

/// Number of items per worker that are in work or wait for an earlier item. A slow item does not stop the other workers before that.
const ITEMS_PER_WORKER: usize = 4;

impl<H: JobHandler> JobContext<H> {
    /// Works on up to [`max_workers`](super::JobLimits::max_workers) items at the same time. `completed` receives the results in the order
    /// of the items, each after the item was counted as done. At the time of a call, all earlier items are complete, so the key of the item
    /// can be saved as progress.
    ///
    /// All items share one thread. Long computations must run on other threads.
    ///
    /// # Errors
    ///
    /// Returns the first error of an item or of `completed`; the work on other items then stops. Returns [`JobError::Interrupted`] if the
    /// job must end; items in progress are completed first, unless they watch [`interrupted`](JobContext::interrupted) themselves.
    pub async fn process_items<T, R, W>(
        &self,
        items: impl Stream<Item = T> + Send,
        work: impl Fn(T) -> W + Send + Sync,
        mut completed: impl FnMut(R) -> Result<(), JobError> + Send,
    ) -> Result<(), JobError>
    where
        T: Send,
        R: Send,
        W: Future<Output = Result<R, JobError>> + Send,
    {
        let workers = self.limits().max_workers.max(1);
        let (permits, work) = (&Semaphore::new(workers), &work);
        let worked = items.take_until(self.interrupted().cancelled()).map(move |item| async move {
            let _permit = permits.acquire().await;
            work(item).await
        });
        let mut results = pin!(worked.buffered(workers.saturating_mul(ITEMS_PER_WORKER)));
        while let Some(result) = results.next().await {
            let result = result?;
            self.counts().add_done(1);
            completed(result)?;
        }
        self.check()
    }
}
