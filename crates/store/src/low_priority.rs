//! Threads for all that takes processor time and may wait: questions, exports, merges. Programs wait for the acknowledgement of what they
//! send, and lose it when that takes too long; so these threads give way to those of intake wherever both want a processor.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::runtime::{Builder, Handle, Runtime};

/// The priority of such threads, from 0 to 99 where a usual thread has about 50: on Unix a nice value of 10. They get about a tenth of a
/// processor that intake wants whole, so that what they hold is not held for ever.
const PRIORITY: u8 = 24;

/// Has the thread that calls this, and all that it starts, give way to intake from now on.
pub fn give_way() {
    let priority = PRIORITY.try_into().map_or(ThreadPriority::Min, ThreadPriority::Crossplatform);
    if let Err(error) = set_current_thread_priority(priority) {
        // Where the system does not permit it, questions and intake share the processors as equals.
        tracing::debug!(?error, "threads.priority.set_failed");
    }
}

/// An asynchronous run time whose threads give way, those that block included.
pub struct LowPriorityRuntime {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl LowPriorityRuntime {
    /// Starts so many threads; 0 for one for each processor.
    ///
    /// # Errors
    ///
    /// When the system does not give them.
    pub fn start(threads: usize) -> std::io::Result<LowPriorityRuntime> {
        let threads = if threads == 0 { std::thread::available_parallelism().map_or(2, std::num::NonZero::get) } else { threads };
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).enable_all().thread_name("hinomi-query").on_thread_start(give_way);
        let runtime = builder.build()?;
        Ok(LowPriorityRuntime { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Where work for these threads is handed in.
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
        // Nobody waits for an answer any more, and a run time must not wait within another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Whether somebody still waits for what is computed.
#[derive(Debug, Clone, Default)]
pub struct CancellationFlag(Arc<AtomicBool>);

impl CancellationFlag {
    /// False once whoever asked has gone: what is computed may end.
    pub fn still(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

struct CancelOnDrop(CancellationFlag);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Does work that blocks, where it hinders nobody. The work is told when this is dropped before it has ended.
///
/// # Errors
///
/// When the work panics, or the run time ends.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce(CancellationFlag) -> T + Send + 'static) -> Result<T, tokio::task::JoinError> {
    let waits = CancelOnDrop(CancellationFlag::default());
    let wanted = waits.0.clone();
    tokio::task::spawn_blocking(move || work(wanted)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The nice value of the calling thread.
    #[cfg(target_os = "linux")]
    fn niceness() -> i64 {
        let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // The name may hold spaces; behind it the nice value is the seventeenth.
        text.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn work_is_told_when_nobody_waits_any_more() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (ended, has_ended) = tokio::sync::oneshot::channel();
        let work = tokio::spawn(blocking(move |wanted| {
            let _ = begun.send(());
            while wanted.still() {
                std::thread::yield_now();
            }
            let _ = ended.send(());
        }));
        has_begun.await.unwrap();
        work.abort();
        has_ended.await.unwrap();
        assert!(blocking(|wanted| wanted.still()).await.unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn its_threads_give_way_and_no_others() {
        let usual = niceness();
        let waiting = LowPriorityRuntime::start(1).unwrap();
        let found = waiting.handle().block_on(async {
            let on_worker = tokio::spawn(async { niceness() }).await.unwrap();
            (on_worker, tokio::task::spawn_blocking(niceness).await.unwrap())
        });
        // Whoever blocks on it starts no thread of its own.
        assert_eq!((found.0 > usual, found.0), (true, found.1));
        assert_eq!(niceness(), usual);
    }
}
