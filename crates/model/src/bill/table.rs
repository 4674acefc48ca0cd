//! Tables with a header: the CSV exports of OpenAI's and Anthropic's pages, and plain ones of day, model and amount.

use super::columns::{self, BillColumn};
use super::{BillError, BillExport, BillLine, UnreadBillRow};
use crate::price::PriceBook;

pub(super) fn read(text: &str) -> Result<BillExport, BillError> {
    let first = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|separator| first.bytes().filter(|byte| byte == separator).count());
    let mut reader = csv::ReaderBuilder::new().delimiter(separator.unwrap_or(b',')).flexible(true).from_reader(text.as_bytes());
    let head: Vec<String> = reader.headers().map(|head| head.iter().map(str::to_owned).collect()).unwrap_or_default();
    let meanings = columns::parse_header(head.iter().map(String::as_str));
    let has = |wanted: &[BillColumn]| meanings.iter().flatten().any(|column| wanted.contains(column));
    let no_column = |missing| BillError::NoColumn { missing, found: head.join(", ").chars().take(300).collect() };
    if !has(&[BillColumn::Day]) {
        return Err(no_column("day"));
    }
    if !has(&[BillColumn::Dollars, BillColumn::Cents, BillColumn::Input, BillColumn::Output, BillColumn::Requests]) {
        return Err(no_column("amount"));
    }
    let named = |name: &str| head.iter().any(|column| column.trim().eq_ignore_ascii_case(name));
    let (format, provider) = if named("usage_date_utc") {
        ("table of Anthropic's console", "anthropic")
    } else if named("start_time_iso") || named("amount_value") || named("n_context_tokens_total") {
        ("table of OpenAI's platform", "openai")
    } else {
        ("plain table", "")
    };
    let unknown = head.iter().zip(&meanings).filter(|(name, meaning)| meaning.is_none() && !name.trim().is_empty());
    let mut export =
        BillExport { format, unknown_columns: unknown.map(|(name, _)| name.chars().take(60).collect()).collect(), ..BillExport::default() };
    for row in reader.records() {
        // OpenAI lists days without usage too.
        if provider == "openai" && row.as_ref().is_ok_and(|row| is_day_only(row, &meanings)) {
            continue;
        }
        export.rows += 1;
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                export.unread.push(UnreadBillRow { line, why: "not a valid row of this table".to_owned() });
                continue;
            }
        };
        let line = row.position().map_or(0, csv::Position::line);
        match line_of(&row, &meanings, provider) {
            Ok(read) => export.lines.push(read),
            Err(why) => export.unread.push(UnreadBillRow { line, why }),
        }
    }
    Ok(export)
}

/// Returns true for a row that contains only a day.
fn is_day_only(row: &csv::StringRecord, meanings: &[Option<BillColumn>]) -> bool {
    let told = row.iter().zip(meanings).filter(|(value, _)| !value.trim().is_empty());
    told.filter_map(|(_, column)| *column).all(|column| matches!(column, BillColumn::Day | BillColumn::Unused))
}

fn line_of(row: &csv::StringRecord, meanings: &[Option<BillColumn>], provider: &str) -> Result<BillLine, String> {
    let mut line = BillLine { provider: provider.to_owned(), ..BillLine::default() };
    let none = line.day;
    for (value, column) in row.iter().zip(meanings) {
        if let Some(column) = column {
            columns::set_field(&mut line, *column, value)?;
        }
    }
    if line.day == none {
        return Err("no day".to_owned());
    }
    if line.amount.is_none() && line.input_tokens.is_none() && line.output_tokens.is_none() && line.requests.is_none() {
        return Err("no amount".to_owned());
    }
    if line.provider.is_empty() {
        line.provider = PriceBook::embedded().vendor_of(&line.model).unwrap_or_default().to_owned();
    }
    Ok(line)
}
