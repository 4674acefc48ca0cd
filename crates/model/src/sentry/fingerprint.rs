//! Variables in the fingerprints that programs set.

use super::error_event::{ErrorEvent, StackFrame};
use super::grouping::deciding_frame;

/// Variables by name, each with the property of the error that it stands for.
const VARIABLES: &[(&str, FingerprintVariable)] = &[
    ("default", FingerprintVariable::Default),
    ("type", FingerprintVariable::Type),
    ("error.type", FingerprintVariable::Type),
    ("value", FingerprintVariable::Value),
    ("error.value", FingerprintVariable::Value),
    ("message", FingerprintVariable::Message),
    ("transaction", FingerprintVariable::Transaction),
    ("level", FingerprintVariable::Level),
    ("logger", FingerprintVariable::Logger),
    ("function", FingerprintVariable::Function),
    ("stack.function", FingerprintVariable::Function),
    ("module", FingerprintVariable::Module),
    ("stack.module", FingerprintVariable::Module),
    ("package", FingerprintVariable::Package),
    ("stack.package", FingerprintVariable::Package),
    ("path", FingerprintVariable::Path),
    ("stack.abs_path", FingerprintVariable::Path),
    ("stack.filename", FingerprintVariable::Path),
    ("release", FingerprintVariable::Release),
    ("environment", FingerprintVariable::Environment),
    ("platform", FingerprintVariable::Platform),
];

/// Prefix of a variable that stands for a tag.
const TAG_PREFIX: &str = "tags.";
/// Maximum bytes of a variable in its braces.
const MAX_VARIABLE_BYTES: usize = 250;
/// Text for a property that the error does not have.
const MISSING: &str = "<missing>";

/// A property of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FingerprintVariable {
    Default,
    Type,
    Value,
    Message,
    Transaction,
    Level,
    Logger,
    Function,
    Module,
    Package,
    Path,
    Release,
    Environment,
    Platform,
}

/// Returns the name in `{{ name }}` at the start of a text, and what follows.
fn variable(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.as_bytes().windows(2).take(MAX_VARIABLE_BYTES).position(|pair| pair == b"}}")?;
    let (name, after) = (inner[..end].trim(), &inner[end + 2..]);
    (!name.is_empty() && !name.contains(['{', '}', ' '])).then_some((name, after))
}

fn known(name: &str) -> Option<FingerprintVariable> {
    VARIABLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, variable)| *variable)
}

/// Returns whether a fingerprint is the default group alone.
pub(super) fn is_default(fingerprint: &[String]) -> bool {
    let [only] = fingerprint else { return false };
    variable(only.trim()).is_some_and(|(name, after)| after.is_empty() && known(name) == Some(FingerprintVariable::Default))
}

/// Replaces the variables in a part of a fingerprint, and passes the pieces of the result to `add`. Unknown variables stay.
pub(super) fn resolve(part: &str, error: &ErrorEvent, add: &mut dyn FnMut(&str), default: &mut dyn FnMut() -> [u8; 32]) {
    let mut rest = part;
    while let Some(start) = rest.find("{{") {
        let (before, from) = rest.split_at(start);
        add(before);
        let Some((name, after)) = variable(from) else {
            add("{{");
            rest = &from[2..];
            continue;
        };
        match known(name) {
            Some(FingerprintVariable::Default) => add(&default().iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
            Some(variable) => add(value_of(variable, error).unwrap_or(MISSING)),
            None => match name.strip_prefix(TAG_PREFIX) {
                Some(tag) => add(error.tags.get(tag).map_or(MISSING, String::as_str)),
                None => add(&from[..from.len() - after.len()]),
            },
        }
        rest = after;
    }
    add(rest);
}

fn value_of(variable: FingerprintVariable, error: &ErrorEvent) -> Option<&str> {
    let frame = |property: fn(&StackFrame) -> &Option<String>| deciding_frame(error.frames()).and_then(|frame| property(frame).as_deref());
    match variable {
        FingerprintVariable::Default => None,
        FingerprintVariable::Type => Some(&error.kind),
        FingerprintVariable::Value => Some(&error.value),
        FingerprintVariable::Message => error.message.as_deref().or(Some(&error.value)),
        FingerprintVariable::Transaction => error.transaction.as_deref(),
        FingerprintVariable::Level => Some(&error.level),
        FingerprintVariable::Logger => error.details.logger.as_deref(),
        FingerprintVariable::Function => frame(|frame| &frame.function),
        FingerprintVariable::Module => frame(|frame| &frame.module),
        FingerprintVariable::Package => frame(|frame| &frame.package),
        FingerprintVariable::Path => frame(|frame| &frame.abs_path).or_else(|| frame(|frame| &frame.filename)),
        FingerprintVariable::Release => error.release.as_deref(),
        FingerprintVariable::Environment => error.environment.as_deref(),
        FingerprintVariable::Platform => error.details.platform.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_in_any_spacing() {
        let error = ErrorEvent {
            kind: "KeyError".into(),
            value: "a".into(),
            transaction: Some("/pay".into()),
            tags: [("tenant".to_owned(), "acme".to_owned())].into(),
            ..ErrorEvent::default()
        };
        let resolved = |part: &str| {
            let mut text = String::new();
            resolve(part, &error, &mut |more| text.push_str(more), &mut || [0xab; 32]);
            text
        };
        for part in ["{{ type }}", "{{type}}", "{{  error.type }}", "{{error.type}}"] {
            assert_eq!(resolved(part), "KeyError", "{part}");
        }
        assert_eq!(resolved("on {{ transaction }} of {{ tags.tenant }}"), "on /pay of acme");
        assert_eq!(resolved("{{ logger }} {{ tags.none }}"), "<missing> <missing>");
        assert_eq!(resolved("{{ odd }} {{ {{ } }}"), "{{ odd }} {{ {{ } }}");
        assert_eq!(resolved("{{default}}"), "ab".repeat(32));
    }
}
