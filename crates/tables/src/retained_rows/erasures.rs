//! Number of erasures, so that results computed from spans are not stored after the spans were erased.

use std::sync::atomic::{AtomicU64, Ordering};

/// Number of erasures at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasureCount(u64);

/// Counts the erasures in a database of computed results.
///
/// Who computes results reads the count before the spans. The transaction that stores the results compares the count again.
#[derive(Debug, Default)]
pub struct ErasureCounter(AtomicU64);

impl ErasureCounter {
    /// Returns the number of erasures so far.
    pub fn current(&self) -> ErasureCount {
        ErasureCount(self.0.load(Ordering::Acquire))
    }

    /// Notes that spans are being erased.
    pub(crate) fn increment(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
