//! Meanings of table columns and JSON fields.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::BillLine;
use crate::money::Usd;

/// Meaning of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BillColumn {
    Day,
    Model,
    /// Model and charged item, such as `gpt-4o-2024-08-06, input`.
    LineItem,
    Dollars,
    Cents,
    Currency,
    Input,
    Output,
    Requests,
    Tier,
    /// `fast` for faster responses at a higher price.
    Speed,
    /// `true` for batches.
    IsBatch,
    Account,
    /// Known but not used.
    Unused,
}

/// Names in lower case, with underscores for spaces. The first that a table has takes precedence.
const COLUMN_NAMES: &[(&str, BillColumn)] = &[
    // Time. Providers use days in UTC.
    ("usage_date_utc", BillColumn::Day),
    ("start_time_iso", BillColumn::Day),
    ("starting_at", BillColumn::Day),
    ("day", BillColumn::Day),
    ("date", BillColumn::Day),
    ("usage_date", BillColumn::Day),
    ("start_time", BillColumn::Day),
    ("timestamp", BillColumn::Day),
    // Model
    ("model", BillColumn::Model),
    ("model_version", BillColumn::Model),
    ("snapshot_id", BillColumn::Model),
    ("line_item", BillColumn::LineItem),
    // Amount
    ("amount", BillColumn::Dollars),
    ("amount_value", BillColumn::Dollars),
    ("amount_usd", BillColumn::Dollars),
    ("cost", BillColumn::Dollars),
    ("cost_usd", BillColumn::Dollars),
    ("cost_in_usd", BillColumn::Dollars),
    ("usd", BillColumn::Dollars),
    ("amount_cents", BillColumn::Cents),
    ("cost_cents", BillColumn::Cents),
    ("currency", BillColumn::Currency),
    ("amount_currency", BillColumn::Currency),
    // Usage. The tables of both providers count cached input in a column of its own: Anthropic's in addition to the input, OpenAI's as
    // part of it.
    ("input_tokens", BillColumn::Input),
    ("n_context_tokens_total", BillColumn::Input),
    ("usage_input_tokens_no_cache", BillColumn::Input),
    ("usage_input_tokens_cache_write", BillColumn::Input),
    ("usage_input_tokens_cache_write_5m", BillColumn::Input),
    ("usage_input_tokens_cache_write_1h", BillColumn::Input),
    ("usage_input_tokens_cache_read", BillColumn::Input),
    ("uncached_input_tokens", BillColumn::Input),
    ("cache_read_input_tokens", BillColumn::Input),
    ("ephemeral_5m_input_tokens", BillColumn::Input),
    ("ephemeral_1h_input_tokens", BillColumn::Input),
    ("input_cached_tokens", BillColumn::Unused),
    ("output_tokens", BillColumn::Output),
    ("n_generated_tokens_total", BillColumn::Output),
    ("usage_output_tokens", BillColumn::Output),
    ("num_model_requests", BillColumn::Requests),
    ("num_requests", BillColumn::Requests),
    ("n_requests", BillColumn::Requests),
    ("requests", BillColumn::Requests),
    // Conditions
    ("service_tier", BillColumn::Tier),
    ("usage_type", BillColumn::Tier),
    ("speed", BillColumn::Speed),
    ("batch", BillColumn::IsBatch),
    ("project_id", BillColumn::Account),
    ("workspace_id", BillColumn::Account),
    ("workspace", BillColumn::Account),
    // Known but not used
    ("object", BillColumn::Unused),
    ("start_time_unix", BillColumn::Unused),
    ("end_time", BillColumn::Unused),
    ("end_time_iso", BillColumn::Unused),
    ("ending_at", BillColumn::Unused),
    ("project_name", BillColumn::Unused),
    ("organization_id", BillColumn::Unused),
    ("organization_name", BillColumn::Unused),
    ("user_id", BillColumn::Unused),
    ("user_email", BillColumn::Unused),
    ("api_key", BillColumn::Unused),
    ("api_key_id", BillColumn::Unused),
    ("api_key_name", BillColumn::Unused),
    ("description", BillColumn::Unused),
    ("cost_type", BillColumn::Unused),
    ("token_type", BillColumn::Unused),
    ("context_window", BillColumn::Unused),
    ("quantity", BillColumn::Unused),
    ("quantity_unit", BillColumn::Unused),
    ("api_source", BillColumn::Unused),
    ("api_key_status", BillColumn::Unused),
    ("list_price_usd", BillColumn::Unused),
    ("input_audio_tokens", BillColumn::Unused),
    ("output_audio_tokens", BillColumn::Unused),
    ("input_uncached_tokens", BillColumn::Unused),
    ("input_text_tokens", BillColumn::Unused),
    ("output_text_tokens", BillColumn::Unused),
    ("input_image_tokens", BillColumn::Unused),
    ("output_image_tokens", BillColumn::Unused),
    ("input_cached_text_tokens", BillColumn::Unused),
    ("input_cached_audio_tokens", BillColumn::Unused),
    ("input_cached_image_tokens", BillColumn::Unused),
    ("cache_creation", BillColumn::Unused),
    ("server_tool_use", BillColumn::Unused),
    ("web_search_count", BillColumn::Unused),
    ("web_search_requests", BillColumn::Unused),
    ("inference_geo", BillColumn::Unused),
    ("operation", BillColumn::Unused),
];

