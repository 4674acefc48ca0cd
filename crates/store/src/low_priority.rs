//! Low-priority threads for work that takes processor time and can wait: queries, exports, merges. Programs wait until the server
//! acknowledges their data, and lose the data if the acknowledgement takes too long. Low-priority threads therefore yield to the threads of
//! ingestion when both need a processor.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::runtime::{Builder, Handle, Runtime};

/// Priority of low-priority threads, from 0 to 99; normal threads have about 50. On Unix it is a nice value of 10. With it they get about
/// a tenth of a processor that ingestion uses fully, and do not hold their locks forever.
const THREAD_PRIORITY: u8 = 24;

/// Lowers the priority of the calling thread, and of all threads that it starts, below the priority of ingestion.
pub fn lower_thread_priority() {
    let priority = THREAD_PRIORITY.try_into().map_or(ThreadPriority::Min, ThreadPriority::Crossplatform);
    if let Err(error) = set_current_thread_priority(priority) {
        // Without this permission, queries and ingestion share the processors equally.
        tracing::debug!(?error, "threads.priority.set_failed");
    }
}

/// A Tokio runtime whose worker and blocking threads have low priority.
pub struct LowPriorityRuntime {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl LowPriorityRuntime {
    /// Starts a runtime with this many worker threads; 0 means one per processor.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system cannot start the threads.
    pub fn start_runtime(threads: usize) -> std::io::Result<LowPriorityRuntime> {
        let threads = if threads == 0 { std::thread::available_parallelism().map_or(2, std::num::NonZero::get) } else { threads };
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().thread_name("hinomi-query").on_thread_start(lower_thread_priority);
        let runtime = builder.build()?;
        Ok(LowPriorityRuntime { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Returns the handle on which tasks for these threads are spawned.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl fmt::Debug for LowPriorityRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LowPriorityRuntime")
    }
}

impl Drop for LowPriorityRuntime {
    fn drop(&mut self) {
        // Results are no longer needed, and dropping a runtime within another one must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether the result of a computation is still needed.
#[derive(Debug, Clone, Default)]
pub struct CancellationFlag(Arc<AtomicBool>);

impl CancellationFlag {
    /// Returns false once the caller no longer needs the result, so that the computation may end.
    pub fn is_wanted(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

struct CancelOnDrop(CancellationFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Runs blocking work on a thread of the blocking pool. The flag that the work receives is set when this future is dropped before the
/// work has ended.
///
/// # Errors
///
/// Returns an error if the work panics, or the runtime shuts down.
pub async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce(CancellationFlag) -> T + Send + 'static,
) -> Result<T, tokio::task::JoinError> {
    let waits = CancelOnDrop(CancellationFlag::default());
    let wanted = waits.0.clone();
    tokio::task::spawn_blocking(move || work(wanted)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the nice value of the calling thread.
    #[cfg(target_os = "linux")]
    fn thread_niceness() -> i64 {
        let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The name may contain spaces; the nice value is the seventeenth field after it.
        text.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn work_is_cancelled_when_its_caller_is_gone() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(run_blocking(move |wanted| {
            let _ = begun.send(());
            while wanted.is_wanted() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
        }));
        has_begun.await.unwrap();
        work.abort();
        has_ended.await.unwrap();
        assert!(run_blocking(|wanted| wanted.is_wanted()).await.unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_low_priority_threads_are_lowered() {
        let usual = thread_niceness();
        let waiting = LowPriorityRuntime::start_runtime(1).unwrap();
        let found = waiting.handle().block_on(async {
            let on_worker = tokio::spawn(async { thread_niceness() }).await.unwrap();
            (on_worker, tokio::task::spawn_blocking(thread_niceness).await.unwrap())
        });
        // A thread that blocks on the runtime starts no thread of its own.
        // Not lower if the tests themselves run with a low priority.
        assert_eq!((found.0 > usual.min(8), found.0), (true, found.1));
        assert_eq!(thread_niceness(), usual);
    }
}
