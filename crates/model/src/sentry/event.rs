//! Decodes error events.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::envelope::event_id;
use super::error_event::{ErrorDetails, ErrorEvent, EventStack, StackFrame};
use super::event_parts::{self, MAX_TEXT, MAX_VARS_BYTES, VarsBudget, indexed, plain_text, text};
use super::grouping_v1::{EarlierReading, earlier_group};
use super::lenient::{LenientTags, LenientText, LenientTime};
use super::message_format::{event_level, format_message};
use super::scrub::{DataLimit, bounded_object, scrub_error};
use super::shared::{SharedEventContext, SharedEventFields, part};
use super::transaction::{SentryContexts, TraceContext};
use super::user_agent::add_client_contexts;
use super::{EnvelopeReader, grouping};
use crate::clock::TimestampError;
use crate::decode_budget;
use crate::lenient_json::{self, parse_mended};
use crate::messages::{TextLimit, trim_text};
use crate::outcome::{Outcome, OutcomeCategory};
use crate::outcome_reason::OutcomeReason;

/// Names of interfaces in the oldest version of the protocol, and today's fields. Some clients write the path of the class, such as
/// `sentry.interfaces.http.Http`, so only the last part of a name counts.
const OLDER_INTERFACES: &[(&str, &str)] = &[
    ("Exception", "exception"),
    ("Message", "logentry"),
    ("Stacktrace", "stacktrace"),
    ("Http", "request"),
    ("User", "user"),
    ("Breadcrumbs", "breadcrumbs"),
    ("Threads", "threads"),
    ("Contexts", "contexts"),
    ("Template", "template"),
    ("Query", "query"),
    ("Sdk", "sdk"),
];
/// Start of the older names.
const OLDER_PREFIX: &str = "sentry.interfaces.";

/// Limit of the contexts.
const CONTEXTS_LIMIT: DataLimit = DataLimit { bytes: 64 << 10, text: 8192, depth: 7 };
/// Limit of further data.
const EXTRA_LIMIT: DataLimit = DataLimit { bytes: 128 << 10, text: 16 << 10, depth: 7 };
/// Limit of the fields of a user.
const USER_LIMIT: DataLimit = DataLimit { bytes: 8 << 10, text: 1024, depth: 4 };
/// Maximum number of installed packages.
const MAX_MODULES: usize = 1000;
/// Maximum number of parts of a fingerprint that are shown.
const MAX_FINGERPRINT_PARTS: usize = 20;

#[derive(Deserialize)]
struct RawErrorEvent<'a> {
    #[serde(borrow, default)]
    event_id: LenientText<'a>,
    #[serde(borrow, default)]
    level: LenientText<'a>,
    #[serde(default)]
    timestamp: LenientTime,
    #[serde(borrow, default)]
    transaction: LenientText<'a>,
    #[serde(borrow, default)]
    culprit: LenientText<'a>,
    #[serde(borrow, default)]
    contexts: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "lenient_json::field")]
    exception: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    stacktrace: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    threads: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    message: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    logentry: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    fingerprint: Value,
    #[serde(borrow, default)]
    checksum: LenientText<'a>,
    #[serde(default, deserialize_with = "lenient_json::field")]
    breadcrumbs: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    request: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    extra: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    template: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    query: Value,
    #[serde(default, deserialize_with = "lenient_json::field")]
    modules: Value,
    #[serde(borrow, default)]
    logger: LenientText<'a>,
    #[serde(borrow, default)]
    platform: LenientText<'a>,
    #[serde(borrow, default)]
    dist: LenientText<'a>,
    #[serde(borrow, default)]
    environment: LenientText<'a>,
    #[serde(borrow, default)]
    release: LenientText<'a>,
    #[serde(borrow, default)]
    server_name: LenientText<'a>,
    #[serde(borrow, default)]
    user: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sdk: Option<&'a RawValue>,
    #[serde(default)]
    tags: LenientTags,
    /// True if the exception had the name of the oldest version of the protocol.
    #[serde(skip)]
    has_older_exception: bool,
    /// True if the message had the name of the oldest version of the protocol.
    #[serde(skip)]
    has_older_message: bool,
}

