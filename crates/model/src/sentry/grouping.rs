//! Groups errors into issues: version 2 of the algorithm.
//!
//! The fingerprint that the program sets decides first. Otherwise, the group follows from all exceptions of the chain, each with its type
//! and its stack. If there are no exceptions, the group follows from the stack of the event or, if there is no stack, from the message. The
//! rules follow the public description of how Sentry groups errors.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error_event::{ErrorEvent, ErrorException, StackFrame};
use super::fingerprint;
use super::frame_names::{is_system_module, is_system_place, normalized_module, normalized_name, normalized_path};
use super::grouping_v1::{EarlierReading, earlier_group};
use super::message_shape::message_shape;

/// Version of the algorithm. Issues store it.
pub const GROUPING_VERSION: u32 = 2;

/// Maximum size of a source line that grouping uses, in bytes. Longer lines are from minified files.
const MAX_SOURCE_BYTES: usize = 120;

/// Returns the frame that identifies the place of an error: the innermost frame in the program's own code, otherwise the innermost frame.
/// SDKs mark all frames as foreign if the program itself is installed like a library.
pub(crate) fn deciding_frame(frames: &[StackFrame]) -> Option<&StackFrame> {
    frames.iter().rev().find(|frame| frame.in_app).or(frames.last())
}

/// Sets the group of an error that comes without fingerprint and template, and its group by the earlier version if that is needed.
pub(crate) fn set_default_group(error: &mut ErrorEvent, earlier_grouping: bool) {
    if earlier_grouping {
        let frames = error.exceptions.last().map(|exception| exception.frames.as_slice()).unwrap_or_default();
        let reading = EarlierReading { kind: &error.kind, value: &error.value, frames, template: None };
        let earlier = earlier_group(&reading, &Value::Null);
        error.earlier_group = Some(earlier);
    }
    error.group = group(error, None, &[]);
}

/// Returns the group of an error. `template` is the error's message without parameters.
pub(super) fn group(error: &ErrorEvent, template: Option<&str>, fingerprint: &[String]) -> [u8; 32] {
    if fingerprint.is_empty() || fingerprint::is_default(fingerprint) {
        return default_group(error, template);
    }
    let mut hash = Sha256::new();
    hash.update(b"fingerprint\0");
    let mut known = None;
    let mut default = || *known.get_or_insert_with(|| default_group(error, template));
    for part in fingerprint {
        fingerprint::resolve(part, error, &mut |text| hash.update(text.as_bytes()), &mut default);
        hash.update([0]);
    }
    hash.finalize().into()
}

/// What identifies an error, as parts of a hash.
struct GroupingHash {
    hash: Sha256,
    is_empty: bool,
}

impl GroupingHash {
    fn new() -> GroupingHash {
        let mut hash = Sha256::new();
        hash.update([GROUPING_VERSION as u8]);
        GroupingHash { hash, is_empty: true }
    }

    /// Adds a part. Parts of different kinds never have the same hash.
    fn add(&mut self, kind: &str, text: &str) {
        for part in [kind, text] {
            self.hash.update(part.as_bytes());
            self.hash.update([0]);
        }
        self.is_empty &= text.is_empty();
    }
}

fn default_group(error: &ErrorEvent, template: Option<&str>) -> [u8; 32] {
    let mut hash = GroupingHash::new();
    for exception in &error.exceptions {
        add_exception(&mut hash, exception);
    }
    if error.exceptions.is_empty() {
        let frames = error.stack.as_ref().map(|stack| stack.frames.as_slice()).unwrap_or_default();
        if !add_stack(&mut hash, frames) {
            hash.add("message", &message_shape(template.unwrap_or(&error.value)));
        }
    }
    if hash.is_empty {
        // Nothing is known: events of different loggers are at least different.
        hash.add("logger", error.details.logger.as_deref().unwrap_or_default());
    }
    hash.hash.finalize().into()
}

/// Adds the type of an exception, and its stack or else its message. The type of a synthetic exception says nothing if there is a stack.
fn add_exception(hash: &mut GroupingHash, exception: &ErrorException) {
    hash.add("exception", "");
    let mut of_stack = GroupingHash::new();
    let has_stack = add_stack(&mut of_stack, &exception.frames);
    if !(has_stack && exception.is_synthetic()) {
        hash.add("type", &normalized_name(&exception.kind));
    }
    if has_stack {
        hash.hash.update(of_stack.hash.finalize());
        hash.is_empty = false;
    } else {
        hash.add("value", &message_shape(&exception.value));
    }
}

