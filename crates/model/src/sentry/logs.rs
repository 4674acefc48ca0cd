//! Containers of log lines, each with the trace and span in which it was written, if known.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::EnvelopeReader;
use super::envelope::EnvelopeItem;
use super::lenient::{LenientText, LenientTime, TypedAttributes};
use crate::clock::{TimeSource, TimestampError};
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::lenient_json::{ChargedItems, parse_mended, repair_payload};
use crate::log_line::{self, LogLevel, LogLine};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

#[derive(Deserialize)]
struct LogContainer<S> {
    items: ChargedItems<S>,
}

#[derive(Deserialize)]
struct SentryLog<'a> {
    #[serde(borrow, default)]
    trace_id: LenientText<'a>,
    #[serde(borrow, default)]
    span_id: LenientText<'a>,
    #[serde(default)]
    timestamp: LenientTime,
    #[serde(borrow, default)]
    level: LenientText<'a>,
    #[serde(borrow, default)]
    body: LenientText<'a>,
    #[serde(default)]
    attributes: TypedAttributes,
}

fn dropped(reason: OutcomeReason) -> Outcome {
    Outcome::dropped(OutcomeCategory::Log, reason, None)
}

/// Reads a container. An invalid line is dropped, and the other lines are kept.
pub(super) fn read(item: &EnvelopeItem, reader: &mut EnvelopeReader) {
    let logs = parse_mended(item.payload, |text| read_all(text, reader));
    let logs = logs.or_else(|_| read_each(&repair_payload(item.payload), reader));
    let Ok(logs) = logs else { return reader.drop_container(OutcomeCategory::Log, OutcomeReason::InvalidJson, item) };
    for log in logs {
        match log {
            Ok((content, mut line)) => {
                line.key = reader.keys.next(content);
                line.truncate_and_scrub();
                crate::decode_budget::charge(line.bytes());
                reader.lines.push(line);
            }
            Err(outcome) => reader.outcomes.push(outcome),
        }
    }
}

/// Lines with the fingerprints that identify them, or the outcomes of dropped ones.
type LogLineResults = Vec<Result<(Fingerprint, LogLine), Outcome>>;

fn read_all(text: &str, reader: &EnvelopeReader) -> Result<LogLineResults, serde_json::Error> {
    let container: LogContainer<SentryLog> = serde_json::from_str(text)?;
    Ok(container.items.0.into_iter().map(|log| line(log, reader)).collect())
}

/// Reads a container with an invalid line.
fn read_each(text: &str, reader: &EnvelopeReader) -> Result<LogLineResults, serde_json::Error> {
    let container: LogContainer<&RawValue> = serde_json::from_str(text)?;
    let one = |log: &RawValue| line(serde_json::from_str::<SentryLog>(log.get()).map_err(|_| dropped(OutcomeReason::InvalidJson))?, reader);
    Ok(container.items.0.into_iter().map(one).collect())
}

fn line(log: SentryLog, reader: &EnvelopeReader) -> Result<(Fingerprint, LogLine), Outcome> {
    let trace_id: Option<TraceId> = log.trace_id.as_str().and_then(|text| text.parse().ok());
    let span_id: Option<SpanId> = log.span_id.as_str().and_then(|text| text.parse().ok()).filter(|_| trace_id.is_some());
    let sent_us = log.timestamp.0.ok_or_else(|| dropped(OutcomeReason::InvalidTimestamp))?;
    let (at_us, _) = reader.clock.corrected_time(sent_us).map_err(|TimestampError::TooOld| dropped(OutcomeReason::TooOld))?;
    let level = log.level.as_str().and_then(LogLevel::from_logger_name);
    let body = log.body.into_string().unwrap_or_default();
    let mut attributes = log.attributes.0;
    let said = serde_json::to_string(&attributes).unwrap_or_default();
    let ids = [trace_id.map(|trace| trace.to_string()), span_id.map(|span| span.to_string())].map(Option::unwrap_or_default);
    let content = Fingerprint::of(&[&ids[0], &ids[1], &sent_us.to_string(), level.map_or("", LogLevel::as_str), &body, &said]);
    if !reader.clock.is_plausible(sent_us) {
        log_line::note_source(&mut attributes, TimeSource::Receipt);
    }
    let line = LogLine { key: [0; 16], trace_id, span_id, at_us, level, body, attributes };
    Ok((content, line))
}