/// Reads an error event.
pub(super) fn read(payload: &[u8], reader: &mut EnvelopeReader) {
    let error = parse_mended(payload, |sent| {
        // Serde would accept a list for the fields of a struct, so the payload must start as an object.
        if !sent.trim_start().starts_with('{') {
            return Err(serde::de::Error::custom("expected an object"));
        }
        let CurrentEventText { text, has_older_exception, has_older_message } = CurrentEventText::new(sent)?;
        let mut raw: RawErrorEvent = serde_json::from_str(&text)?;
        (raw.has_older_exception, raw.has_older_message) = (has_older_exception, has_older_message);
        Ok(event(raw, payload, reader))
    });
    match error {
        Ok(Ok(error)) => {
            reader.event_id = reader.event_id.take().or_else(|| Some(error.event_id.clone()));
            decode_budget::charge_error(&error);
            reader.errors.push(error);
        }
        Ok(Err(TimestampError::TooOld)) => reader.outcomes.push(Outcome::dropped(OutcomeCategory::Error, OutcomeReason::TooOld, None)),
        Err(_) => reader.outcomes.push(Outcome::dropped(OutcomeCategory::Error, OutcomeReason::InvalidJson, None)),
    }
}

/// The JSON of an event with the field names of today.
struct CurrentEventText<'a> {
    text: Cow<'a, str>,
    /// True if the exception had its older name.
    has_older_exception: bool,
    /// True if the message had its older name.
    has_older_message: bool,
}

impl CurrentEventText<'_> {
    /// Renames the fields of the oldest version of the protocol.
    fn new(sent: &str) -> Result<CurrentEventText<'_>, serde_json::Error> {
        let mut current = CurrentEventText { text: Cow::Borrowed(sent), has_older_exception: false, has_older_message: false };
        if memchr::memmem::find(sent.as_bytes(), OLDER_PREFIX.as_bytes()).is_none() {
            return Ok(current);
        }
        let mut fields = lenient_json::object(sent)?;
        if !fields.keys().any(|name| name.starts_with(OLDER_PREFIX)) {
            return Ok(current);
        }
        let older_names: Vec<String> = fields.keys().filter(|name| name.starts_with(OLDER_PREFIX)).cloned().collect();
        for older in older_names {
            let interface = older.rsplit('.').next().unwrap_or_default();
            let Some((_, name)) = OLDER_INTERFACES.iter().find(|(known, _)| known.eq_ignore_ascii_case(interface)) else { continue };
            if let Some(value) = fields.remove(&older)
                && fields.get(*name).is_none_or(Value::is_null)
            {
                current.has_older_exception |= *name == "exception";
                current.has_older_message |= *name == "logentry";
                fields.insert((*name).to_owned(), value);
            }
        }
        current.text = Cow::Owned(serde_json::to_string(&fields)?);
        Ok(current)
    }
}

/// What version 1 of the grouping algorithm read before the event was completed.
struct EarlierEventReading {
    has_exception: bool,
    has_stack: bool,
    kind: String,
    value: String,
}