/// Adds the frames that grouping uses. Returns false if there are none, or if the frames contain no information.
fn add_stack(hash: &mut GroupingHash, frames: &[StackFrame]) -> bool {
    let mut added = false;
    let mut before = None;
    for frame in counting_frames(frames) {
        let Some(identity) = FrameIdentity::of(frame) else { continue };
        // Recursion of different depth is the same error.
        if before.as_ref() == Some(&identity) {
            continue;
        }
        hash.add("place", &identity.place);
        hash.add("function", &identity.function);
        hash.add("source", &identity.source);
        before = Some(identity);
        added = true;
    }
    added
}

/// Returns the frames that grouping uses: the frames in the program's own code, otherwise all frames. If the client does not report which
/// frames these are, all frames count as the program's own except frames of systems and libraries.
fn counting_frames(frames: &[StackFrame]) -> impl Iterator<Item = &StackFrame> {
    let is_reported = frames.iter().any(|frame| frame.in_app || frame.is_in_app_sent);
    let is_own = move |frame: &StackFrame| if is_reported { frame.in_app } else { !is_of_system(frame) };
    let any_own = frames.iter().any(is_own);
    frames.iter().filter(move |frame| !any_own || is_own(frame))
}

fn is_of_system(frame: &StackFrame) -> bool {
    let places = [&frame.package, &frame.abs_path, &frame.filename];
    places.into_iter().flatten().any(|place| is_system_place(place)) || frame.module.as_deref().is_some_and(is_system_module)
}

/// What identifies a frame: its module or file, its function and its source line. Line numbers change with each release.
#[derive(Debug, PartialEq, Eq)]
struct FrameIdentity {
    place: String,
    function: String,
    source: String,
}

impl FrameIdentity {
    /// Returns `None` if nothing is known about the frame.
    fn of(frame: &StackFrame) -> Option<FrameIdentity> {
        let place = match (&frame.module, &frame.filename, &frame.package) {
            (Some(module), ..) => normalized_module(module),
            (None, Some(file), _) => normalized_path(file),
            (None, None, Some(package)) => normalized_path(package.rsplit(['/', '\\']).next().unwrap_or(package)),
            (None, None, None) => String::new(),
        };
        let function = frame.known_function().map(|name| normalized_name(name).into_owned()).unwrap_or_default();
        if place.is_empty() && function.is_empty() {
            return None;
        }
        Some(FrameIdentity { place, function, source: source_line(frame).unwrap_or_default() })
    }
}

