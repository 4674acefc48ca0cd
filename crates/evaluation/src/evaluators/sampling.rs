//! Sampling that always selects the same targets.

use sha2::{Digest, Sha256};

/// Returns whether a target is selected at a rate from 0 to 1. `key` is the ID of the conversation, or of the trace in hexadecimal digits
/// if there is no conversation.
///
/// The first 8 bytes of the SHA-256 hash of `SEED:KEY` are a number (big endian). Divided by 2 to the power of 64, it is less than the rate.
/// Therefore a lower rate with the same seed selects a part of the same targets.
pub fn is_selected(key: &str, seed: u64, rate: f64) -> bool {
    let hash = Sha256::digest(format!("{seed}:{key}"));
    let number = hash.iter().take(8).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    // 2 to the power of 64.
    (number as f64 / 18_446_744_073_709_551_616.0) < rate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(seed: u64, rate: f64) -> Vec<u32> {
        (0..10_000).filter(|key| is_selected(&key.to_string(), seed, rate)).collect()
    }

    #[test]
    fn the_rate_is_met_and_lower_rates_select_a_part() {
        let quarter = selected(1, 0.25);
        assert!((2_350..2_650).contains(&quarter.len()), "{}", quarter.len());
        let tenth = selected(1, 0.1);
        assert!(tenth.iter().all(|key| quarter.contains(key)));
        assert_ne!(selected(2, 0.25), quarter);
        assert_eq!((selected(1, 0.0).len(), selected(1, 1.0).len()), (0, 10_000));
    }

    #[test]
    fn the_selection_never_changes() {
        let first: Vec<u32> = selected(7, 0.25).into_iter().take(5).collect();
        assert_eq!(first, [3, 4, 7, 8, 12]);
    }
}