fn event(mut raw: RawErrorEvent, payload: &[u8], reader: &EnvelopeReader) -> Result<ErrorEvent, TimestampError> {
    // An event without a time gets the time of sending.
    let time_us = raw.timestamp.0.or(reader.header.sent_at_us).unwrap_or(reader.received_us);
    let (at_us, shift) = reader.clock.corrected_time(time_us)?;
    let mut budget = VarsBudget(MAX_VARS_BYTES);
    let mut earlier = if reader.earlier_grouping { earlier_reading(&raw) } else { None };
    let (exceptions, exceptions_cut) = event_parts::exceptions(raw.exception.take(), &mut budget);
    if let Some(earlier) = &mut earlier {
        earlier.has_stack = earlier.has_exception && exceptions.last().is_some_and(|last| !last.frames.is_empty());
    }
    let crumb_shift = if reader.clock.is_plausible(time_us) { shift } else { 0 };
    let (breadcrumbs, breadcrumbs_cut) = event_parts::breadcrumbs(raw.breadcrumbs.take(), crumb_shift);
    let thread_id = exceptions.iter().rev().find_map(|exception| exception.thread_id.clone());
    let (threads, threads_cut) = event_parts::threads(raw.threads.take(), thread_id.as_deref(), &mut budget);
    let stack = event_parts::event_stack(raw.stacktrace.take(), &mut budget);
    let own_fingerprint = fingerprint(&raw.fingerprint, raw.checksum.as_str());
    let template = message_template(&raw.message, &raw.logentry);
    let message = message(&raw.message, &raw.logentry);
    let mut error = ErrorEvent {
        event_id: id_of(&raw, payload, reader),
        level: event_level(raw.level.as_str()).to_owned(),
        time_us: at_us,
        clock_shift_us: shift,
        transaction: raw.transaction.into_string(),
        breadcrumbs,
        threads,
        exceptions,
        details: ErrorDetails {
            dist: raw.dist.into_string(),
            platform: raw.platform.into_string(),
            logger: raw.logger.into_string(),
            fingerprint: shown_fingerprint(&own_fingerprint),
            request: event_parts::request(raw.request.take()),
            extra: bounded_object(indexed(raw.extra.take()), EXTRA_LIMIT),
            modules: event_parts::text_map(raw.modules.take(), MAX_MODULES),
            user: user(raw.user),
            contexts: contexts(raw.contexts, [("template", raw.template.take()), ("query", raw.query.take())]),
            breadcrumbs_cut,
            exceptions_cut,
            threads_cut,
            ..ErrorDetails::default()
        },
        ..ErrorEvent::default()
    };
    let fields = SharedEventFields {
        environment: raw.environment,
        release: raw.release,
        server_name: raw.server_name,
        user: raw.user,
        sdk: raw.sdk,
        tags: raw.tags,
        meta: None,
    };
    set_shared(&mut error, raw.contexts, fields, reader);
    add_client_contexts(&mut error.details.contexts, &error.details.request);
    error.set_stack(stack, thread_id.is_some());
    error.set_message(message);
    if let Some(kind) = reader.crash_report {
        error.set_crash(kind, raw.level.as_str().is_some());
    }
    scrub_error(&mut error);
    let place = grouping::deciding_frame(error.frames()).and_then(StackFrame::place);
    error.culprit = place.or_else(|| raw.culprit.into_string()).or_else(|| error.transaction.clone());
    error.group = grouping::group(&error, template.as_deref(), &own_fingerprint);
    error.earlier_group = earlier.map(|reading| reading.group(&error, template.as_deref(), &raw.fingerprint));
    Ok(error)
}

