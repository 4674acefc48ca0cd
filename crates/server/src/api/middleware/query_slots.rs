//! Limits how many queries may wait and how many may run at the same time, in total and per caller, so that no caller can block the
//! others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::QueryLimitsConfig;

/// Caller of a query, identified by its token or session. A hash whose key differs for each process; callers with the same hash share a
/// limit.
pub(in crate::api) type CallerId = u64;

/// Limits waiting queries (seats) and running queries (turns).
#[derive(Debug)]
pub(in crate::api) struct QueryLimiter {
    limits: QueryLimitsConfig,
    all: Arc<Semaphore>,
    seats: Mutex<QueueOccupancy>,
}

#[derive(Debug, Default)]
struct QueueOccupancy {
    taken: usize,
    callers: HashMap<CallerId, CallerOccupancy>,
}

#[derive(Debug)]
struct CallerOccupancy {
    taken: usize,
    turns: Arc<Semaphore>,
}

/// A limit of queries that wait or run is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::api) enum QueryQueueFull {
    /// The limit of the caller; contains the number of its queries.
    OfCaller(usize),
    /// The limit of all callers; contains the number of their queries.
    Altogether(usize),
}

/// A query that waits or runs.
#[derive(Debug)]
pub(in crate::api) struct QueueSlot<'a> {
    of: &'a QueryLimiter,
    caller: CallerId,
    /// Turns of the caller.
    turns: Arc<Semaphore>,
}

/// Permit to run a query, released when it is dropped.
#[derive(Debug)]
pub(in crate::api) struct QueryPermit {
    _of_caller: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl QueryLimiter {
    pub(in crate::api) fn new(limits: QueryLimitsConfig) -> QueryLimiter {
        let all = Arc::new(Semaphore::new(limits.at_once()));
        QueryLimiter { limits, all, seats: Mutex::default() }
    }

    /// Adds a query to those that wait.
    pub(in crate::api) fn seat(&self, caller: CallerId) -> Result<QueueSlot<'_>, QueryQueueFull> {
        let mut seats = self.lock();
        if seats.taken >= self.limits.max_waiting {
            return Err(QueryQueueFull::Altogether(seats.taken));
        }
        let turns = || Arc::new(Semaphore::new(self.limits.at_once_of_caller()));
        let own = seats.callers.entry(caller).or_insert_with(|| CallerOccupancy { taken: 0, turns: turns() });
        if own.taken >= self.limits.max_waiting_of_caller {
            return Err(QueryQueueFull::OfCaller(own.taken));
        }
        own.taken += 1;
        let turns = own.turns.clone();
        seats.taken += 1;
        Ok(QueueSlot { of: self, caller, turns })
    }

    /// Returns the number of queries that wait or run.
    pub(in crate::api) fn taken(&self) -> usize {
        self.lock().taken
    }

    /// Returns the number of queries that run.
    pub(in crate::api) fn at_work(&self) -> usize {
        self.limits.at_once().saturating_sub(self.all.available_permits())
    }

    fn lock(&self) -> MutexGuard<'_, QueueOccupancy> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueSlot<'_> {
    /// Returns the semaphores from which the query gets its permit.
    pub(in crate::api) fn pass(&self) -> QueryPermitSemaphores {
        QueryPermitSemaphores { of_caller: self.turns.clone(), of_all: self.of.all.clone() }
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        let mut seats = self.of.lock();
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
    pub(in crate::api) async fn turn(self) -> Option<QueryPermit> {
        let of_caller = self.of_caller.acquire_owned().await.ok()?;
        let of_all = self.of_all.acquire_owned().await.ok()?;
        Some(QueryPermit { _of_caller: of_caller, _of_all: of_all })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(at_once: usize, waiting: usize, of_caller: usize) -> QueryLimiter {
        QueryLimiter::new(QueryLimitsConfig {
            max_at_once: at_once,
            max_waiting: waiting,
            max_waiting_of_caller: of_caller,
            ..QueryLimitsConfig::default()
        })
    }

    #[test]
    fn who_comes_too_often_is_refused_and_others_are_not() {
        let turns = turns(4, 4, 2);
        let seats = [turns.seat(1).unwrap(), turns.seat(1).unwrap()];
        assert_eq!(turns.seat(1).err(), Some(QueryQueueFull::OfCaller(2)));
        let others = [turns.seat(2).unwrap(), turns.seat(3).unwrap()];
        assert_eq!(turns.seat(4).err(), Some(QueryQueueFull::Altogether(4)));
        drop(others);
        drop(seats);
        assert_eq!((turns.taken(), turns.lock().callers.len()), (0, 0));
        assert!(turns.seat(1).is_ok());
    }

    #[tokio::test]
    async fn a_caller_leaves_turns_to_others() {
        let turns = turns(4, 100, 100);
        let seats: Vec<QueueSlot> = (0..3).map(|_| turns.seat(1).unwrap()).collect();
        let (first, second) = (seats[0].pass().turn().await, seats[1].pass().turn().await);
        let mut third = Box::pin(seats[2].pass().turn());
        assert!(first.is_some() && second.is_some() && futures::poll!(third.as_mut()).is_pending());
        let other = turns.seat(2).unwrap();
        assert!(other.pass().turn().await.is_some());
        assert_eq!(turns.at_work(), 2);
        drop(first);
        assert!(futures::poll!(third.as_mut()).is_ready());
    }
}
