//! Sizes with units.

use serde::Deserialize;

/// Reads a number of bytes, plain or as a text with a unit: `100GB` (10⁹), `512MiB` (2²⁰).
pub(super) fn deserialize_bytes<'de, D: serde::Deserializer<'de>, T: TryFrom<u64>>(from: D) -> Result<T, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "bytes, such as 100000000000, \"100GB\" or \"512MiB\"")]
    enum ByteSizeInput {
        Number(u64),
        Text(String),
    }
    let bytes = match ByteSizeInput::deserialize(from)? {
        ByteSizeInput::Number(bytes) => Ok(bytes),
        ByteSizeInput::Text(text) => parse_bytes(&text),
    };
    let bytes = bytes.map_err(serde::de::Error::custom)?;
    T::try_from(bytes).map_err(|_| serde::de::Error::custom(format!("{bytes} bytes are too large for this machine")))
}

/// Parses a number of bytes, which may have a unit.
///
/// # Errors
///
/// A description of the expected form.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const SIZE_UNITS: [(&str, u64); 10] = [
        ("", 1),
        ("B", 1),
        ("KB", 1000),
        ("MB", 1_000_000),
        ("GB", 1_000_000_000),
        ("TB", 1_000_000_000_000),
        ("KIB", 1 << 10),
        ("MIB", 1 << 20),
        ("GIB", 1 << 30),
        ("TIB", 1 << 40),
    ];
    let unreadable =
        || format!("{text:?} is not a valid size; use bytes, or a number with B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 100GB");
    let text = text.trim();
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| unreadable())?;
    let unit = text[digits..].trim().to_ascii_uppercase();
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(unreadable)?;
    number.checked_mul(*factor).ok_or_else(unreadable)
}
