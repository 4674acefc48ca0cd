//! What the columns of tables and the fields of JSON mean.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Line;
use crate::money::Usd;

/// What a column tells of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Day,
    Model,
    /// `gpt-4o-2024-08-06, input`: the model and what of it was charged.
    LineItem,
    Dollars,
    Cents,
    Currency,
    Input,
    Output,
    Requests,
    Tier,
    /// `fast` for what costs more since it answers sooner.
    Speed,
    /// `true` for batches.
    IsBatch,
    Account,
    /// Known, and of no use here.
    Unused,
}

/// Names in lower case, with spaces as underscores; the first that a table has wins.
const NAMES: &[(&str, Column)] = &[
    // When. Providers cut days in UTC.
    ("usage_date_utc", Column::Day),
    ("start_time_iso", Column::Day),
    ("starting_at", Column::Day),
    ("day", Column::Day),
    ("date", Column::Day),
    ("usage_date", Column::Day),
    ("start_time", Column::Day),
    ("timestamp", Column::Day),
    // What
    ("model", Column::Model),
    ("model_version", Column::Model),
    ("snapshot_id", Column::Model),
    ("line_item", Column::LineItem),
    // How much
    ("amount", Column::Dollars),
    ("amount_value", Column::Dollars),
    ("amount_usd", Column::Dollars),
    ("cost", Column::Dollars),
    ("cost_usd", Column::Dollars),
    ("cost_in_usd", Column::Dollars),
    ("usd", Column::Dollars),
    ("amount_cents", Column::Cents),
    ("cost_cents", Column::Cents),
    ("currency", Column::Currency),
    ("amount_currency", Column::Currency),
    // Usage. Both providers' tables count cached input in a column of its own: Anthropic's beside the input, OpenAI's within it.
    ("input_tokens", Column::Input),
    ("n_context_tokens_total", Column::Input),
    ("usage_input_tokens_no_cache", Column::Input),
    ("usage_input_tokens_cache_write", Column::Input),
    ("usage_input_tokens_cache_write_5m", Column::Input),
    ("usage_input_tokens_cache_write_1h", Column::Input),
    ("usage_input_tokens_cache_read", Column::Input),
    ("uncached_input_tokens", Column::Input),
    ("cache_read_input_tokens", Column::Input),
    ("ephemeral_5m_input_tokens", Column::Input),
    ("ephemeral_1h_input_tokens", Column::Input),
    ("input_cached_tokens", Column::Unused),
    ("output_tokens", Column::Output),
    ("n_generated_tokens_total", Column::Output),
    ("usage_output_tokens", Column::Output),
    ("num_model_requests", Column::Requests),
    ("num_requests", Column::Requests),
    ("n_requests", Column::Requests),
    ("requests", Column::Requests),
    // How
    ("service_tier", Column::Tier),
    ("usage_type", Column::Tier),
    ("speed", Column::Speed),
    ("batch", Column::IsBatch),
    ("project_id", Column::Account),
    ("workspace_id", Column::Account),
    ("workspace", Column::Account),
    // Known and of no use here
    ("object", Column::Unused),
    ("start_time_unix", Column::Unused),
    ("end_time", Column::Unused),
    ("end_time_iso", Column::Unused),
    ("ending_at", Column::Unused),
    ("project_name", Column::Unused),
    ("organization_id", Column::Unused),
    ("organization_name", Column::Unused),
    ("user_id", Column::Unused),
    ("user_email", Column::Unused),
    ("api_key", Column::Unused),
    ("api_key_id", Column::Unused),
    ("api_key_name", Column::Unused),
    ("description", Column::Unused),
    ("cost_type", Column::Unused),
    ("token_type", Column::Unused),
    ("context_window", Column::Unused),
    ("quantity", Column::Unused),
    ("quantity_unit", Column::Unused),
    ("api_source", Column::Unused),
    ("api_key_status", Column::Unused),
    ("list_price_usd", Column::Unused),
    ("input_audio_tokens", Column::Unused),
    ("output_audio_tokens", Column::Unused),
    ("input_uncached_tokens", Column::Unused),
    ("input_text_tokens", Column::Unused),
    ("output_text_tokens", Column::Unused),
    ("input_image_tokens", Column::Unused),
    ("output_image_tokens", Column::Unused),
    ("input_cached_text_tokens", Column::Unused),
    ("input_cached_audio_tokens", Column::Unused),
    ("input_cached_image_tokens", Column::Unused),
    ("cache_creation", Column::Unused),
    ("server_tool_use", Column::Unused),
    ("web_search_count", Column::Unused),
    ("web_search_requests", Column::Unused),
    ("inference_geo", Column::Unused),
    ("operation", Column::Unused),
];

