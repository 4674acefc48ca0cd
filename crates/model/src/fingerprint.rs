//! Ids for what was sent without one, or with one of another shape.

use sha2::{Digest, Sha256};

use crate::id::{SpanId, TraceId};

/// A hash of texts, from which ids are made for what was sent without.
///
/// An id has fewer bits than the hash, so that two texts with one id can be found with some work. That does no harm: an id is one within the
/// project, trace or span that it was sent to, and whoever sends there may send any id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

/// The first texts of several fingerprints, which are hashed once.
#[derive(Debug, Clone)]
pub(crate) struct FingerprintPrefix(Sha256);

impl FingerprintPrefix {
    pub(crate) fn of(texts: &[&str]) -> FingerprintPrefix {
        FingerprintPrefix(Sha256::new()).and(texts)
    }

    pub(crate) fn and(mut self, texts: &[&str]) -> FingerprintPrefix {
        for text in texts {
            // With its length, so that no text can begin in one and end in the next.
            self.0.update((text.len() as u64).to_be_bytes());
            self.0.update(text.as_bytes());
        }
        self
    }

    /// The fingerprint of these texts and the others behind them.
    pub(crate) fn with(&self, texts: &[&str]) -> Fingerprint {
        Fingerprint(self.clone().and(texts).0.finalize().into())
    }
}

impl Fingerprint {
    /// Of the texts in their order.
    pub(crate) fn of(texts: &[&str]) -> Fingerprint {
        FingerprintPrefix::of(texts).with(&[])
    }

    /// The hash itself.
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// As the id of a trace.
    pub(crate) fn trace_id(self) -> TraceId {
        let bytes = self.0.first_chunk().copied().unwrap_or_default();
        TraceId(u128::from_be_bytes(bytes).max(1))
    }

    /// As the id of a span.
    pub(crate) fn span_id(self) -> SpanId {
        let bytes = self.0.first_chunk().copied().unwrap_or_default();
        SpanId(u64::from_be_bytes(bytes).max(1))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.span_id(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_does_not_run_into_the_next() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
    }
}
