//! Parts of an error event: exceptions, stacks, threads and breadcrumbs.

use serde_json::{Map, Value, json};

use super::error_event::{ErrorBreadcrumb, ErrorException, EventStack, ExceptionMechanism, ProgramThread, StackFrame};
use super::lenient::LenientTime;
use super::message_format;
use super::scrub::{DataLimit, bounded_object, is_sensitive_query_pair, scrubbed};
use crate::messages::{TextLimit, trim_text};

/// Maximum number of frames of a stack; the innermost are kept.
const MAX_FRAMES: usize = 250;
/// Maximum number of frames of a thread beside the stack of the event.
const MAX_THREAD_FRAMES: usize = 100;
/// Maximum number of exceptions of a chain; the last raised are kept.
const MAX_EXCEPTIONS: usize = 20;
/// Maximum number of threads. The one of the event is always kept.
const MAX_THREADS: usize = 100;
/// Maximum number of breadcrumbs; the last are kept.
const MAX_BREADCRUMBS: usize = 100;
/// Maximum bytes of a message.
pub(super) const MAX_TEXT: TextLimit = TextLimit(8192);
/// Maximum bytes of a name, a path or a source line.
const MAX_NAME: TextLimit = TextLimit(2048);
/// Limit of the local variables of a frame.
const VARS_LIMIT: DataLimit = DataLimit { bytes: 16 << 10, text: 2048, depth: 5 };
/// Maximum bytes of the local variables of all frames of an event.
pub(super) const MAX_VARS_BYTES: usize = 256 << 10;
/// Limit of the data of a breadcrumb.
const BREADCRUMB_LIMIT: DataLimit = DataLimit { bytes: 8 << 10, text: 2048, depth: 5 };
/// Limit of the data of a mechanism.
const MECHANISM_LIMIT: DataLimit = DataLimit { bytes: 8 << 10, text: 2048, depth: 5 };

/// Takes a member out of an object; null if there is none.
pub(super) fn take(object: &mut Value, name: &str) -> Value {
    object.get_mut(name).map(Value::take).unwrap_or_default()
}

/// Returns a scalar as text, and anything else as JSON. Null and empty texts are missing.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null => return None,
        nested => nested.to_string(),
    };
    Some(text).filter(|text| !text.is_empty())
}

fn trimmed(value: Option<&Value>, limit: TextLimit) -> Option<String> {
    let mut text = plain_text(value?)?;
    trim_text(&mut text, limit);
    Some(text)
}

/// Returns a value as a text of limited size.
pub(super) fn text(value: Option<&Value>) -> Option<String> {
    trimmed(value, MAX_TEXT)
}

/// Returns a value as a name of limited size.
pub(super) fn name(value: Option<&Value>) -> Option<String> {
    trimmed(value, MAX_NAME)
}

/// Returns the list under `values`, or the value itself if it is a list or an object.
pub(super) fn values(mut value: Value) -> Vec<Value> {
    if let Some(values) = value.get_mut("values") {
        value = values.take();
    }
    match value {
        Value::Array(items) => items,
        single @ Value::Object(_) => vec![single],
        _ => Vec::new(),
    }
}

/// Returns a list of values as an object with their numbers as names, as Sentry shows it. Lists of pairs stay: they are names with values.
pub(super) fn indexed(value: Value) -> Value {
    let is_pair = |item: &Value| matches!(item.as_array().map(Vec::as_slice), Some([Value::String(_), _]));
    match value {
        Value::Array(items) if !items.iter().all(is_pair) => {
            Value::Object(items.into_iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect())
        }
        other => other,
    }
}

/// Keeps the last of some values, and returns the number of those that were removed.
fn keep_last(items: &mut Vec<Value>, count: usize) -> u64 {
    items.retain(Value::is_object);
    let cut = items.len().saturating_sub(count);
    items.drain(..cut);
    cut as u64
}

/// Bytes that are left for the local variables of an event.
pub(super) struct VarsBudget(pub(super) usize);

/// Returns the exceptions of a chain, and the number of removed exceptions.
pub(super) fn exceptions(value: Value, budget: &mut VarsBudget) -> (Vec<ErrorException>, u64) {
    let listed = match value {
        text @ Value::String(_) => vec![text],
        other => values(other),
    };
    let mut all: Vec<Value> = listed.into_iter().map(exception_of_text).collect();
    let cut = keep_last(&mut all, MAX_EXCEPTIONS);
    // The variables of the last exception are the most useful.
    let mut exceptions: Vec<ErrorException> = all.into_iter().rev().map(|value| exception(value, budget)).collect();
    exceptions.reverse();
    (exceptions, cut)
}

/// Returns an exception that a client sends as mere text, such as `ValueError: boom`, as an object.
fn exception_of_text(sent: Value) -> Value {
    let Some(text) = sent.as_str().map(str::trim).filter(|text| !text.is_empty()) else { return sent };
    let is_type = |name: &&str| !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "_.$:\\".contains(letter));
    match text.split_once(": ").filter(|(name, _)| is_type(name)) {
        Some((name, message)) => json!({"type": name, "value": message.trim_start()}),
        None => json!({"value": text}),
    }
}