/// Returns the ID of an event. An event without ID and time is a new one each time that it is sent.
fn id_of(raw: &RawErrorEvent, payload: &[u8], reader: &EnvelopeReader) -> String {
    let sent = reader.header.event_id.clone().or_else(|| raw.event_id.as_str().and_then(event_id));
    sent.unwrap_or_else(|| {
        let mut hash = Sha256::new();
        hash.update(payload);
        if raw.timestamp.0.is_none() {
            hash.update(reader.received_us.to_be_bytes());
            hash.update(reader.errors.len().to_be_bytes());
        }
        let hash: [u8; 32] = hash.finalize().into();
        hash[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

/// Sets the fields that transactions have as well.
fn set_shared(error: &mut ErrorEvent, contexts: Option<&RawValue>, fields: SharedEventFields, reader: &EnvelopeReader) {
    let contexts: SentryContexts = part(contexts);
    let trace: TraceContext = part(contexts.trace);
    let shared = SharedEventContext::new(None, fields, &reader.header);
    error.trace_id = trace.trace_id.as_str().and_then(|text| text.parse().ok());
    error.span_id = trace.span_id.as_str().and_then(|text| text.parse().ok());
    error.details.integrations = shared.integrations;
    error.environment = shared.environment.or_else(|| shared.tags.get("environment").cloned());
    error.tags = shared.tags;
    error.user_id = shared.user_id;
    error.release = shared.release;
    error.service = shared.service;
    error.sdk_name = shared.sdk_name;
    error.sdk_version = shared.sdk_version;
}

impl ErrorEvent {
    /// Sets the stack of an event whose exceptions have none: that of the thread that an exception names, otherwise the one of the event,
    /// otherwise that of the thread that crashed or is current.
    fn set_stack(&mut self, stack: EventStack, is_thread_named: bool) {
        let thread = self.threads.iter_mut().find(|thread| thread.has_event_stack);
        let has_own = match is_thread_named && !self.exceptions.is_empty() {
            true => self.exceptions.last().is_some_and(|last| !last.frames.is_empty()),
            false => self.exceptions.iter().any(|exception| !exception.frames.is_empty()),
        };
        let mut of_thread = EventStack::default();
        if let Some(thread) = thread {
            if has_own || (!is_thread_named && !stack.frames.is_empty()) {
                // The thread keeps a stack of its own.
                thread.has_event_stack = has_own && thread.frames.is_empty();
            } else {
                of_thread = EventStack { frames: std::mem::take(&mut thread.frames), frames_cut: std::mem::take(&mut thread.frames_cut) };
                thread.has_event_stack = !of_thread.frames.is_empty();
            }
        }
        if has_own {
            return;
        }
        let found = if of_thread.frames.is_empty() { stack } else { of_thread };
        if found.frames.is_empty() {
            return;
        }
        match self.exceptions.last_mut() {
            Some(last) if last.frames.is_empty() => (last.frames, last.frames_cut) = (found.frames, found.frames_cut),
            Some(_) => {}
            None => self.stack = Some(found),
        }
    }

    /// Sets type, message and title.
    fn set_message(&mut self, message: Option<String>) {
        let Some(last) = self.exceptions.last() else {
            self.kind = "Message".into();
            self.value = message.unwrap_or_default();
            return;
        };
        self.kind = if last.kind.is_empty() { "Error".into() } else { last.kind.clone() };
        self.value.clone_from(&last.value);
        self.handled = self.exceptions.iter().rev().find_map(|exception| exception.handled);
        if last.is_synthetic() {
            let frame = grouping::deciding_frame(self.frames());
            self.title = frame.and_then(|frame| frame.known_function()).map(str::to_owned);
        }
        self.message = message.filter(|message| *message != self.value);
    }

    /// Describes an event that says nothing itself and comes with the report of a crash.
    fn set_crash(&mut self, kind: &str, is_level_sent: bool) {
        if !self.exceptions.is_empty() || !self.value.is_empty() || self.stack.is_some() {
            return;
        }
        self.kind = kind.to_owned();
        self.handled = Some(false);
        if !is_level_sent {
            self.level = event_level(Some("fatal")).to_owned();
        }
    }
}

impl EarlierEventReading {
    /// Returns the group of the event by version 1 of the algorithm, which knew the stacks of exceptions only.
    fn group(&self, error: &ErrorEvent, template: Option<&str>, fingerprint: &Value) -> [u8; 32] {
        let last = error.exceptions.last().filter(|_| self.has_stack);
        let reading = EarlierReading {
            kind: &self.kind,
            value: &self.value,
            frames: last.map(|last| last.frames.as_slice()).unwrap_or_default(),
            template: template.filter(|_| !self.has_exception),
        };
        earlier_group(&reading, fingerprint)
    }
}

/// Returns type and message as version 1 of the grouping algorithm read them; `None` if it read neither.
fn earlier_reading(raw: &RawErrorEvent) -> Option<EarlierEventReading> {
    let exceptions = raw.exception.get("values").unwrap_or(&raw.exception);
    let last = match exceptions {
        Value::Array(items) => items.iter().rev().find(|item| item.is_object()),
        single @ Value::Object(_) => Some(single),
        _ => None,
    };
    if let Some(last) = last.filter(|_| !raw.has_older_exception) {
        let kind = text(last.get("type")).unwrap_or_else(|| "Error".to_owned());
        let value = text(last.get("value")).unwrap_or_default();
        return Some(EarlierEventReading { has_exception: true, has_stack: false, kind, value });
    }
    let null = Value::Null;
    let logentry = if raw.has_older_message { &null } else { &raw.logentry };
    let value = sent_message(&raw.message, logentry)?;
    Some(EarlierEventReading { has_exception: false, has_stack: false, kind: "Message".to_owned(), value })
}

/// Returns the fingerprint that the program set, or the checksum that older SDKs send instead.
fn fingerprint(value: &Value, checksum: Option<&str>) -> Vec<String> {
    let trimmed = |value: &Value| {
        let mut text = plain_text(value).unwrap_or_default();
        trim_text(&mut text, MAX_TEXT);
        text
    };
    match value {
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(trimmed).collect(),
        Value::String(_) | Value::Number(_) => vec![trimmed(value)],
        _ => checksum.map(str::to_owned).into_iter().collect(),
    }
}

fn shown_fingerprint(fingerprint: &[String]) -> Vec<String> {
    let shown = fingerprint.iter().take(MAX_FINGERPRINT_PARTS).cloned().map(|mut part| {
        trim_text(&mut part, TextLimit::NAME_LIMIT);
        part
    });
    shown.collect()
}

/// Text that stands for the address that the server sees.
const AUTOMATIC_ADDRESS: &str = "{{auto}}";

/// Returns the contexts of an event, and objects of older clients beside them: the template and the database query of the error.
fn contexts(raw: Option<&RawValue>, older: [(&str, Value); 2]) -> serde_json::Map<String, Value> {
    let mut contexts =
        raw.and_then(|raw| lenient_json::value(raw.get()).ok()).filter(Value::is_object).unwrap_or_else(|| serde_json::json!({}));
    for (name, value) in older.into_iter().filter(|(_, value)| value.is_object()) {
        if contexts[name].is_null() {
            contexts[name] = value;
        }
    }
    bounded_object(contexts, CONTEXTS_LIMIT)
}

fn user(raw: Option<&RawValue>) -> serde_json::Map<String, Value> {
    let mut user = bounded_object(raw.and_then(|raw| lenient_json::value(raw.get()).ok()).unwrap_or_default(), USER_LIMIT);
    user.retain(|_, value| !value.is_null() && value.as_str() != Some(AUTOMATIC_ADDRESS));
    user
}

/// Returns the message as sent: formatted, otherwise with its placeholders.
fn sent_message(message: &Value, logentry: &Value) -> Option<String> {
    let of = |value: &Value| match value {
        Value::Object(object) => text(object.get("formatted")).or_else(|| text(object.get("message"))),
        value => text(Some(value)),
    };
    of(logentry).or_else(|| of(message))
}

/// Returns the message with its parameters filled in.
fn message(message: &Value, logentry: &Value) -> Option<String> {
    let of = |value: &Value| match value {
        Value::Object(object) => text(object.get("formatted")).or_else(|| {
            let template = text(object.get("message"))?;
            let mut filled = object.get("params").and_then(|params| format_message(&template, params)).unwrap_or(template);
            trim_text(&mut filled, MAX_TEXT);
            Some(filled)
        }),
        value => text(Some(value)),
    };
    of(logentry).or_else(|| of(message))
}

/// Returns the message without its parameters, which is the same for all errors of its kind.
fn message_template(message: &Value, logentry: &Value) -> Option<String> {
    [logentry, message].into_iter().find_map(|value| text(value.get("message")))
}
