//! Formats values with three significant digits and units, and amounts with cents.

use crate::delivery::notification::MeasureUnit;

/// Formats a value with its unit.
pub(super) fn format_value(value: f64, unit: MeasureUnit) -> String {
    match unit {
        MeasureUnit::Usd => format_usd(value),
        MeasureUnit::Tokens | MeasureUnit::Count => format_grouped(value),
        MeasureUnit::Ms => format_duration(value),
        MeasureUnit::Ratio => format_percent(value),
        MeasureUnit::Score => format_trimmed(value, 3),
    }
}

/// Formats an amount in dollars: with two decimals from one dollar on, four decimals from one cent on, and otherwise three significant
/// digits. Values on both sides of a tiny threshold can thus be distinguished.
pub(super) fn format_usd(value: f64) -> String {
    let sign = if value < 0.0 { "−" } else { "" };
    let amount = value.abs();
    let places = match amount {
        0.0 => 2,
        amount if amount >= 1.0 => 2,
        amount if amount >= 0.01 => 4,
        // Two more than the number of zeros after the decimal point.
        amount => (-amount.log10()).ceil().clamp(2.0, 10.0) as usize + 2,
    };
    if amount > 0.0 && amount < 0.01 {
        return format!("{sign}${}", format_trimmed(amount, places));
    }
    let text = format!("{amount:.places$}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    format!("{sign}${}.{cents}", group_thousands(whole))
}

/// Formats a fraction as a percentage.
pub(super) fn format_percent(share: f64) -> String {
    let places = if share.abs() < 0.1 { 1 } else { 0 };
    format!("{} %", format_trimmed(share * 100.0, places))
}

/// Formats the spent fraction of a budget. It is rounded down, so it is not 100 % before the whole budget is spent.
pub(super) fn format_percent_spent(share: f64) -> String {
    let places = if share.abs() < 0.1 { 1000.0 } else { 100.0 };
    format_percent((share * places + 1e-6).floor() / places)
}

fn format_duration(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{} ms", format_trimmed(ms, 1)),
        ms if ms < 60_000.0 => format!("{} s", format_trimmed(ms / 1000.0, 2)),
        ms => format!("{} min", format_trimmed(ms / 60_000.0, 1)),
    }
}

fn format_grouped(value: f64) -> String {
    let text = format_trimmed(value, 2);
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", group_thousands(whole)),
        None => group_thousands(&text),
    }
}

/// Formats a value with at most this many decimals, without trailing zeros.
fn format_trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn group_thousands(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("−", rest));
    let mut text = String::from(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_formatted_readably() {
        let cases = [
            (50.424, MeasureUnit::Usd, "$50.42"),
            (1234.5, MeasureUnit::Usd, "$1,234.50"),
            (0.000_338_6, MeasureUnit::Usd, "$0.000339"),
            (0.000_01, MeasureUnit::Usd, "$0.00001"),
            (0.09, MeasureUnit::Usd, "$0.0900"),
            (-0.000_038_5, MeasureUnit::Usd, "−$0.0000385"),
            (0.0, MeasureUnit::Usd, "$0.00"),
            (-17.79, MeasureUnit::Usd, "−$17.79"),
            (1_234_567.0, MeasureUnit::Tokens, "1,234,567"),
            (690.0, MeasureUnit::Ms, "690 ms"),
            (8400.0, MeasureUnit::Ms, "8.4 s"),
            (120_000.0, MeasureUnit::Ms, "2 min"),
            (0.0234, MeasureUnit::Ratio, "2.3 %"),
            (0.93, MeasureUnit::Ratio, "93 %"),
            (0.8127, MeasureUnit::Score, "0.813"),
        ];
        for (value, unit, text) in cases {
            assert_eq!(format_value(value, unit), text);
        }
        let spent = [(0.3 / 0.3, "100 %"), (0.9999, "99 %"), (1.507, "150 %"), (0.09999, "9.9 %"), (0.29 / 0.5, "58 %")];
        assert!(spent.iter().all(|(share, text)| format_percent_spent(*share) == *text), "{spent:?}");
    }
}
