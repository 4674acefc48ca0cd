//! Durations in a readable form: `90s`, `15m`, `24h`, `30d`, `2w`.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Units, the largest first.
const DURATION_UNITS: [(char, i64); 5] =
    [('w', 604_800_000_000), ('d', 86_400_000_000), ('h', 3_600_000_000), ('m', 60_000_000), ('s', 1_000_000)];

/// A duration in microseconds. JSON and TOML contain it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(pub i64);

impl HumanDuration {
    /// Returns a duration of minutes.
    pub const fn minutes(count: i64) -> HumanDuration {
        HumanDuration(count * 60_000_000)
    }

    /// Returns a duration of hours.
    pub const fn hours(count: i64) -> HumanDuration {
        HumanDuration::minutes(count * 60)
    }

    /// Returns a duration of days of 24 hours.
    pub const fn days(count: i64) -> HumanDuration {
        HumanDuration::hours(count * 24)
    }

    /// Parses a duration such as `15m`. Returns `None` for anything else, and for zero and negative durations.
    pub fn parse(text: &str) -> Option<HumanDuration> {
        let unit = text.chars().last()?;
        let (_, us) = DURATION_UNITS.iter().find(|(letter, _)| *letter == unit)?;
        let count: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
        count.checked_mul(*us).filter(|us| *us > 0).map(HumanDuration)
    }

    /// Returns the number of whole minutes.
    pub fn as_minutes(self) -> i64 {
        self.0 / 60_000_000
    }
}

impl fmt::Display for HumanDuration {
    /// Writes the duration in the largest unit without a fraction. Uses days instead of weeks, as is usual for windows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (letter, us) = DURATION_UNITS[1..].iter().find(|(_, us)| self.0 % us == 0).unwrap_or(&DURATION_UNITS[4]);
        write!(f, "{}{letter}", self.0 / us)
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HumanDuration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || serde::de::Error::custom(format!("{text:?} is not a valid duration; use a form such as 15m, 24h or 30d"));
        HumanDuration::parse(&text).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_readably() {
        for (text, us) in [("90s", 90_000_000), ("15m", 900_000_000), ("24h", 86_400_000_000), ("2w", 1_209_600_000_000)] {
            assert_eq!(HumanDuration::parse(text), Some(HumanDuration(us)), "{text}");
        }
        for wrong in ["", "m", "15", "0m", "-5m", "1.5h", "15é", "99999999999999w"] {
            assert_eq!(HumanDuration::parse(wrong), None, "{wrong}");
        }
        assert_eq!(HumanDuration::hours(24).to_string(), "1d");
        assert_eq!(HumanDuration::minutes(90).to_string(), "90m");
        assert_eq!(HumanDuration(90_000_000).to_string(), "90s");
    }
}
