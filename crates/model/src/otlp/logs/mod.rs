//! Decodes log records.
//!
//! A record may contain a message of a call whose span arrives separately, or report what a coding agent did. All others are log lines of
//! their trace. Any record may contain an exception.

mod log_lines;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use super::binary::ScopedItems;
use super::evaluations;
use super::exceptions::OtlpException;
use super::log_record::DecodedLogRecord;
use super::span::{DecodedSpan, ResourceScope};
use super::{DecodedOtlpRequest, Outcome, OutcomeCategory, agents};
use crate::clock::{ClockDriftCorrector, DecodeContext, TimestampError};
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::log_line::{LogLevel, LogLine, OccurrenceKeyGenerator};
use crate::messages::{TextLimit, trim_messages};
use crate::normalize::RawSpan;
use crate::outcome_reason::OutcomeReason;
use crate::partial_spans::{PartialSpanState, SpanFragment};
use crate::score::Score;
use crate::sentry::{ErrorEvent, ErrorReporter};
use crate::span::Span;
use crate::{decode_budget, normalize, partial_spans};

/// Reads the log records of a request.
pub(super) fn read_logs(groups: ScopedItems<DecodedLogRecord>, context: &DecodeContext) -> DecodedOtlpRequest {
    let mut reader = LogRecordReader::new(context);
    if !decode_budget::has_room_for_copies() {
        return DecodedOtlpRequest::default();
    }
    for (scope, records) in groups {
        reader.program = Fingerprint::of(&[&serde_json::to_string(&scope.resource).unwrap_or_default()]).to_string();
        for record in records {
            if decode_budget::is_exceeded() {
                return DecodedOtlpRequest::default();
            }
            let kept = record.map_err(LogRecordDropReason::Invalid).and_then(|record| reader.read_record(&record, &scope));
            match kept {
                Ok(()) => {}
                Err(LogRecordDropReason::Invalid(outcome)) => reader.outcomes.push(Outcome { category: OutcomeCategory::Log, ..outcome }),
                Err(LogRecordDropReason::Irrelevant(reason)) => *reader.irrelevant_counts.entry(reason).or_default() += 1,
            }
        }
    }
    let not_wanted = reader.irrelevant_counts.into_iter();
    let not_wanted = not_wanted.map(|(reason, quantity)| Outcome { quantity, ..Outcome::dropped(OutcomeCategory::Log, reason, None) });
    let mut outcomes = reader.outcomes;
    outcomes.extend(not_wanted);
    let mut errors = reader.errors;
    errors.sort_by_key(|error| error.time_us);
    let mut spans = reader.spans;
    for (place, more) in reader.other_reports {
        let first = std::mem::take(&mut spans[place]);
        spans[place] = join_reports(std::iter::once(first).chain(more).collect(), context);
    }
    DecodedOtlpRequest { spans, errors, scores: reader.scores, lines: reader.lines, outcomes, ..DecodedOtlpRequest::default() }
}

/// Joins the spans that several records report into one. Joins pairs, since joining one by one to a growing span would take quadratic
/// time.
fn join_reports(mut reported: Vec<Span>, context: &DecodeContext) -> Span {
    while reported.len() > 1 {
        let mut rest = reported.into_iter();
        let mut joined = Vec::with_capacity(rest.len().div_ceil(2));
        while let Some(one) = rest.next() {
            let with_next = rest.next().and_then(|other| partial_spans::join_partial_spans(&one, &other, context.price));
            joined.push(with_next.unwrap_or(one));
        }
        reported = joined;
    }
    reported.pop().unwrap_or_default()
}

/// Reason why a record was dropped.
pub(super) enum LogRecordDropReason {
    /// The record is invalid, or its time is before the retention period.
    Invalid(Outcome),
    /// The record is valid but not relevant. There are many such records, which are counted together.
    Irrelevant(OutcomeReason),
}

impl From<Outcome> for LogRecordDropReason {
    fn from(outcome: Outcome) -> LogRecordDropReason {
        LogRecordDropReason::Invalid(outcome)
    }
}

/// Reason for records about the internals of a coding agent.
pub(super) const NOT_LLM: LogRecordDropReason = LogRecordDropReason::Irrelevant(OutcomeReason::NotLlmTelemetry);

/// Collects the contents of the log records of a request.
pub(super) struct LogRecordReader<'a> {
    pub(super) context: &'a DecodeContext<'a>,
    pub(super) clock: ClockDriftCorrector,
    /// Identifies the program whose records are read, by its resource: programs on several machines may write the same record at the same
    /// moment.
    program: String,
    spans: Vec<Span>,
    /// Index of the first span with an ID.
    places: HashMap<(TraceId, SpanId), usize>,
    /// Other reports of the span at an index.
    other_reports: HashMap<usize, Vec<Span>>,
    /// Records of a span with the same time, each with its position in the request.
    same_time_records: HashMap<(TraceId, SpanId, u64), HashMap<Fingerprint, usize>>,
    errors: Vec<ErrorEvent>,
    scores: Vec<Score>,
    lines: Vec<LogLine>,
    keys: OccurrenceKeyGenerator,
    outcomes: Vec<Outcome>,
    irrelevant_counts: BTreeMap<OutcomeReason, u64>,
}

