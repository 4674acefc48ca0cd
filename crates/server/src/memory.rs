//! Memory limit of the server, and the share of each use.

use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, MIN_MEMORY_BYTES};

/// Interval at which the memory of the process is checked.
const PURGE_INTERVAL: Duration = Duration::from_millis(50);

/// Memory budget in bytes for each use. The sum is below the limit, because small uses are not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Memory limit of the server.
    pub limit: u64,
    /// Memory of the operators of queries.
    pub queries: usize,
    /// Memory of exports, which is separate so that exports do not reduce the memory for queries of the page.
    pub exports: usize,
    /// Request bodies that are arriving.
    pub arriving_bodies: usize,
    /// Decoded requests of usual size.
    pub decoding: usize,
    /// One decoded request of unusual size; at most one exists at a time. The sum of the shares does not include this memory, because
    /// usually there is no such request.
    pub exceptional_request: usize,
    /// Size of the memtable's columns at which the memtable is flushed. The memtable may grow to three times this size.
    pub buffer: usize,
}

impl MemoryBudget {
    /// Returns the shares of the configured limit, or of a quarter of the machine's memory.
    pub fn from_config(config: &Config) -> MemoryBudget {
        let limit = match config.memory_limit_bytes {
            0 => (machine_memory().unwrap_or(4 << 30) / 4).max(MIN_MEMORY_BYTES),
            set => set,
        };
        let part = |share: u64, of: u64| usize::try_from(limit / of * share).unwrap_or(usize::MAX);
        // The budget must fit one body in any case.
        let arriving_bodies = part(3, 16).max(config.ingest.max_body_bytes).min(config.ingest.max_bytes_in_work);
        MemoryBudget {
            limit,
            queries: part(6, 16),
            exports: part(1, 16),
            arriving_bodies,
            decoding: part(2, 16),
            exceptional_request: part(12, 16),
            buffer: part(1, 16).min(64 << 20),
        }
    }
}

/// Returns the memory of the machine or container in bytes; `None` if the operating system does not report it.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    Some(container.map_or(machine, |container: u64| container.min(machine)))
}

/// Returns the resident memory of this process in bytes, if the operating system reports it.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Returns freed memory to the operating system while the process holds more than three quarters of `limit` bytes, until `stop`.
///
/// The allocator keeps freed memory for a second, and longer if no thread is active, which saves a tenth of the processor time of
/// ingestion. However, consecutive large requests take new memory during this time, so the process would hold twice as much memory as it
/// uses.
pub async fn return_freed_memory(limit: u64, stop: CancellationToken) {
    let mut interval = tokio::time::interval(PURGE_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(interval.tick()).await.is_some() {
        if resident_bytes().is_some_and(|bytes| bytes > limit / 4 * 3) {
            let _ = tokio::task::spawn_blocking(purge_allocator).await;
        }
    }
}

/// Returns all freed memory to the operating system. Takes processor time.
#[allow(unsafe_code)]
fn purge_allocator() {
    // SAFETY: uses no allocation of the caller, and may be called at any time from any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_stay_below_the_limit() {
        for limit in [MIN_MEMORY_BYTES, 1 << 30, 64 << 30] {
            let shares = MemoryBudget::from_config(&Config { memory_limit_bytes: limit, ..Config::default() });
            let sum = shares.queries + shares.exports + shares.arriving_bodies + shares.decoding + 3 * shares.buffer;
            assert!(sum as u64 <= limit && shares.queries as u64 >= limit / 4, "{shares:?}");
        }
        let usual = MemoryBudget::from_config(&Config::default());
        assert!(
            usual.limit >= MIN_MEMORY_BYTES && machine_memory().is_none_or(|machine| usual.limit <= (machine / 4).max(MIN_MEMORY_BYTES)),
            "{usual:?}"
        );
    }
}
