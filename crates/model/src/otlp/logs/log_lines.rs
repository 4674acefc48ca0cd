//! Log lines: records that do not report a call, shown with the spans of their trace and in a list.

use serde_json::Value;

use super::super::log_record::DecodedLogRecord;
use super::super::span::ResourceScope;
use super::{LogRecordDropReason, LogRecordReader};
use crate::clock::{TimeSource, TimestampError};
use crate::decode_budget;
use crate::fingerprint::Fingerprint;
use crate::log_line::{self, LogLevel, LogLine};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

/// Reads a record as a log line.
pub(super) fn read(record: &DecodedLogRecord, around: &ResourceScope, reader: &mut LogRecordReader) -> Result<(), LogRecordDropReason> {
    let (trace_id, span_id) = record.trace().unzip();
    let span_id = span_id.flatten();
    let at_us = i64::try_from(record.at_ns(&reader.clock) / 1000).unwrap_or(i64::MAX);
    let too_old = |TimestampError::TooOld| Outcome::dropped(OutcomeCategory::Log, OutcomeReason::TooOld, None);
    let (at_us, _) = reader.clock.corrected_time(at_us).map_err(too_old)?;
    let place = [trace_id.map(|trace| trace.to_string()).unwrap_or_default(), span_id.map(|span| span.to_string()).unwrap_or_default()];
    let content = Fingerprint::of(&[&place[0], &place[1], &record.severity_text, &record.fingerprint().to_string(), &reader.program]);

    let mut attributes = record.attributes.clone();
    let service = around.resource.get("service.name").and_then(Value::as_str).unwrap_or_default();
    for (name, text) in [("event.name", record.event_name.as_str()), ("otel.scope.name", &around.scope_name), ("service.name", service)] {
        if !text.is_empty() {
            attributes.entry(name).or_insert_with(|| text.into());
        }
    }
    if record.has_impossible_time(&reader.clock) {
        log_line::note_source(&mut attributes, TimeSource::Receipt);
    }
    let body = match &record.body {
        Value::Null => record.names().chain(exception_texts(record)).next().unwrap_or_default().to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = LogLine {
        key: reader.keys.next(content),
        trace_id,
        span_id,
        at_us,
        level: LogLevel::from_severity_number(record.severity_number).or_else(|| LogLevel::from_logger_name(&record.severity_text)),
        body,
        attributes,
    };
    line.truncate_and_scrub();
    decode_budget::charge(line.bytes());
    reader.lines.push(line);
    Ok(())
}

/// Returns the message and the type of the exception that a record reports.
fn exception_texts(record: &DecodedLogRecord) -> impl Iterator<Item = &str> {
    let text = |name| record.attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    [text("exception.message"), text("exception.type")].into_iter().flatten()
}
