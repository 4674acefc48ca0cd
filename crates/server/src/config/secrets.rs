//! Settings of the encryption of stored secrets.

use std::path::PathBuf;

use anyhow::Context;
use hinomi_tables::secret_cipher::SecretCipher;
use serde::{Deserialize, Serialize};

/// Encryption of the secrets of notification channels and forwarding targets. Without a key they are stored as they are.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// File with keys of 64 hex digits, one per line; the first one encrypts.
    pub key_file: PathBuf,
    /// The same keys as a value, before those of the file. `hinomi config` never prints it.
    #[serde(skip_serializing)]
    pub key: String,
}

impl std::fmt::Debug for SecretsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsConfig").field("key_file", &self.key_file).finish_non_exhaustive()
    }
}

impl SecretsConfig {
    /// Reads the configured keys.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or a key is not valid.
    pub fn cipher(&self) -> anyhow::Result<SecretCipher> {
        let mut keys = self.key.clone();
        if !self.key_file.as_os_str().is_empty() {
            let path = self.key_file.display();
            let text = std::fs::read_to_string(&self.key_file).with_context(|| format!("secrets.key_file: cannot read {path}"))?;
            let in_file = SecretCipher::from_keys(&text).with_context(|| format!("secrets.key_file: {path}"))?;
            anyhow::ensure!(in_file.has_key(), "secrets.key_file: {path} contains no key; create one with `openssl rand -hex 32`");
            keys = format!("{keys}\n{text}");
        }
        SecretCipher::from_keys(&keys).context("secrets.key")
    }
}
