//! Limits the memory that requests use from their first byte until they are stored.
//!
//! Bytes are counted as they arrive, not as they are announced. One sender (a key, or all senders without a key) gets at most three
//! quarters of the memory for arriving bodies, so that no sender can block the others. Decoding has its own memory: a request reserves
//! what its size suggests, and must not use more ([`hinomi_model::decode_budget`]). A request that needs more is decoded again as an
//! *exceptional* one, with a larger budget that exists only once per server. The memory of all requests together is therefore bounded,
//! whatever clients send.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hinomi_model::decode_budget::DecodeLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::rejection::IngestRejection;
use crate::memory::MemoryBudget;

/// Unit in which memory is counted, in bytes.
pub(super) const MEMORY_UNIT_BYTES: usize = 16 << 10;
/// Time that a request waits for memory. Shorter in tests.
const ADMISSION_TIMEOUT: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(5) };

/// Largest number of spans, log records or points of one request.
pub(super) const MAX_ITEMS: usize = 100_000;
/// Largest number of events in one request of Langfuse's older API.
pub(super) const MAX_EVENTS: usize = 10_000;

/// Expected size of a body after decompression, as a multiple of the compressed size: telemetry compresses to about a tenth.
const EXPECTED_RATIO: usize = 16;
/// Expected memory of a decoded body, as a multiple of its size: most of it is text, the rest becomes structures.
const EXPECTED_GROWTH: usize = 10;
/// Smallest decode budget of a request, in bytes.
const MIN_DECODE_BUDGET_BYTES: usize = 4 << 20;

/// Largest number of unidentified senders whose bodies may grow beyond the first chunk, and the largest size of each in bytes: one
/// megabyte in all.
const MAX_UNIDENTIFIED_SENDERS: usize = 16;
pub(super) const MAX_UNIDENTIFIED_BYTES: usize = 64 << 10;

/// Memory limits of ingestion.
#[derive(Debug)]
pub(super) struct IngestAdmission {
    arriving: Arc<Semaphore>,
    decoding: Arc<Semaphore>,
    exceptional: Arc<Semaphore>,
    /// Slots for threads that decode, which takes processor time.
    threads: Arc<Semaphore>,
    unidentified: Arc<Semaphore>,
    senders: Mutex<HashMap<i64, SenderAdmission>>,
    budget: MemoryBudget,
}

/// Limits of one sender.
#[derive(Debug, Clone)]
pub(super) struct SenderAdmission {
    sender_memory: Arc<Semaphore>,
    total_memory: Arc<Semaphore>,
    exceptional: Arc<Semaphore>,
}

/// Memory of a body, released when this is dropped.
#[derive(Debug, Default)]
pub(super) struct BodyPermit {
    sender_permit: Option<OwnedSemaphorePermit>,
    total_permit: Option<OwnedSemaphorePermit>,
}

/// Limits under which a request is decoded.
#[derive(Debug)]
pub(super) struct DecodeAttempt {
    /// Largest size of the body after decompression, in bytes.
    pub(super) max_inflated: usize,
    pub(super) limits: DecodeLimits,
    /// Whether the request has the exceptional budget.
    pub(super) is_exceptional: bool,
    _permits: [Option<OwnedSemaphorePermit>; 3],
}

impl IngestAdmission {
    pub(super) fn new(budget: MemoryBudget) -> IngestAdmission {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let units = |bytes: usize| Arc::new(Semaphore::new(bytes.div_ceil(MEMORY_UNIT_BYTES)));
        IngestAdmission {
            arriving: units(budget.arriving_bodies),
            decoding: units(budget.decoding),
            exceptional: Arc::new(Semaphore::new(1)),
            threads: Arc::new(Semaphore::new(2 * processors)),
            unidentified: Arc::new(Semaphore::new(MAX_UNIDENTIFIED_SENDERS)),
            senders: Mutex::default(),
            budget,
        }
    }

    /// Returns the limits of a sender. There is one per key, and one for all senders without a key.
    pub(super) fn admission_of(&self, key: Option<i64>, max_body: usize) -> SenderAdmission {
        let mut senders = self.senders.lock().unwrap_or_else(PoisonError::into_inner);
        let own = (self.budget.arriving_bodies / 4 * 3).max(max_body).div_ceil(MEMORY_UNIT_BYTES);
        let new = || SenderAdmission {
            sender_memory: Arc::new(Semaphore::new(own)),
            total_memory: self.arriving.clone(),
            exceptional: Arc::new(Semaphore::new(1)),
        };
        senders.entry(key.unwrap_or(0)).or_insert_with(new).clone()
    }

    /// Returns a permit to buffer more than the first chunk of a body whose sender is not identified yet.
    pub(super) fn admit_unidentified(&self) -> Result<OwnedSemaphorePermit, IngestRejection> {
        self.unidentified.clone().try_acquire_owned().map_err(|_| IngestRejection::Overloaded)
    }

