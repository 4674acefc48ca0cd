//! Records that tell of no call and stand in a trace: lines of a program's own log, shown beside its spans.

use serde_json::Value;

use super::super::record::Record;
use super::super::span::Around;
use super::{Dropped, Reader};
use crate::budget;
use crate::clock::{NoTime, TimeSource};
use crate::fingerprint::Fingerprint;
use crate::log_line::{self, Level, LogLine, WITHOUT_TRACE};
use crate::outcome::{Category, Outcome};

/// Reads a record as a line.
pub(super) fn read(record: &Record, around: &Around, reader: &mut Reader) -> Result<(), Dropped> {
    let (trace_id, span_id) = record.trace().ok_or(Dropped::NotWanted(WITHOUT_TRACE))?;
    let at_us = i64::try_from(record.at_ns(&reader.clock) / 1000).unwrap_or(i64::MAX);
    let too_old = |NoTime::TooOld| Outcome::dropped(Category::Log, "too_old", None);
    let (at_us, _) = reader.clock.moment(at_us).map_err(too_old)?;
    let place = [trace_id.to_string(), span_id.map(|span| span.to_string()).unwrap_or_default()];
    let content = Fingerprint::of(&[&place[0], &place[1], &record.severity_text, &record.fingerprint().to_string()]);

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
        Value::Null => record.names().next().unwrap_or_default().to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = LogLine {
        key: reader.keys.next(content),
        trace_id,
        span_id,
        at_us,
        level: Level::of_number(record.severity_number).or_else(|| Level::of_word(&record.severity_text)),
        body,
        attributes,
    };
    line.trim();
    budget::charge(line.bytes());
    reader.lines.push(line);
    Ok(())
}
