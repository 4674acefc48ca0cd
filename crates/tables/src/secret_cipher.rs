//! Encrypts secrets of other services, such as webhook URLs and passwords of mail servers, before a database stores them.
//!
//! The first configured key encrypts; all of them decrypt. To replace a key, put the new one in front of it: the next start encrypts every
//! secret again. Without a key, secrets are stored as they are.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};

/// Start of an encrypted secret. The ID of the key follows, a colon, and in Base64 the nonce and the encrypted text.
pub(crate) const ENCRYPTED_PREFIX: &str = "encrypted:1:";
/// Number of bytes of a key.
const KEY_BYTES: usize = 32;

/// Error of the configured keys, or of a secret that none of them decrypts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecretCipherError {
    /// A key is not written as 64 hex digits.
    #[error("a key must have 64 hex digits; create one with `openssl rand -hex 32`")]
    InvalidKey,
    /// A secret was encrypted with a key that is not configured.
    #[error("a secret is encrypted with key {0}, which is not configured; add this key to secrets.key_file or HINOMI_SECRETS_KEY")]
    MissingKey(String),
    /// An encrypted secret was changed.
    #[error("an encrypted secret is damaged; delete the channel or target and create it again")]
    Damaged,
}

/// One key, and the ID by which a secret names it.
struct SecretKey {
    id: String,
    key: LessSafeKey,
}

/// Encrypts and decrypts secrets. Cloning it is cheap.
#[derive(Clone, Default)]
pub struct SecretCipher(Arc<[SecretKey]>);

impl fmt::Debug for SecretCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.id)).finish()
    }
}

impl SecretCipher {
    /// Creates a cipher with keys of 64 hex digits, one per line; the first one encrypts. Empty lines and lines that begin with `#` are
    /// ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if a key has another form.
    pub fn from_keys(text: &str) -> Result<SecretCipher, SecretCipherError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let keys = lines.map(|line| {
            let bytes = hex::decode(line).ok().filter(|bytes| bytes.len() == KEY_BYTES).ok_or(SecretCipherError::InvalidKey)?;
            let id = hex::encode(&Sha256::digest([b"hinomi key id\n", bytes.as_slice()].concat())[..4]);
            let key = UnboundKey::new(&CHACHA20_POLY1305, &bytes).map_err(|_| SecretCipherError::InvalidKey)?;
            Ok(SecretKey { id, key: LessSafeKey::new(key) })
        });
        Ok(SecretCipher(keys.collect::<Result<Vec<_>, _>>()?.into()))
    }

    /// Returns whether secrets are encrypted.
    pub fn has_key(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns the text that is stored for a secret. An empty secret stays empty.
    pub fn encrypt(&self, secret: &str) -> String {
        let Some(SecretKey { id, key }) = self.0.first().filter(|_| !secret.is_empty()) else { return secret.to_owned() };
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = secret.as_bytes().to_vec();
        let aad = Aad::from(id.as_bytes());
        if key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).is_err() {
            unreachable!("secrets are far shorter than the limit of the algorithm");
        }
        format!("{ENCRYPTED_PREFIX}{id}:{}", STANDARD_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// Returns the secret of a stored text.
    ///
    /// # Errors
    ///
    /// Returns an error if the text was encrypted with a key that is not configured, or was changed.
    pub fn decrypt(&self, stored: &str) -> Result<String, SecretCipherError> {
        let Some(encrypted) = stored.strip_prefix(ENCRYPTED_PREFIX) else { return Ok(stored.to_owned()) };
        let (id, text) = encrypted.split_once(':').ok_or(SecretCipherError::Damaged)?;
        let found = self.0.iter().find(|key| key.id == id).ok_or_else(|| SecretCipherError::MissingKey(id.to_owned()))?;
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| SecretCipherError::Damaged)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(SecretCipherError::Damaged)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = found.key.open_in_place(nonce, Aad::from(id.as_bytes()), &mut sealed).map_err(|_| SecretCipherError::Damaged)?;
        String::from_utf8(opened.to_vec()).map_err(|_| SecretCipherError::Damaged)
    }

    /// Returns whether a stored text is the one that this cipher would write, apart from the nonce.
    pub(crate) fn is_current(&self, stored: &str) -> bool {
        let key = stored.strip_prefix(ENCRYPTED_PREFIX).and_then(|rest| rest.split_once(':')).map(|(id, _)| id);
        key == self.0.first().map(|first| first.id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "0101010101010101010101010101010101010101010101010101010101010101";
    const SECOND: &str = "0202020202020202020202020202020202020202020202020202020202020202";

    #[test]
    fn secrets_are_encrypted_and_decrypted() {
        let cipher = SecretCipher::from_keys(FIRST).unwrap();
        let stored = cipher.encrypt("https://hooks.example/abc");
        assert!(stored.starts_with(ENCRYPTED_PREFIX) && !stored.contains("hooks"), "{stored}");
        assert_ne!(stored, cipher.encrypt("https://hooks.example/abc"), "the nonce is new each time");
        assert_eq!(cipher.decrypt(&stored).unwrap(), "https://hooks.example/abc");
        assert_eq!((cipher.encrypt("").as_str(), cipher.decrypt("plain").unwrap().as_str()), ("", "plain"));
        let (plain, other) = (SecretCipher::default(), SecretCipher::from_keys(SECOND).unwrap());
        assert_eq!(plain.encrypt("abc"), "abc");
        assert!(matches!(plain.decrypt(&stored), Err(SecretCipherError::MissingKey(_))));
        assert!(matches!(other.decrypt(&stored), Err(SecretCipherError::MissingKey(_))));
        let changed = format!("{}A", &stored[..stored.len() - 1]);
        assert_eq!(cipher.decrypt(if changed == stored { "encrypted:1:x" } else { &changed }), Err(SecretCipherError::Damaged));
        assert!(!format!("{cipher:?}").contains("0101"));
    }

    #[test]
    fn keys_have_one_form() {
        let both = SecretCipher::from_keys(&format!("# since May\n{SECOND}\n\n{FIRST}\n")).unwrap();
        let old = SecretCipher::from_keys(FIRST).unwrap().encrypt("abc");
        assert_eq!(both.decrypt(&old).unwrap(), "abc");
        assert!(!SecretCipher::from_keys("\n# none\n").unwrap().has_key());
        for wrong in ["short", &FIRST[1..], "zz"] {
            assert_eq!(SecretCipher::from_keys(wrong).unwrap_err(), SecretCipherError::InvalidKey);
        }
    }
}
