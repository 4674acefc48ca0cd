//! Lifetimes of credentials.

use std::time::Duration;

/// Parses a lifetime such as `12h`, `30d` or `8w`.
///
/// # Errors
///
/// Returns an error if the text has another form; the error says which forms are valid.
pub fn parse_lifetime(text: &str) -> Result<Duration, String> {
    const HOUR_S: u64 = 3600;
    let seconds = |unit: char| match unit {
        'h' => Some(HOUR_S),
        'd' => Some(24 * HOUR_S),
        'w' => Some(7 * 24 * HOUR_S),
        _ => None,
    };
    let parsed =
        text.chars().last().and_then(seconds).zip(text.get(..text.len().saturating_sub(1)).and_then(|count| count.parse::<u32>().ok()));
    match parsed {
        Some((unit, count)) if count > 0 => Ok(Duration::from_secs(unit * u64::from(count))),
        _ => Err("use a number of hours, days or weeks, such as 12h, 30d or 8w".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        assert_eq!(parse_lifetime("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(parse_lifetime("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_lifetime("8w"), Ok(Duration::from_secs(56 * 86_400)));
        for wrong in ["", "d", "0d", "-1d", "30", "1.5d", "30m", "日"] {
            assert!(parse_lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
