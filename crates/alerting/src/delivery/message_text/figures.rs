//! Formatting of values: three significant digits, units, amounts with cents.

use crate::delivery::notice::MeasureUnit;

/// Formats a value with its unit.
pub(super) fn figure(value: f64, unit: MeasureUnit) -> String {
    match unit {
        MeasureUnit::Usd => usd(value),
        MeasureUnit::Tokens | MeasureUnit::Count => grouped(value),
        MeasureUnit::Ms => duration(value),
        MeasureUnit::Ratio => percent(value),
        MeasureUnit::Score => trimmed(value, 3),
    }
}

/// Formats an amount in dollars: with two decimals from one dollar, four from one cent, and otherwise three significant digits, so values
/// on both sides of a tiny threshold can be distinguished.
pub(super) fn usd(value: f64) -> String {
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
        return format!("{sign}${}", trimmed(amount, places));
    }
    let text = format!("{amount:.places$}");
    let (whole, cents) = text.split_once('.').unwrap_or((&text, "00"));
    format!("{sign}${}.{cents}", thousands(whole))
}

/// Formats a fraction as a percentage.
pub(super) fn percent(share: f64) -> String {
    let places = if share.abs() < 0.1 { 1 } else { 0 };
    format!("{} %", trimmed(share * 100.0, places))
}

/// Formats the spent fraction of a budget. It is rounded down, so it is not 100 % before the whole budget is spent.
pub(super) fn percent_spent(share: f64) -> String {
    let places = if share.abs() < 0.1 { 1000.0 } else { 100.0 };
    percent((share * places + 1e-6).floor() / places)
}

fn duration(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{} ms", trimmed(ms, 1)),
        ms if ms < 60_000.0 => format!("{} s", trimmed(ms / 1000.0, 2)),
        ms => format!("{} min", trimmed(ms / 60_000.0, 1)),
    }
}

fn grouped(value: f64) -> String {
    let text = trimmed(value, 2);
    match text.split_once('.') {
        Some((whole, rest)) => format!("{}.{rest}", thousands(whole)),
        None => thousands(&text),
    }
}

/// Formats a value with at most this many decimals, without trailing zeros.
fn trimmed(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn thousands(digits: &str) -> String {
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
    fn figures_are_as_people_read_them() {
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
            assert_eq!(figure(value, unit), text);
        }
        let spent = [(0.3 / 0.3, "100 %"), (0.9999, "99 %"), (1.507, "150 %"), (0.09999, "9.9 %"), (0.29 / 0.5, "58 %")];
        assert!(spent.iter().all(|(share, text)| percent_spent(*share) == *text), "{spent:?}");
    }
}
