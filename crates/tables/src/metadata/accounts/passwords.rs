//! Hashes of passwords. Argon2id with the parameters that the library recommends: about 19 MB of memory and some 30 ms per hash.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

use crate::metadata::error::MetadataError;

/// Allowed length of a password in characters.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 10..=256;

/// Hash that a password is compared with if the account has none, so that the response takes as long.
static UNKNOWN_PASSWORD_HASH: LazyLock<Option<String>> = LazyLock::new(|| hash_password("unknown account").ok());

/// Checks the length of a new password, and that it is not the e-mail address.
pub(super) fn check_new_password(password: &str, email: Option<&str>) -> Result<(), MetadataError> {
    if !PASSWORD_LENGTH.contains(&password.chars().count()) {
        let (min, max) = (PASSWORD_LENGTH.start(), PASSWORD_LENGTH.end());
        return Err(MetadataError::Invalid(format!("password: must have {min} to {max} characters")));
    }
    if email.is_some_and(|email| email.eq_ignore_ascii_case(password.trim())) {
        return Err(MetadataError::Invalid("password: must differ from the e-mail address".into()));
    }
    Ok(())
}

/// Returns the hash of a password with its salt and parameters, as a PHC string.
pub(super) fn hash_password(password: &str) -> Result<String, MetadataError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| MetadataError::Invalid(format!("password: cannot be hashed ({error})")))?;
    Ok(hash.to_string())
}

/// Returns whether a password has this hash. Without a hash, takes as long and returns false.
pub(super) fn verify_password(password: &str, hash: Option<&str>) -> bool {
    let Some(compared) = hash.or(UNKNOWN_PASSWORD_HASH.as_deref()) else { return false };
    let Ok(parsed) = PasswordHash::new(compared) else { return false };
    Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_contains_salt_and_verifies_one_password() {
        let (first, second) = (hash_password("correct horse").unwrap(), hash_password("correct horse").unwrap());
        assert!(first.starts_with("$argon2id$") && first != second && !first.contains("correct"));
        assert!(verify_password("correct horse", Some(&first)) && verify_password("correct horse", Some(&second)));
        for wrong in ["correct horsf", "", "correct horse "] {
            assert!(!verify_password(wrong, Some(&first)), "{wrong:?}");
        }
        assert!(!verify_password("unknown account", None), "nobody has the compared password");
        assert!(!verify_password("x", Some("no hash")));
    }

    #[test]
    fn new_passwords_are_checked() {
        let check = |password: &str| check_new_password(password, Some("ann@example.com")).is_ok();
        assert!(check("0123456789") && check(&"あ".repeat(10)) && check(&"x".repeat(256)));
        assert!(!check("012345678") && !check(&"x".repeat(257)) && !check("") && !check("Ann@Example.com"));
    }
}
