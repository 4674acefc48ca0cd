//! Stable 64-bit hashes of a span's identity and of its trace.
//!
//! They are written in the side files of segments, so they never change. Ids are random already; the mixing (the finalizer of
//! MurmurHash3, once for each word) spreads those that a client counts up. Two of ten million spans have the same hash with a
//! probability of 3 in a million; the later of the two would then be taken for a repeat.

use hinomi_model::id::{SpanId, TraceId};

/// The identity of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) project: u64,
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
}

impl Key {
    /// The hash by which the span is known.
    pub(super) fn hash(&self) -> u64 {
        mix(trace_hash(self.project, self.trace) ^ self.span.0)
    }
}

/// The hash by which a trace of a project is known.
pub(super) fn trace_hash(project: u64, trace: TraceId) -> u64 {
    let low = mix(mix(project ^ 0x9e37_79b9_7f4a_7c15) ^ trace.0 as u64);
    mix(low ^ (trace.0 >> 64) as u64)
}

/// The hash by which a text is counted once.
pub(super) fn text_hash(text: &str) -> u64 {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    text.as_bytes().chunks(8).fold(mix(text.len() as u64), |hash, bytes| mix(hash ^ word(bytes)))
}

fn mix(mut word: u64) -> u64 {
    word ^= word >> 33;
    word = word.wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^= word >> 33;
    word = word.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_what_files_already_hold() {
        let key = Key { project: 1, trace: TraceId(0x0123_4567_89ab_cdef_0011_2233_4455_6677), span: SpanId(42) };
        assert_eq!((trace_hash(key.project, key.trace), key.hash()), (11_346_154_887_340_180_201, 9_411_340_737_861_574_137));
        assert_eq!(text_hash("user-0042"), 1_404_638_452_887_040_681);
    }

    #[test]
    fn each_part_of_the_identity_matters() {
        let key = Key { project: 1, trace: TraceId(2), span: SpanId(3) };
        let others = [Key { project: 2, ..key }, Key { trace: TraceId(2 << 64), ..key }, Key { trace: TraceId(3), ..key }];
        for other in others {
            assert_ne!(key.hash(), other.hash());
        }
        assert_ne!(key.hash(), Key { span: SpanId(2), ..key }.hash());
    }
}
