//! IDs of traces and spans: 16 and 8 bytes, written as lower-case hex digits.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Reason why a text is not an ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The number of hex digits is wrong.
    #[error("expected {expected} hex digits, got {got} characters")]
    Length {
        /// Number of digits of an ID of this type.
        expected: usize,
        /// Number of characters in the text.
        got: usize,
    },
    /// The text contains a character that is not a hex digit.
    #[error("not a hex digit")]
    Digit,
    /// The ID is all zeros, which every protocol reserves for "no ID".
    #[error("an ID must not be all zeros")]
    Zero,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $int:ty, $digits:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{:0", $digits, "x}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            /// Parses hex digits of either case and ignores the hyphens of a UUID.
            fn from_str(text: &str) -> Result<Self, IdError> {
                let mut value: $int = 0;
                let mut digits = 0;
                for byte in text.bytes().filter(|b| *b != b'-') {
                    let digit = (byte as char).to_digit(16).ok_or(IdError::Digit)?;
                    digits += 1;
                    if digits > $digits {
                        break;
                    }
                    value = value << 4 | digit as $int;
                }
                if digits != $digits {
                    return Err(IdError::Length { expected: $digits, got: text.chars().count() });
                }
                if value == 0 {
                    return Err(IdError::Zero);
                }
                Ok(Self(value))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// ID of a trace: everything that happened for one request to the monitored program.
    TraceId, u128, 32
);
id!(
    /// ID of a span within a trace.
    SpanId, u64, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let id: TraceId = "0123456789ABCDEF0123456789abcdef".parse().unwrap();
        assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
        let uuid: TraceId = "01234567-89ab-cdef-0123-456789abcdef".parse().unwrap();
        assert_eq!(uuid, id);
        assert_eq!("00000000000000a1".parse::<SpanId>().unwrap().to_string(), "00000000000000a1");
    }

    #[test]
    fn invalid_ids_are_rejected() {
        assert_eq!("0000000000000000".parse::<SpanId>(), Err(IdError::Zero));
        assert_eq!("xyz".parse::<SpanId>(), Err(IdError::Digit));
        assert_eq!("abc".parse::<SpanId>(), Err(IdError::Length { expected: 16, got: 3 }));
        assert!("0123456789abcdef0".parse::<SpanId>().is_err());
        assert!("".parse::<TraceId>().is_err());
    }
}