/// Returns the source line of a frame without its white space, if it can identify the place. Pages are different for each user.
fn source_line(frame: &StackFrame) -> Option<String> {
    let source = frame.source.as_deref().filter(|source| source.len() <= MAX_SOURCE_BYTES)?;
    let is_page = frame.filename.as_deref().is_some_and(|file| {
        let path = file.split(['?', '#']).next().unwrap_or(file);
        path.contains("://")
            && !path.rsplit('/').next().is_some_and(|name| name.contains(".js") || name.contains(".mjs") || name.contains(".ts"))
    });
    (!is_page).then(|| source.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::error_event::{EventStack, ExceptionMechanism};
    use super::*;

    fn frame(function: &str, file: &str) -> StackFrame {
        StackFrame {
            function: Some(function.into()),
            filename: Some(file.into()),
            in_app: true,
            is_in_app_sent: true,
            ..StackFrame::default()
        }
    }

    fn library(function: &str) -> StackFrame {
        StackFrame { in_app: false, ..frame(function, "library.py") }
    }

    fn exception(kind: &str, value: &str, frames: &[StackFrame]) -> ErrorException {
        ErrorException { kind: kind.into(), value: value.into(), frames: frames.to_vec(), ..ErrorException::default() }
    }

    fn group_of(exceptions: &[ErrorException]) -> [u8; 32] {
        group(&ErrorEvent { exceptions: exceptions.to_vec(), ..ErrorEvent::default() }, None, &[])
    }

    #[test]
    fn the_stack_decides_before_the_message() {
        let of = |value: &str, frames: &[StackFrame]| group_of(&[exception("E", value, frames)]);
        let stack = [frame("main", "a.py"), frame("f", "b.py")];
        assert_eq!(of("user anna is unknown", &stack), of("user boris is unknown", &stack));
        assert_ne!(of("user anna is unknown", &[]), of("user boris is unknown", &[]));
        assert_eq!(of("user 1 is unknown", &[]), of("user 2 is unknown", &[]));
        assert_ne!(of("m", &stack), of("m", &[frame("other", "a.py"), frame("f", "b.py")]), "each own frame counts");
        assert_ne!(of("m", &stack), group_of(&[exception("F", "m", &stack)]));
        let again = [stack[0].clone(), stack[1].clone(), stack[1].clone(), stack[1].clone()];
        assert_eq!(of("m", &stack), of("m", &again), "recursion");
        let moved = stack.clone().map(|frame| StackFrame { line: Some(99), ..frame });
        assert_eq!(of("m", &stack), of("m", &moved));
        let sourced = |line: &str| stack.clone().map(|frame| StackFrame { source: Some(line.into()), ..frame });
        assert_eq!(of("m", &sourced("  pay(1)")), of("m", &sourced("pay(1)  ")));
        assert_ne!(of("m", &sourced("pay(1)")), of("m", &sourced("add(1)")));
    }

    #[test]
    fn library_frames_count_only_without_own_frames() {
        let of = |frames: &[StackFrame]| group_of(&[exception("E", "m", frames)]);
        assert_eq!(of(&[frame("f", "a.py"), library("x")]), of(&[frame("f", "a.py"), library("y")]));
        assert_ne!(of(&[library("x")]), of(&[library("y")]));
        let native = |function: &str, package: &str| StackFrame {
            function: Some(function.into()),
            package: Some(package.into()),
            ..StackFrame::default()
        };
        let app = native("pay", "/opt/shop/shop");
        let one = [app.clone(), native("abort", "/usr/lib/libc.so.6")];
        let other = [app, native("raise", "/usr/lib/libc.so.6")];
        assert_eq!(of(&one), of(&other), "the client does not report which frames are the program's own");
        assert_ne!(of(&one[1..]), of(&other[1..]));
    }

    #[test]
    fn causes_and_synthetic_exceptions() {
        let stack = [frame("f", "a.py")];
        let main = exception("OrderError", "m", &stack);
        let chain = |cause: &str| group_of(&[exception(cause, "x", &[]), main.clone()]);
        assert_ne!(chain("DatabaseError"), chain("PaymentDeclined"));
        assert_ne!(chain("DatabaseError"), group_of(std::slice::from_ref(&main)));
        let synthetic = |kind: &str, frames: &[StackFrame]| {
            let mechanism = ExceptionMechanism { synthetic: Some(true), ..ExceptionMechanism::default() };
            group_of(&[ErrorException { mechanism: Some(Box::new(mechanism)), ..exception(kind, "m", frames) }])
        };
        assert_eq!(synthetic("SIGSEGV", &stack), synthetic("SIGABRT", &stack));
        assert_ne!(synthetic("SIGSEGV", &[]), synthetic("SIGABRT", &[]));
    }

    #[test]
    fn messages() {
        let of = |value: &str, stack: &[StackFrame], template: Option<&str>| {
            let stack = Some(EventStack { frames: stack.to_vec(), frames_cut: 0 });
            group(&ErrorEvent { kind: "Message".into(), value: value.into(), stack, ..ErrorEvent::default() }, template, &[])
        };
        assert_eq!(of("user a is gone", &[], Some("user %s is gone")), of("user b is gone", &[], Some("user %s is gone")));
        assert_ne!(of("started", &[], None), of("stopped", &[], None));
        let stack = [frame("f", "a.py")];
        assert_eq!(of("started", &stack, None), of("stopped", &stack, None));
        let unknown = [StackFrame { function: Some("?".into()), ..StackFrame::default() }];
        assert_ne!(of("started", &unknown, None), of("stopped", &unknown, None), "the frame says nothing");
    }

    #[test]
    fn the_fingerprint_of_the_program_decides() {
        let error = |value: &str, function: &str| ErrorEvent {
            kind: "E".into(),
            value: value.into(),
            exceptions: vec![exception("E", value, &[frame(function, "a.py")])],
            ..ErrorEvent::default()
        };
        let with =
            |error: &ErrorEvent, parts: &[&str]| group(error, None, &parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>());
        let (one, two) = (error("a", "f"), error("b", "g"));
        assert_eq!(with(&one, &["db-down"]), with(&two, &["db-down"]));
        assert_ne!(with(&one, &["db-down", "{{ default }}"]), with(&two, &["db-down", "{{default}}"]));
        for spelling in ["{{ default }}", "{{default}}", "{{ default}}", "{{default }}"] {
            assert_eq!(with(&one, &[spelling]), with(&one, &[]), "{spelling}");
            assert_eq!(with(&one, &["a", spelling]), with(&one, &["a", "{{ default }}"]), "{spelling}");
        }
        assert_eq!(with(&one, &["a", "{{ type }}"]), with(&two, &["a", "{{ error.type }}"]));
        assert_ne!(with(&one, &["a", "{{ value }}"]), with(&two, &["a", "{{ value }}"]));
    }
}
