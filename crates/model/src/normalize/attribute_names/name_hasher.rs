//! Hashes the names of attributes.

use std::hash::Hasher;

/// FNV-1a over words of eight bytes. The hash must be fast, because every attribute of every span is looked up. The keys of the table are
/// constant, so an attacker cannot cause collisions.
#[derive(Default)]
pub(super) struct AttributeNameHasher(u64);

impl Hasher for AttributeNameHasher {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.write_u64(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        for byte in words.remainder() {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