/// Columns of which a table has one that counts: the first by the order of the names.
const ONE_OF: &[Column] = &[Column::Day, Column::Model, Column::Dollars, Column::Tier, Column::Account];

/// What a name means, and its place among the names.
pub(super) fn of_name(name: &str) -> Option<(usize, Column)> {
    let name = name.trim().to_ascii_lowercase().replace([' ', '-'], "_").replace(['(', ')'], "");
    NAMES.iter().position(|(known, _)| *known == name).map(|at| (at, NAMES[at].1))
}

/// What the columns of a head mean. Where several mean the same and one is enough, the others are of no use.
pub(super) fn of_head<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Option<Column>> {
    let found: Vec<Option<(usize, Column)>> = names.map(of_name).collect();
    let best = |column: Column| found.iter().flatten().filter(|(_, known)| *known == column).map(|(at, _)| *at).min();
    let meaning = |(at, column): (usize, Column)| {
        let one = ONE_OF.contains(&column);
        if one && best(column) != Some(at) { Column::Unused } else { column }
    };
    found.iter().map(|found| found.map(meaning)).collect()
}

/// Puts a value where its column says.
///
/// # Errors
///
/// When it is nothing that the column can hold; says what, without more of the row.
pub(super) fn put(line: &mut Line, column: Column, value: &str) -> Result<(), String> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(());
    }
    let number = || value.replace([',', '$', '_'], "").parse::<f64>().ok().filter(|number| number.is_finite());
    let count = || number().filter(|number| (0.0..9e15).contains(number)).map(|number| number.round() as u64);
    let add = |own: &mut Option<u64>, what: &str| {
        let more = count().ok_or_else(|| format!("{value:?} is no number of {what}"))?;
        *own = Some(own.unwrap_or(0).saturating_add(more));
        Ok::<(), String>(())
    };
    match column {
        Column::Day => line.day = day(value).ok_or_else(|| format!("{value:?} is no day; write it as 2026-11-30"))?,
        Column::Model => line.model = value.chars().take(200).collect(),
        Column::LineItem if line.model.is_empty() => {
            let model = value.split(", ").next().unwrap_or(value);
            line.model = model.chars().take(200).collect();
            if value.to_ascii_lowercase().contains("batch") {
                line.tier = "batch".into();
            }
        }
        Column::Dollars | Column::Cents => {
            let scale = if column == Column::Cents { 0.01 } else { 1.0 };
            let amount = number().and_then(|number| Usd::from_dollars(number * scale));
            let amount = amount.ok_or_else(|| format!("{value:?} is no amount of money"))?;
            line.amount = Some(line.amount.unwrap_or_default() + amount);
        }
        Column::Currency if !value.eq_ignore_ascii_case("usd") => return Err(format!("the currency {value:?} is not the dollar")),
        Column::Input => add(&mut line.input_tokens, "tokens")?,
        Column::Output => add(&mut line.output_tokens, "tokens")?,
        Column::Requests => add(&mut line.requests, "requests")?,
        Column::Tier => {
            let usual = ["standard", "default", "text", "auto", "message", "messages"];
            let tier = value.to_ascii_lowercase();
            if !usual.contains(&tier.as_str()) {
                line.tier = tier.chars().take(40).collect();
            }
        }
        Column::Speed if line.tier.is_empty() && !matches!(value, "standard" | "normal") => {
            line.tier = value.to_ascii_lowercase().chars().take(40).collect();
        }
        Column::IsBatch if matches!(value.to_ascii_lowercase().as_str(), "true" | "1" | "yes") => line.tier = "batch".into(),
        Column::Account => line.account = value.chars().take(100).collect(),
        Column::LineItem | Column::Currency | Column::Speed | Column::IsBatch | Column::Unused => {}
    }
    Ok(())
}

/// A day from a date, a time or seconds since 1970.
fn day(value: &str) -> Option<Date> {
    if let Ok(seconds) = value.parse::<i64>() {
        // A day as 20261130 is no time of ours.
        let compact = (19_000_101..=30_001_231).contains(&seconds).then(|| Date::strptime("%Y%m%d", value).ok()).flatten();
        return compact.or_else(|| Timestamp::from_second(seconds).ok().map(|at| TimeZone::UTC.to_datetime(at).date()));
    }
    if let Ok(at) = value.parse::<Timestamp>() {
        return Some(TimeZone::UTC.to_datetime(at).date());
    }
    let date = value.get(..10).unwrap_or(value);
    date.parse::<Date>().ok().or_else(|| Date::strptime("%Y/%m/%d", date).ok())
}
