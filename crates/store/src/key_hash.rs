//! Stable 64-bit hashes of a span's identity and of its trace.
//!
//! They are stored in the sidecar files of segments and never change. IDs are normally random; the mixing (the finalizer of MurmurHash3,
//! once per word) spreads IDs that a client counts up.
//!
//! Senders choose the IDs of their spans and can compute others with the same hash. These hashes therefore only narrow a search:
//! `span_lookup` and all queries compare the keys themselves. If code decides by a hash alone, a comment there explains why a collision is
//! harmless.

use hinomi_model::id::{SpanId, TraceId};

/// Identity of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SpanKey {
    pub(super) project: u64,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

impl SpanKey {
    /// Returns the hash that ID files use to find the span.
    pub(super) fn hash(&self) -> u64 {
        mix_bits(trace_hash(self.project, self.trace) ^ self.span.0)
    }
}

/// Returns the hash of a span in sidecar files. Only tests use this function, to compute spans with equal hashes.
pub fn span_hash(project: u64, trace: TraceId, span: SpanId) -> u64 {
    SpanKey { project, trace, span }.hash()
}

/// Returns the hash that indexes and counts of distinct traces use for a trace of a project. Two traces with the same hash are counted as
/// one. This affects only the sender's own project, because each list of a roll-up belongs to one project.
pub fn trace_hash(project: u64, trace: TraceId) -> u64 {
    let low = mix_bits(mix_bits(project ^ 0x9e37_79b9_7f4a_7c15) ^ trace.0 as u64);
    mix_bits(low ^ (trace.0 >> 64) as u64)
}

/// Returns the hash that counts of distinct users use for a user of a project. A collision has the same effect as for [`trace_hash`].
pub(super) fn text_hash(text: &str) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    text.as_bytes().chunks(8).fold(mix_bits(text.len() as u64), |hash, bytes| mix_bits(hash ^ word(bytes)))
}

fn mix_bits(mut word: u64) -> u64 {
    word ^= word >> 33;
    word = word.wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^= word >> 33;
    word = word.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

/// Computes keys that have the same hash as others, as an attacker would. Tests check the results with the functions above: if those
/// functions change, these functions must change too.
#[cfg(test)]
pub(super) mod collisions {
    use super::*;

    /// Returns the trace of a project that has the given lower bits and the same hash as another trace.
    pub(crate) fn colliding_trace(other: (u64, TraceId), project: u64, low: u64) -> TraceId {
        let inner = |project: u64, low: u64| mix_bits(mix_bits(project ^ 0x9e37_79b9_7f4a_7c15) ^ low);
        let high = inner(project, low) ^ inner(other.0, other.1.0 as u64) ^ (other.1.0 >> 64) as u64;
        let trace = TraceId(u128::from(high) << 64 | u128::from(low));
        assert_eq!(trace_hash(project, trace), trace_hash(other.0, other.1));
        assert_ne!((project, trace), other);
        trace
    }

    /// Returns the span of a trace whose key has the same hash as another key.
    pub(crate) fn colliding_span(other: SpanKey, project: u64, trace: TraceId) -> SpanKey {
        let span = trace_hash(project, trace) ^ trace_hash(other.project, other.trace) ^ other.span.0;
        let key = SpanKey { project, trace, span: SpanId(span) };
        assert_eq!(key.hash(), other.hash());
        assert_ne!(key, other);
        key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_match_those_in_existing_files() {
        let key = SpanKey { project: 1, trace: TraceId(0x0123_4567_89ab_cdef_0011_2233_4455_6677), span: SpanId(42) };
        assert_eq!((trace_hash(key.project, key.trace), key.hash()), (11_346_154_887_340_180_201, 9_411_340_737_861_574_137));
        assert_eq!(text_hash("user-0042"), 1_404_638_452_887_040_681);
    }

    #[test]
    fn each_part_of_the_identity_matters() {
        let key = SpanKey { project: 1, trace: TraceId(2), span: SpanId(3) };
        let others = [SpanKey { project: 2, ..key }, SpanKey { trace: TraceId(2 << 64), ..key }, SpanKey { trace: TraceId(3), ..key }];
        for other in others {
            assert_ne!(key.hash(), other.hash());
        }
        assert_ne!(key.hash(), SpanKey { span: SpanId(2), ..key }.hash());
    }
}