    /// Waits until a body of `bytes` bytes may be decoded. Returns `None` if it is so large that only [`admit_exceptional`](Self::admit_exceptional)
    /// can succeed.
    pub(super) async fn admit_usual(
        &self,
        bytes: usize,
        is_compressed: bool,
        items: usize,
    ) -> Result<Option<DecodeAttempt>, IngestRejection> {
        let inflated = if is_compressed { EXPECTED_RATIO.saturating_mul(bytes) } else { bytes };
        let most = self.budget.decoding / 4;
        let budget = EXPECTED_GROWTH.saturating_mul(inflated).saturating_add(MIN_DECODE_BUDGET_BYTES).min(most);
        if bytes.saturating_mul(4) > most {
            return Ok(None);
        }
        let thread = self.threads.clone().acquire_owned().await.map_err(|_| IngestRejection::Stopping)?;
        let memory = acquire_bytes(&self.decoding, budget).await?;
        Ok(Some(DecodeAttempt {
            max_inflated: budget / 2,
            limits: DecodeLimits { items, bytes: budget },
            is_exceptional: false,
            _permits: [Some(thread), memory, None],
        }))
    }

    /// Waits for the exceptional budget.
    pub(super) async fn admit_exceptional(
        &self,
        sender: &SenderAdmission,
        max_inflated: usize,
        items: usize,
    ) -> Result<DecodeAttempt, IngestRejection> {
        // A sender waits with one request at a time, so that other senders get their turn.
        let own = acquire_one(&sender.exceptional).await?;
        let only = acquire_one(&self.exceptional).await?;
        let thread = self.threads.clone().acquire_owned().await.map_err(|_| IngestRejection::Stopping)?;
        Ok(DecodeAttempt {
            max_inflated: max_inflated.min(self.budget.exceptional_request / 2),
            limits: DecodeLimits { items, bytes: self.budget.exceptional_request },
            is_exceptional: true,
            _permits: [Some(thread), Some(only), Some(own)],
        })
    }
}

impl SenderAdmission {
    /// Reserves memory for more bytes of a body.
    pub(super) async fn grow(&self, held: &mut BodyPermit, bytes: usize) -> Result<(), IngestRejection> {
        let own = acquire_bytes(&self.sender_memory, bytes).await?;
        let all = acquire_bytes(&self.total_memory, bytes).await?;
        for (held, more) in [(&mut held.sender_permit, own), (&mut held.total_permit, all)] {
            match (held, more) {
                (Some(held), Some(more)) => held.merge(more),
                (held, more) => *held = more,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl SenderAdmission {
    /// Returns the number of units that are free for all senders.
    pub(super) fn available_units(&self) -> usize {
        self.total_memory.available_permits()
    }
}

impl BodyPermit {
    /// Returns the number of reserved bytes.
    pub(super) fn bytes(&self) -> usize {
        self.total_permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * MEMORY_UNIT_BYTES
    }
}

async fn acquire_one(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, IngestRejection> {
    match timeout(ADMISSION_TIMEOUT, semaphore.clone().acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        Ok(Err(_)) => Err(IngestRejection::Stopping),
        Err(_) => Err(IngestRejection::Overloaded),
    }
}

async fn acquire_bytes(memory: &Arc<Semaphore>, bytes: usize) -> Result<Option<OwnedSemaphorePermit>, IngestRejection> {
    if bytes == 0 {
        return Ok(None);
    }
    let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT_BYTES)).map_err(|_| IngestRejection::Overloaded)?;
    match timeout(ADMISSION_TIMEOUT, memory.clone().acquire_many_owned(units)).await {
        Ok(Ok(permit)) => Ok(Some(permit)),
        Ok(Err(_)) => Err(IngestRejection::Stopping),
        Err(_) => Err(IngestRejection::Overloaded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn admission() -> (IngestAdmission, MemoryBudget) {
        let shares = MemoryBudget::from_config(&Config { memory_limit_bytes: 512 << 20, ..Config::default() });
        (IngestAdmission::new(shares), shares)
    }

    #[tokio::test]
    async fn one_sender_cannot_take_the_last_quarter() {
        let (admission, shares) = admission();
        let (attacker, other) = (admission.admission_of(Some(1), 1 << 20), admission.admission_of(Some(2), 1 << 20));
        let mut held = Vec::new();
        loop {
            let mut body = BodyPermit::default();
            if attacker.grow(&mut body, 1 << 20).await.is_err() {
                break;
            }
            held.push(body);
        }
        assert_eq!(held.len(), (shares.arriving_bodies / 4 * 3) >> 20);
        let mut body = BodyPermit::default();
        other.grow(&mut body, shares.arriving_bodies / 4).await.unwrap();
        assert_eq!(body.bytes(), shares.arriving_bodies / 4);
    }

    #[tokio::test]
    async fn exceptional_requests_are_decoded_one_by_one() {
        let (admission, shares) = admission();
        let mut taken = 0;
        for _ in 0..2 {
            let attempt = admission.admit_usual(100_000, true, MAX_ITEMS).await.unwrap().unwrap();
            taken += attempt.limits.bytes;
            assert!(!attempt.is_exceptional && attempt.limits.bytes <= shares.decoding / 4, "{attempt:?}");
            std::mem::forget(attempt);
        }
        assert!(taken <= shares.decoding);
        assert!(admission.admit_usual(shares.decoding, false, MAX_ITEMS).await.unwrap().is_none());
        let (one, other) = (admission.admission_of(Some(1), 1), admission.admission_of(Some(2), 1));
        let attempt = admission.admit_exceptional(&one, usize::MAX, MAX_ITEMS).await.unwrap();
        assert!(matches!(admission.admit_exceptional(&other, usize::MAX, MAX_ITEMS).await, Err(IngestRejection::Overloaded)));
        drop(attempt);
        assert!(admission.admit_exceptional(&other, usize::MAX, MAX_ITEMS).await.is_ok());
    }
}
