//! The chain of hashes, and its verification.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::entry::AuditEntry;
use super::error::AuditViolation;

/// Hash of an entry.
pub(super) type ChainHash = [u8; 32];

/// First bytes that are hashed, so that a hash of something else is never one of an entry.
const ENTRY_DOMAIN: &[u8] = b"hinomi audit entry 1\0";
/// First bytes that are signed.
const CHECKPOINT_DOMAIN: &[u8] = b"hinomi audit checkpoint 1\0";

/// Returns the hash of an entry after the hash before it. The first entry follows 32 zero bytes.
pub(super) fn next_hash(before: &ChainHash, entry: &str) -> ChainHash {
    let mut hasher = Sha256::new();
    hasher.update(ENTRY_DOMAIN);
    hasher.update(before);
    hasher.update(entry.as_bytes());
    hasher.finalize().into()
}

/// The end of the log at one moment. If it is stored elsewhere, it shows later whether the log was cut or rewritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// Sequence number of the last entry; 0 for an empty log.
    pub sequence: u64,
    /// Hash of the last entry in hexadecimal digits.
    pub hash: String,
}

impl AuditHead {
    pub(super) fn new((sequence, hash): &(u64, ChainHash)) -> AuditHead {
        AuditHead { sequence: *sequence, hash: hex::encode(hash) }
    }

    pub(super) fn empty() -> AuditHead {
        AuditHead::new(&(0, ChainHash::default()))
    }

    pub(super) fn hash_bytes(&self) -> Option<ChainHash> {
        hex::decode(&self.hash).ok()?.try_into().ok()
    }
}

/// The last expired entry, after which the chain continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChainCheckpoint {
    /// Sequence number of the last expired entry.
    pub(super) through: u64,
    /// Hash of the last expired entry in hexadecimal digits.
    pub(super) hash: String,
    /// Time of the deletion in microseconds since the Unix epoch.
    pub(super) time_us: i64,
}

impl ChainCheckpoint {
    /// Returns the text of the checkpoint and its signature.
    pub(super) fn sign(&self, key: &str) -> (String, Vec<u8>) {
        let text = serde_json::to_string(self).unwrap_or_default();
        let signature = signature_of(&text, key).to_vec();
        (text, signature)
    }

    pub(super) fn from_text(text: &str) -> Option<ChainCheckpoint> {
        serde_json::from_str(text).ok()
    }
}

fn signature_of(text: &str, key: &str) -> [u8; 32] {
    hmac_sha256::HMAC::mac([CHECKPOINT_DOMAIN, text.as_bytes()].concat(), key.as_bytes())
}

/// Result of a verification that found no change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditVerification {
    /// Sequence number of the first entry; entries before it have expired.
    pub first: u64,
    /// The end of the log.
    pub head: AuditHead,
    /// Number of exported heads that the log contains.
    pub confirmed_heads: usize,
    /// Number of exported heads that refer to expired entries and can no longer be compared.
    pub expired_heads: usize,
}

/// Checks the entries of a log one after the other.
#[derive(Debug)]
pub(super) struct ChainVerifier {
    first: u64,
    tail: (u64, ChainHash),
    heads: BTreeMap<u64, Vec<String>>,
    confirmed_heads: usize,
    expired_heads: usize,
}

impl ChainVerifier {
    /// Begins at the checkpoint or, if there is no checkpoint, at the first entry of the log.
    pub(super) fn new(checkpoint: Option<(String, Vec<u8>)>, heads: &[AuditHead], key: &str) -> Result<ChainVerifier, AuditViolation> {
        let mut tail = (0, ChainHash::default());
        if let Some((text, signature)) = checkpoint {
            let parsed = ChainCheckpoint::from_text(&text).filter(|_| signature_of(&text, key).as_slice() == signature);
            let parsed = parsed.ok_or(AuditViolation::InvalidCheckpoint)?;
            let hash = AuditHead { sequence: parsed.through, hash: parsed.hash }.hash_bytes();
            tail = (parsed.through, hash.ok_or(AuditViolation::InvalidCheckpoint)?);
        }
        let mut wanted: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for head in heads {
            wanted.entry(head.sequence).or_default().push(head.hash.to_ascii_lowercase());
        }
        let later = wanted.split_off(&tail.0);
        let expired_heads = wanted.values().map(Vec::len).sum();
        let mut verifier = ChainVerifier { first: tail.0 + 1, tail, heads: later, confirmed_heads: 0, expired_heads };
        verifier.compare_head()?;
        Ok(verifier)
    }

    pub(super) fn check_entry(&mut self, sequence: u64, text: &str, hash: &[u8]) -> Result<(), AuditViolation> {
        let expected = self.tail.0 + 1;
        if sequence != expected {
            return Err(AuditViolation::MissingEntry { sequence: expected });
        }
        let computed = next_hash(&self.tail.1, text);
        if computed.as_slice() != hash || AuditEntry::from_text(text).is_none_or(|entry| entry.sequence != sequence) {
            return Err(AuditViolation::EditedEntry { sequence });
        }
        self.tail = (sequence, computed);
        self.compare_head()
    }

    /// Compares the end reached so far with the exported heads of it.
    fn compare_head(&mut self) -> Result<(), AuditViolation> {
        let Some(heads) = self.heads.remove(&self.tail.0) else { return Ok(()) };
        let own = hex::encode(self.tail.1);
        if heads.iter().any(|head| *head != own) {
            return Err(AuditViolation::Rewritten { sequence: self.tail.0 });
        }
        self.confirmed_heads += heads.len();
        Ok(())
    }

    pub(super) fn finish(self) -> Result<AuditVerification, AuditViolation> {
        if let Some(head) = self.heads.keys().next_back() {
            return Err(AuditViolation::CutTail { head: *head, last: self.tail.0 });
        }
        let ChainVerifier { first, tail, confirmed_heads, expired_heads, .. } = self;
        // Whoever can sign checkpoints can rewrite the log behind one. A head that is newer than the checkpoint shows it.
        if expired_heads > 0 && confirmed_heads == 0 {
            return Err(AuditViolation::NoComparableHead { through: first - 1 });
        }
        Ok(AuditVerification { first, head: AuditHead::new(&tail), confirmed_heads, expired_heads })
    }
}
