//! Limits how many queries may wait and how many may run at the same time, in total and per caller, so that no caller can block the
//! others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::QueryLimitsConfig;

/// Caller of a query: a hash of its token or session. The key of the hash differs for each process. Callers with the same hash share a
/// limit.
pub(in crate::api) type CallerId = u64;

/// Limits the number of waiting queries (seats) and of running queries (turns).
#[derive(Debug)]
pub(in crate::api) struct QueryLimiter {
    limits: QueryLimitsConfig,
    total_permits: Arc<Semaphore>,
    occupancy: Mutex<QueueOccupancy>,
}

#[derive(Debug, Default)]
struct QueueOccupancy {
    taken: usize,
    callers: HashMap<CallerId, CallerOccupancy>,
}

#[derive(Debug)]
struct CallerOccupancy {
    taken: usize,
    permits: Arc<Semaphore>,
}

/// A limit of waiting and running queries is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum QueryQueueFull {
    /// The limit of the caller; contains the number of its queries.
    Caller(usize),
    /// The limit of all callers; contains the number of their queries.
    Total(usize),
}

/// A query that waits or runs.
#[derive(Debug)]
pub(in crate::api) struct QueueSlot<'a> {
    limiter: &'a QueryLimiter,
    caller: CallerId,
    /// Turns of the caller.
    caller_permits: Arc<Semaphore>,
}

/// Permit to run a query, released when it is dropped.
#[derive(Debug)]
pub(in crate::api) struct QueryPermit {
    _of_caller: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl QueryLimiter {
    pub(in crate::api) fn new(limits: QueryLimitsConfig) -> QueryLimiter {
        let total_permits = Arc::new(Semaphore::new(limits.max_queries()));
        QueryLimiter { limits, total_permits, occupancy: Mutex::default() }
    }

    /// Adds a query to the waiting queries.
    pub(in crate::api) fn enqueue(&self, caller: CallerId) -> Result<QueueSlot<'_>, QueryQueueFull> {
        let mut seats = self.lock();
        if seats.taken >= self.limits.max_waiting {
            return Err(QueryQueueFull::Total(seats.taken));
        }
        let turns = || Arc::new(Semaphore::new(self.limits.max_queries_per_caller()));
        let own = seats.callers.entry(caller).or_insert_with(|| CallerOccupancy { taken: 0, permits: turns() });
        if own.taken >= self.limits.max_waiting_of_caller {
            return Err(QueryQueueFull::Caller(own.taken));
        }
        own.taken += 1;
        let caller_permits = own.permits.clone();
        seats.taken += 1;
        Ok(QueueSlot { limiter: self, caller, caller_permits })
    }

    /// Returns the number of waiting and running queries.
    pub(in crate::api) fn queued(&self) -> usize {
        self.lock().taken
    }

    /// Returns the number of queries that run.
    pub(in crate::api) fn running(&self) -> usize {
        self.limits.max_queries().saturating_sub(self.total_permits.available_permits())
    }

    fn lock(&self) -> MutexGuard<'_, QueueOccupancy> {
        self.occupancy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueSlot<'_> {
    /// Returns the semaphores from which the query gets its permit.
    pub(in crate::api) fn permit_semaphores(&self) -> QueryPermitSemaphores {
        QueryPermitSemaphores { of_caller: self.caller_permits.clone(), of_all: self.limiter.total_permits.clone() }
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        let mut seats = self.limiter.lock();
        seats.taken = seats.taken.saturating_sub(1);
        if let Some(own) = seats.callers.get_mut(&self.caller) {
            own.taken = own.taken.saturating_sub(1);
            if own.taken == 0 {
                seats.callers.remove(&self.caller);
            }
        }
    }
}

/// Semaphores from which a query gets its permit.
#[derive(Debug, Clone)]
pub(in crate::api) struct QueryPermitSemaphores {
    of_caller: Arc<Semaphore>,
    of_all: Arc<Semaphore>,
}

impl QueryPermitSemaphores {
    /// Waits for a permit, in the order of the calls.
    pub(in crate::api) async fn wait_for_permit(self) -> Option<QueryPermit> {
        let of_caller = self.of_caller.acquire_owned().await.ok()?;
        let of_all = self.of_all.acquire_owned().await.ok()?;
        Some(QueryPermit { _of_caller: of_caller, _of_all: of_all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_limiter(at_once: usize, waiting: usize, of_caller: usize) -> QueryLimiter {
        QueryLimiter::new(QueryLimitsConfig {
            max_at_once: at_once,
            max_waiting: waiting,
            max_waiting_of_caller: of_caller,
            ..QueryLimitsConfig::default()
        })
    }

    #[test]
    fn caller_over_its_limit_is_rejected_alone() {
        let turns = new_limiter(4, 4, 2);
        let seats = [turns.enqueue(1).unwrap(), turns.enqueue(1).unwrap()];
        assert_eq!(turns.enqueue(1).err(), Some(QueryQueueFull::Caller(2)));
        let others = [turns.enqueue(2).unwrap(), turns.enqueue(3).unwrap()];
        assert_eq!(turns.enqueue(4).err(), Some(QueryQueueFull::Total(4)));
        drop(others);
        drop(seats);
        assert_eq!((turns.queued(), turns.lock().callers.len()), (0, 0));
        assert!(turns.enqueue(1).is_ok());
    }

    #[tokio::test]
    async fn one_caller_cannot_take_all_query_slots() {
        let turns = new_limiter(4, 100, 100);
        let seats: Vec<QueueSlot> = (0..3).map(|_| turns.enqueue(1).unwrap()).collect();
        let (first, second) = (seats[0].permit_semaphores().wait_for_permit().await, seats[1].permit_semaphores().wait_for_permit().await);
        let mut third = Box::pin(seats[2].permit_semaphores().wait_for_permit());
        assert!(first.is_some() && second.is_some() && futures::poll!(third.as_mut()).is_pending());
        let other = turns.enqueue(2).unwrap();
        assert!(other.permit_semaphores().wait_for_permit().await.is_some());
        assert_eq!(turns.running(), 2);
        drop(first);
        assert!(futures::poll!(third.as_mut()).is_ready());
    }
}
