//! IDs for items that were sent without an ID, or with an ID in an unsupported format.

use sha2::{Digest, Sha256};

use crate::id::{SpanId, TraceId};

/// A hash of texts, from which IDs are made.
///
/// An ID has fewer bits than the hash, so a collision of two texts can be found with some effort. This is not a risk: an ID is unique only
/// within its project, trace or span, and clients that send there may choose any ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint([u8; 32]);

/// Hash state of the first texts that several fingerprints share. These texts are hashed only once.
#[derive(Debug, Clone)]
pub(crate) struct FingerprintPrefix(Sha256);

impl FingerprintPrefix {
    pub(crate) fn of(texts: &[&str]) -> FingerprintPrefix {
        FingerprintPrefix(Sha256::new()).followed_by(texts)
    }

    pub(crate) fn followed_by(mut self, texts: &[&str]) -> FingerprintPrefix {
        for text in texts {
            // The length prevents a text from ending in the next one.
            self.0.update((text.len() as u64).to_be_bytes());
            self.0.update(text.as_bytes());
        }
        self
    }

    /// Returns the fingerprint of the prefix followed by these texts.
    pub(crate) fn fingerprint_with(&self, texts: &[&str]) -> Fingerprint {
        Fingerprint(self.clone().followed_by(texts).0.finalize().into())
    }
}

impl Fingerprint {
    /// Returns the fingerprint of the texts in this order.
    pub(crate) fn of(texts: &[&str]) -> Fingerprint {
        FingerprintPrefix::of(texts).fingerprint_with(&[])
    }

    /// Returns the bytes of the hash.
    pub(crate) fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Returns the first 16 bytes as the ID of a trace.
    pub(crate) fn trace_id(self) -> TraceId {
        let bytes = self.0.first_chunk().copied().unwrap_or_default();
        TraceId(u128::from_be_bytes(bytes).max(1))
    }

    /// Returns the first 8 bytes as the ID of a span.
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
    fn fingerprint_depends_on_text_boundaries() {
        assert_ne!(Fingerprint::of(&["ab", "c"]), Fingerprint::of(&["a", "bc"]));
    }
}
