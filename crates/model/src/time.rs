//! Parses times as clients write them: seconds as a number, RFC 3339, ISO 8601 without a zone, which means UTC, or RFC 2822.

/// Microseconds in a second.
pub const SECOND_US: i64 = 1_000_000;

/// Converts seconds to microseconds since the Unix epoch; `None` if the number cannot be a time.
pub fn from_seconds(seconds: f64) -> Option<i64> {
    let us = (seconds * SECOND_US as f64).round();
    // Twice the year 10000: a larger number counts something smaller than seconds.
    (us.is_finite() && us.abs() < 5e17).then_some(us as i64)
}

/// Parses microseconds since the Unix epoch from a text: RFC 3339, the same without a zone (UTC) or with a zone after a space, RFC 2822, or
/// seconds in digits.
pub fn from_text(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(us) = utc(text.as_bytes()) {
        return Some(us);
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return from_seconds(seconds);
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Some(time.as_microsecond());
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        return Some(jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?.as_microsecond());
    }
    if let Ok(time) = jiff::fmt::rfc2822::parse(text) {
        return Some(time.timestamp().as_microsecond());
    }
    // `2026-11-23 07:56:57 +0000`, as Ruby writes it, and `… UTC`.
    match text.rsplit_once(' ')? {
        (time, "UTC" | "GMT" | "Z") => utc(time.as_bytes()),
        (time, zone) if zone.starts_with(['+', '-']) => {
            format!("{time}{zone}").parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
        }
        _ => None,
    }
}

/// Parses the form that nearly all clients send, `2026-11-23T07:56:57.072956Z`, faster than a general parser.
fn utc(text: &[u8]) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        text.get(from..to)?.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0')))
    };
    let separator = |at: usize, expected: &[u8]| text.get(at).is_some_and(|b| expected.contains(b));
    let shaped = separator(4, b"-") && separator(7, b"-") && separator(10, b"Tt ") && separator(13, b":") && separator(16, b":");
    if !shaped {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (mut at, mut fraction) = (19, 0);
    if separator(19, b".") {
        at = 20;
        let mut unit = SECOND_US / 10;
        while let Some(digit) = text.get(at).filter(|b| b.is_ascii_digit()) {
            fraction += i64::from(digit - b'0') * unit;
            unit /= 10;
            at += 1;
        }
    }
    let zone = &text[at..];
    if !(zone.is_empty() || matches!(zone, b"Z" | b"z" | b"+00:00")) {
        return None;
    }
    let days = i64::from((date - jiff::civil::date(1970, 1, 1)).get_days());
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * SECOND_US + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_time_formats_are_parsed() {
        let us = 1_795_420_617_072_956;
        assert_eq!(from_text("2026-11-23T07:56:57.072956Z"), Some(us));
        assert_eq!(from_text("2026-11-23T07:56:57.072956"), Some(us));
        assert_eq!(from_text("2026-11-23 07:56:57.072956999Z"), Some(us));
        assert_eq!(from_text("2026-11-23T08:56:57.072956+01:00"), Some(us));
        assert_eq!(from_text("1795420617.072956"), Some(us));
        for text in ["2026-11-23 07:56:57 UTC", "2026-11-23 07:56:57 +0000", "2026-11-23 09:56:57 +0200", "Mon, 23 Nov 2026 07:56:57 GMT"] {
            assert_eq!(from_text(text), Some(us / SECOND_US * SECOND_US), "{text}");
        }
        assert_eq!(from_seconds(1_795_420_617.072956), Some(us));
        assert_eq!(from_text("2026-11-23T07:56:57Z"), Some(us / SECOND_US * SECOND_US));
        assert_eq!(from_text("1969-12-31T23:59:59Z"), Some(-SECOND_US));
    }

    #[test]
    fn invalid_times_are_rejected() {
        for text in ["", "now", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-11-23T25:00:00Z", "1e300", "NaN"] {
            assert_eq!(from_text(text), None, "{text}");
        }
        assert_eq!(from_seconds(f64::INFINITY), None);
    }
}