/// Columns of which only one counts: the first in the order of the names.
const EXCLUSIVE_COLUMNS: &[BillColumn] = &[BillColumn::Day, BillColumn::Model, BillColumn::Dollars, BillColumn::Tier, BillColumn::Account];

/// Returns the meaning of a name, and its index among the names.
pub(super) fn column_of_name(name: &str) -> Option<(usize, BillColumn)> {
    let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_").replace(['(', ')'], "");
    COLUMN_NAMES.iter().position(|(known, _)| *known == name).map(|at| (at, COLUMN_NAMES[at].1))
}

/// Returns the meanings of a header's columns. If several columns have the same meaning and only one can be used, the others are ignored.
pub(super) fn parse_header<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Option<BillColumn>> {
    let found: Vec<Option<(usize, BillColumn)>> = names.map(column_of_name).collect();
    let best = |column: BillColumn| found.iter().flatten().filter(|(_, known)| *known == column).map(|(at, _)| *at).min();
    let meaning = |(at, column): (usize, BillColumn)| {
        let one = EXCLUSIVE_COLUMNS.contains(&column);
        if one && best(column) != Some(at) { BillColumn::Unused } else { column }
    };
    found.iter().map(|found| found.map(meaning)).collect()
}

/// Sets the field of a line from the value of a column.
///
/// # Errors
///
/// Returns an error if the value is invalid for the column. The message contains no other values of the row.
pub(super) fn set_field(line: &mut BillLine, column: BillColumn, value: &str) -> Result<(), String> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(());
    }
    let number = || value.replace([',', '$', '_'], "").parse::<f64>().ok().filter(|number| number.is_finite());
    let count = || number().filter(|number| (0.0..9e15).contains(number)).map(|number| number.round() as u64);
    let add = |own: &mut Option<u64>, what: &str| {
        let more = count().ok_or_else(|| format!("{value:?} is not a valid number of {what}"))?;
        *own = Some(own.unwrap_or(0).saturating_add(more));
        Ok::<(), String>(())
    };
    match column {
        BillColumn::Day => line.day = day(value).ok_or_else(|| format!("{value:?} is not a valid day; use a format such as 2026-11-30"))?,
        BillColumn::Model => line.model = value.chars().take(200).collect(),
        BillColumn::LineItem if line.model.is_empty() => {
            let model = value.split(", ").next().unwrap_or(value);
            line.model = model.chars().take(200).collect();
            if value.to_ascii_lowercase().contains("batch") {
                line.tier = "batch".into();
            }
        }
        BillColumn::Dollars | BillColumn::Cents => {
            let scale = if column == BillColumn::Cents { 0.01 } else { 1.0 };
            let amount = number().and_then(|number| Usd::from_dollars(number * scale));
            let amount = amount.ok_or_else(|| format!("{value:?} is not a valid amount"))?;
            line.amount = Some(line.amount.unwrap_or_default() + amount);
        }
        BillColumn::Currency if !value.eq_ignore_ascii_case("usd") => {
            return Err(format!("the currency {value:?} is not supported; only USD is supported"));
        }
        BillColumn::Input => add(&mut line.input_tokens, "tokens")?,
        BillColumn::Output => add(&mut line.output_tokens, "tokens")?,
        BillColumn::Requests => add(&mut line.requests, "requests")?,
        BillColumn::Tier => {
            let usual = ["standard", "default", "text", "auto", "message", "messages"];
            let tier = value.to_ascii_lowercase();
            if !usual.contains(&tier.as_str()) {
                line.tier = tier.chars().take(40).collect();
            }
        }
        BillColumn::Speed if line.tier.is_empty() && !matches!(value, "standard" | "normal") => {
            line.tier = value.to_ascii_lowercase().chars().take(40).collect();
        }
        BillColumn::IsBatch if matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes") => line.tier = "batch".into(),
        BillColumn::Account => line.account = value.chars().take(100).collect(),
        BillColumn::LineItem | BillColumn::Currency | BillColumn::Speed | BillColumn::IsBatch | BillColumn::Unused => {}
    }
    Ok(())
}

/// Parses a day from a date, a time or seconds since the Unix epoch.
fn day(value: &str) -> Option<Date> {
    if let Ok(seconds) = value.parse::<i64>() {
        // A number such as 20261130 is a date and not a time in seconds.
        let compact = (19_000_101..=30_001_231).contains(&seconds).then(|| Date::strptime("%Y%m%d", value).ok()).flatten();
        return compact.or_else(|| Timestamp::from_second(seconds).ok().map(|at| TimeZone::UTC.to_datetime(at).date()));
    }
    if let Ok(at) = value.parse::<Timestamp>() {
        return Some(TimeZone::UTC.to_datetime(at).date());
    }
    let date = value.get(..10).unwrap_or(value);
    date.parse::<Date>().ok().or_else(|| Date::strptime("%Y/%m/%d", date).ok())
}