impl<'a> LogRecordReader<'a> {
    fn new(context: &'a DecodeContext<'a>) -> LogRecordReader<'a> {
        LogRecordReader {
            context,
            // The protocol does not contain the time of sending.
            clock: ClockDriftCorrector::new(context, None),
            program: String::new(),
            spans: Vec::new(),
            places: HashMap::new(),
            other_reports: HashMap::new(),
            same_time_records: HashMap::new(),
            errors: Vec::new(),
            scores: Vec::new(),
            lines: Vec::new(),
            keys: OccurrenceKeyGenerator::default(),
            outcomes: Vec::new(),
            irrelevant_counts: BTreeMap::new(),
        }
    }

    fn read_record(&mut self, record: &DecodedLogRecord, scope: &ResourceScope) -> Result<(), LogRecordDropReason> {
        let error = self.error(record, scope);
        let kept = self.read_call_record(record, scope);
        // An exception becomes an error event even if its record is dropped.
        match error {
            Some(error) => {
                decode_budget::charge_error(&error);
                self.errors.push(error);
                match kept {
                    Err(LogRecordDropReason::Irrelevant(_)) => Ok(()),
                    kept => kept,
                }
            }
            None => kept,
        }
    }

    fn read_call_record(&mut self, record: &DecodedLogRecord, scope: &ResourceScope) -> Result<(), LogRecordDropReason> {
        let scores = self.scores_of(record)?;
        if !scores.is_empty() {
            self.scores.extend(scores);
            return Ok(());
        }
        if let Some(held) = messages::of(record) {
            return messages::read_messages(held, record, scope, self);
        }
        match agents::family_of_record(record, scope) {
            Some((family, name)) => agents::event::read_event(family, name, record, scope, self),
            None => log_lines::read(record, scope, self),
        }
    }

    /// Returns the results of evaluations in a record. The record of a failed evaluation has none and becomes a log line.
    fn scores_of(&self, record: &DecodedLogRecord) -> Result<Vec<Score>, LogRecordDropReason> {
        if !evaluations::has_evaluation(record) {
            return Ok(Vec::new());
        }
        let at_us = i64::try_from(record.at_ns(&self.clock) / 1000).unwrap_or(i64::MAX);
        let too_old = |TimestampError::TooOld| Outcome::dropped(OutcomeCategory::Log, OutcomeReason::TooOld, None);
        let (at_us, _) = self.clock.corrected_time(at_us).map_err(too_old)?;
        Ok(evaluations::scores_of_record(record, at_us))
    }

    /// Returns the exception in a record.
    fn error(&self, record: &DecodedLogRecord, scope: &ResourceScope) -> Option<ErrorEvent> {
        let at_ns = record.at_ns(&self.clock);
        let thrown = OtlpException::from_attributes(&record.attributes, at_ns)?;
        let (trace_id, span_id) = record.trace().unzip();
        // The properties of the error are read as those of a span. A record without trace and span IDs gets placeholders while it is
        // read.
        let wire = DecodedSpan {
            trace_id: Some(trace_id.map_or(1, |id| id.0)),
            span_id: Some(span_id.flatten().map_or(1, |id| id.0)),
            start_ns: at_ns,
            end_ns: at_ns,
            attributes: record.attributes.clone(),
            ..DecodedSpan::default()
        };
        let raw = wire.into_raw(scope, &self.clock).ok()?;
        let mut span = normalize::canonical_span(raw, self.context.price);
        span.trace_id = trace_id.unwrap_or(TraceId(0));
        span.span_id = span_id.flatten().unwrap_or(SpanId(0));
        let mut error = thrown.event(&span, ErrorReporter::LogRecord, &self.clock, self.context.earlier_grouping);
        if LogLevel::from_severity_number(record.severity_number) == Some(LogLevel::Fatal) {
            error.level = "fatal".into();
        }
        if trace_id.is_none() {
            error.event_id = Fingerprint::of(&[&error.event_id, &self.program]).trace_id().to_string();
        }
        Some(error)
    }

    /// Adds a span. If the span belongs to an earlier span of the request, the two spans are joined at the end.
    pub(super) fn add(&mut self, span: Span) {
        decode_budget::charge_span(&span);
        let id = (span.trace_id, span.span_id);
        match self.places.get(&id) {
            Some(place) if self.spans[*place].joined.is_some() || span.joined.is_some() || self.other_reports.contains_key(place) => {
                self.other_reports.entry(*place).or_default().push(span);
            }
            Some(_) => self.spans.push(span),
            None => {
                self.places.insert(id, self.spans.len());
                self.spans.push(span);
            }
        }
    }

    /// Adds an incomplete span that the records refer to, with the data about the span that the records contain.
    pub(super) fn add_reported_span(&mut self, mut span: Span, mut pieces: Vec<SpanFragment>) {
        for piece in &mut pieces {
            if let partial_spans::SpanFragmentContent::Input(message) | partial_spans::SpanFragmentContent::Output(message) =
                &mut piece.content
            {
                trim_messages(std::slice::from_mut(message), TextLimit::default(), true);
            }
        }
        span.joined = Some(Box::new(PartialSpanState { awaited: true, pieces, ..PartialSpanState::default() }));
        partial_spans::fill_messages_from_parts(&mut span);
        self.add(span);
    }

    /// Returns the position that keeps records with the same time in the order of sending. A repeated record gets the same position.
    pub(super) fn position_in_request(&mut self, raw: &RawSpan, at_ns: u64, fingerprint: Fingerprint) -> usize {
        let group = self.same_time_records.entry((raw.trace_id, raw.span_id, at_ns)).or_default();
        let next = group.len();
        *group.entry(fingerprint).or_insert(next)
    }
}