fn exception(mut value: Value, budget: &mut VarsBudget) -> ErrorException {
    let mechanism = take(&mut value, "mechanism");
    let handled = mechanism.get("handled").and_then(flag);
    let EventStack { frames, frames_cut } = stack_of(&mut value, budget, MAX_FRAMES);
    ErrorException {
        kind: text(value.get("type")).unwrap_or_default(),
        value: text(value.get("value")).unwrap_or_default(),
        module: name(value.get("module")),
        handled,
        frames,
        frames_cut,
        thread_id: name(value.get("thread_id")),
        mechanism: exception_mechanism(mechanism),
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn exception_mechanism(mut value: Value) -> Option<Box<ExceptionMechanism>> {
    if let Value::String(kind) = &value {
        // Older SDKs send the type alone.
        return Some(Box::new(ExceptionMechanism { kind: Some(kind.clone()), ..ExceptionMechanism::default() }));
    }
    if !value.is_object() {
        return None;
    }
    let (data, meta) = (take(&mut value, "data"), take(&mut value, "meta"));
    let get = |name: &str| value.get(name);
    Some(Box::new(ExceptionMechanism {
        kind: name(get("type")),
        synthetic: get("synthetic").and_then(flag),
        description: text(get("description")),
        help_link: name(get("help_link")),
        source: name(get("source")),
        exception_id: get("exception_id").and_then(Value::as_u64),
        parent_id: get("parent_id").and_then(Value::as_u64),
        is_exception_group: get("is_exception_group").and_then(flag),
        data: bounded_object(data, MECHANISM_LIMIT),
        meta: bounded_object(meta, MECHANISM_LIMIT),
    }))
}

/// Takes the stack out of an exception or a thread: `stacktrace`, otherwise the one that was sent before it was symbolicated.
fn stack_of(value: &mut Value, budget: &mut VarsBudget, max_frames: usize) -> EventStack {
    let found = stack(take(value, "stacktrace"), budget, max_frames);
    if found.frames.is_empty() { stack(take(value, "raw_stacktrace"), budget, max_frames) } else { found }
}

/// Returns the frames of a stack: those under `frames`, or a list of frames.
pub(super) fn stack(mut value: Value, budget: &mut VarsBudget, max_frames: usize) -> EventStack {
    let frames = if value.is_object() { take(&mut value, "frames") } else { value };
    let Value::Array(mut all) = frames else { return EventStack::default() };
    let frames_cut = keep_last(&mut all, max_frames);
    // The innermost frames get the variables first.
    let mut frames: Vec<StackFrame> = all.into_iter().rev().map(|value| frame(value, budget)).collect();
    frames.reverse();
    EventStack { frames, frames_cut }
}

/// Returns the stack of an event that has it outside of an exception.
pub(super) fn event_stack(value: Value, budget: &mut VarsBudget) -> EventStack {
    stack(value, budget, MAX_FRAMES)
}

/// Returns a number that starts at 1. Some clients send 0 for an unknown one, and some write whole numbers as decimals.
fn position(value: Option<&Value>) -> Option<u64> {
    let number = match value? {
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as u64))
        }
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| *number > 0)
}

fn frame(mut value: Value, budget: &mut VarsBudget) -> StackFrame {
    let vars = indexed(take(&mut value, "vars"));
    let vars = bounded_object(vars, DataLimit { bytes: VARS_LIMIT.bytes.min(budget.0), ..VARS_LIMIT });
    budget.0 = budget.0.saturating_sub(crate::decode_budget::object(&vars));
    let lines = |value: Option<&Value>| {
        value.and_then(Value::as_array).into_iter().flatten().take(20).map(|line| source_line(Some(line)).unwrap_or_default()).collect()
    };
    let abs_path = name(value.get("abs_path"));
    let filename = name(value.get("filename"));
    let in_app = value.get("in_app").and_then(flag);
    StackFrame {
        function: name(value.get("function")),
        module: name(value.get("module")),
        line: position(value.get("lineno")),
        in_app: in_app.unwrap_or(false),
        before: lines(value.get("pre_context")),
        source: source_line(value.get("context_line")),
        after: lines(value.get("post_context")),
        column: position(value.get("colno")),
        package: name(value.get("package")),
        instruction_addr: name(value.get("instruction_addr")),
        abs_path: abs_path.clone().filter(|path| filename.as_ref().is_some_and(|filename| filename != path)),
        filename: filename.or(abs_path),
        vars,
        is_in_app_sent: in_app.is_some(),
    }
}

fn source_line(value: Option<&Value>) -> Option<String> {
    let mut line = value?.as_str()?.to_owned();
    trim_text(&mut line, MAX_NAME);
    Some(line)
}

