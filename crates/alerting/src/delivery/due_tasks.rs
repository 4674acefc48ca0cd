//! Tasks that send due deliveries: at most one task for each target, so that no target waits for another target.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Maximum time between two checks of a queue, even without a notification, because the clock may have been set.
pub const MAX_POLL_INTERVAL: Duration = Duration::from_secs(30);
/// Delay after an error of the database.
pub const DATABASE_ERROR_DELAY: Duration = Duration::from_secs(5);

/// Targets that have a task.
#[derive(Debug, Clone)]
pub struct DueTaskSet<Id>(Arc<Mutex<HashSet<Id>>>);

impl<Id> Default for DueTaskSet<Id> {
    fn default() -> DueTaskSet<Id> {
        DueTaskSet(Arc::default())
    }
}

impl<Id: Copy + Eq + Hash + Send + 'static> DueTaskSet<Id> {
    /// Starts a task for each target with due deliveries, unless the target already has a task. `heads` contains, for each target, the time
    /// in microseconds since the Unix epoch at which its first delivery is due. `send` sends everything that is due, and returns false
    /// after an error of the database. `wake` is called at the end of a task, because a delivery may have become due since the last check.
    /// Returns the time until the next delivery is due.
    pub fn start_due<F: Future<Output = bool> + Send + 'static>(
        &self,
        heads: impl IntoIterator<Item = (Id, i64)>,
        now_us: i64,
        send: impl Fn(Id) -> F,
        wake: impl Fn() + Clone + Send + 'static,
    ) -> Duration {
        let mut rest = MAX_POLL_INTERVAL;
        for (target, due_us) in heads {
            if due_us > now_us {
                rest = rest.min(Duration::from_micros((due_us - now_us).unsigned_abs()));
            } else if self.lock().insert(target) {
                let (tasks, sending, wake) = (self.clone(), send(target), wake.clone());
                tokio::spawn(async move {
                    if !sending.await {
                        tokio::time::sleep(DATABASE_ERROR_DELAY).await;
                    }
                    tasks.lock().remove(&target);
                    wake();
                });
            }
        }
        rest
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<Id>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn a_target_has_one_task_at_a_time() {
        let (tasks, started, ended) = (DueTaskSet::default(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let release = Arc::new(Notify::new());
        let look = |now_us: i64| {
            let (started, release, ended) = (started.clone(), release.clone(), ended.clone());
            let send = move |_: i64| {
                started.fetch_add(1, Ordering::Relaxed);
                let release = release.clone();
                async move {
                    release.notified().await;
                    true
                }
            };
            tasks.start_due([(1, 10), (2, 5_000_010)], now_us, send, move || ended.notify_one())
        };
        assert_eq!((look(10), started.load(Ordering::Relaxed)), (Duration::from_secs(5), 1));
        assert_eq!((look(11).as_micros(), started.load(Ordering::Relaxed)), (4_999_999, 1), "the first task still runs");
        tokio::task::yield_now().await;
        release.notify_one();
        ended.notified().await;
        look(12);
        assert_eq!(started.load(Ordering::Relaxed), 2);
    }
}