/// Returns the threads of an event with their stacks, up to the limit, and the number of the omitted threads.
pub(super) fn threads(value: Value, thread_id: Option<&str>, budget: &mut VarsBudget) -> (Vec<ProgramThread>, u64) {
    let mut all = values(value);
    all.retain(Value::is_object);
    // The thread that may have the stack of the event is read first, so that it is never cut.
    let main = main_thread(&all, thread_id);
    let cut = all.len().saturating_sub(MAX_THREADS);
    let mut threads = Vec::with_capacity(all.len() - cut);
    for (at, mut value) in all.into_iter().enumerate() {
        let is_main = main == Some(at);
        if threads.len() >= MAX_THREADS - usize::from(main.is_some_and(|main| main > at)) && !is_main {
            continue;
        }
        let EventStack { frames, frames_cut } = stack_of(&mut value, budget, if is_main { MAX_FRAMES } else { MAX_THREAD_FRAMES });
        threads.push(ProgramThread {
            id: name(value.get("id")),
            name: name(value.get("name")),
            state: name(value.get("state")),
            crashed: value.get("crashed").and_then(flag).unwrap_or(false),
            current: value.get("current").and_then(flag).unwrap_or(false),
            has_event_stack: is_main,
            frames,
            frames_cut,
        });
    }
    (threads, cut as u64)
}

/// Returns the position of the thread that an event is about: the one that the exception names, otherwise the one that crashed,
/// otherwise the current one, otherwise the only one.
fn main_thread(threads: &[Value], thread_id: Option<&str>) -> Option<usize> {
    let is = |thread: &Value, member: &str| thread.get(member).and_then(flag) == Some(true);
    let named = thread_id.and_then(|id| threads.iter().position(|thread| name(thread.get("id")).as_deref() == Some(id)));
    let by_flag = |member: &str| threads.iter().position(|thread| is(thread, member));
    named.or_else(|| by_flag("crashed")).or_else(|| by_flag("current")).or((threads.len() == 1).then_some(0))
}

/// Returns the breadcrumbs, and the number of removed breadcrumbs.
pub(super) fn breadcrumbs(value: Value, shift: i64) -> (Vec<ErrorBreadcrumb>, u64) {
    let mut all = values(value);
    let cut = keep_last(&mut all, MAX_BREADCRUMBS);
    (all.into_iter().map(|value| breadcrumb(value, shift)).collect(), cut)
}

fn breadcrumb(mut value: Value, shift: i64) -> ErrorBreadcrumb {
    let time = serde_json::from_value::<LenientTime>(take(&mut value, "timestamp")).ok().and_then(|time| time.0);
    let data = match take(&mut value, "data") {
        data @ Value::Object(_) => {
            let data = bounded_object(data, BREADCRUMB_LIMIT);
            if data.is_empty() { None } else { Some(Value::Object(data).to_string()) }
        }
        other => scrubbed(text(Some(&other))),
    };
    let kind = name(value.get("type"));
    ErrorBreadcrumb {
        time_us: time.map(|us| us.saturating_add(shift)),
        category: name(value.get("category")).or_else(|| kind.clone()),
        kind,
        level: name(value.get("level")).map(|sent| message_format::known_level(&sent).map_or(sent.clone(), str::to_owned)),
        message: scrubbed(text(value.get("message"))),
        data,
    }
}

/// Returns names with texts, such as the installed packages.
pub(super) fn text_map(value: Value, max_entries: usize) -> std::collections::BTreeMap<String, String> {
    let Value::Object(members) = value else { return Default::default() };
    let entry = |(mut key, value): (String, Value)| {
        trim_text(&mut key, TextLimit::NAME_LIMIT);
        let mut text = plain_text(&value).unwrap_or_default();
        trim_text(&mut text, TextLimit::NAME_LIMIT);
        (key, text)
    };
    members.into_iter().take(max_entries).map(entry).collect()
}

/// Limit of the request.
const REQUEST_LIMIT: DataLimit = DataLimit { bytes: 64 << 10, text: 8192, depth: 7 };

/// Names of the query of a request: today's, and the one of the first browser clients.
const QUERY_NAMES: &[&str] = &["query_string", "querystring"];

/// Returns the request of an event: method, URL, query, headers, cookies, body and environment.
pub(super) fn request(value: Value) -> Map<String, Value> {
    let mut request = bounded_object(value, REQUEST_LIMIT);
    // Each cookie may be a session. The names are shown.
    if let Some(Value::Object(cookies)) = request.get_mut("cookies") {
        cookies.values_mut().for_each(|value| *value = super::scrub::FILTERED.into());
    }
    for name in QUERY_NAMES {
        if let Some(Value::String(query)) = request.get_mut(*name) {
            *query = scrub_query(query);
        }
    }
    if let Some(Value::String(body)) = request.get_mut("data") {
        let is_form = !body.contains(['{', '<', '\n']) && body.contains('=');
        if is_form {
            *body = scrub_query(body);
        }
    }
    request
}

/// Replaces the sensitive values of a query string.
fn scrub_query(query: &str) -> String {
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && is_sensitive_query_pair(name, value) => format!("{name}={}", super::scrub::FILTERED),
        _ => pair.to_owned(),
    });
    pairs.collect::<Vec<_>>().join("&")
}
