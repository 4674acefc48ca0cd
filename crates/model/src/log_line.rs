//! Log records that do not report a call.

use serde::{Deserialize, Serialize};

use crate::clock::TimeSource;
use crate::decode_budget;
use crate::fingerprint::Fingerprint;
use crate::id::{SpanId, TraceId};
use crate::messages::{TextLimit, trim_text, trim_value};
use crate::sentry::{scrub_attribute, scrub_text};
use crate::span::{Attributes, names};

/// Maximum bytes of a body; a longer one is truncated.
const MAX_BODY: TextLimit = TextLimit(16 << 10);
/// Maximum bytes of one attribute.
const MAX_ATTRIBUTE: TextLimit = TextLimit(4 << 10);
/// Maximum number of attributes of one line.
const MAX_ATTRIBUTES: usize = 128;
/// Maximum bytes of all attributes of one line.
const MAX_ATTRIBUTES_BYTES: usize = 64 << 10;

names!(
    /// Severity of a log line.
    LogLevel {
        /// The most detailed level.
        Trace = "trace",
        /// Details for debugging.
        Debug = "debug",
        /// Normal operation.
        Info = "info",
        /// Something unexpected that is not an error.
        Warn = "warn",
        /// An error.
        Error = "error",
        /// An error that stops the program.
        Fatal = "fatal",
    }
);

impl LogLevel {
    /// Returns the level of OpenTelemetry's severity number: four numbers for each level, starting at 1.
    pub(crate) fn from_severity_number(number: i32) -> Option<LogLevel> {
        let at = usize::try_from(number.checked_sub(1)?).ok()? / 4;
        LogLevel::ALL.get(at).copied()
    }

    /// Returns the level of a word that logging libraries use.
    pub(crate) fn from_logger_name(word: &str) -> Option<LogLevel> {
        const OTHER_LEVEL_NAMES: &[(&str, LogLevel)] = &[
            ("verbose", LogLevel::Trace),
            ("information", LogLevel::Info),
            ("informational", LogLevel::Info),
            ("notice", LogLevel::Info),
            ("log", LogLevel::Info),
            ("warning", LogLevel::Warn),
            ("err", LogLevel::Error),
            ("severe", LogLevel::Error),
            ("critical", LogLevel::Fatal),
            ("crit", LogLevel::Fatal),
            ("alert", LogLevel::Fatal),
            ("emergency", LogLevel::Fatal),
            ("emerg", LogLevel::Fatal),
            ("panic", LogLevel::Fatal),
        ];
        let word = word.trim().to_ascii_lowercase();
        LogLevel::from_name(&word).or_else(|| OTHER_LEVEL_NAMES.iter().find(|(other, _)| *other == word).map(|(_, level)| *level))
    }
}

/// A log record.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Hash of the line. It is the same if the line is sent again, and different for every other line.
    pub key: [u8; 16],
    /// ID of the trace in which the line was written, if the client sends it.
    pub trace_id: Option<TraceId>,
    /// ID of the span in which the line was written, if the client sends it.
    pub span_id: Option<SpanId>,
    /// Time in microseconds since the Unix epoch, after any correction of the client's clock.
    pub at_us: i64,
    /// Severity; `None` if the client does not send it.
    pub level: Option<LogLevel>,
    /// Text of the line.
    pub body: String,
    /// Other attributes.
    pub attributes: Attributes,
}

impl LogLine {
    /// Returns the bytes that are charged to the request for this line.
    pub(crate) fn bytes(&self) -> usize {
        2 * size_of::<LogLine>() + decode_budget::text_bytes(&self.body) + decode_budget::object(&self.attributes)
    }

    /// Truncates long texts, replaces sensitive values, drops attributes beyond the limits, and notes their number in an attribute.
    pub(crate) fn truncate_and_scrub(&mut self) {
        trim_text(&mut self.body, MAX_BODY);
        scrub_text(&mut self.body);
        let mut left = MAX_ATTRIBUTES_BYTES;
        let mut count = 0;
        let attributes = std::mem::take(&mut self.attributes).into_iter();
        let mut cut = 0;
        for (name, mut value) in attributes {
            trim_value(&mut value, MAX_ATTRIBUTE);
            scrub_attribute(&name, &mut value);
            let size = name.len() + value.to_string().len();
            if count == MAX_ATTRIBUTES || size > left {
                cut += 1;
                continue;
            }
            (count, left) = (count + 1, left - size);
            self.attributes.insert(name, value);
        }
        if cut > 0 {
            self.attributes.insert("hinomi.attributes_cut".into(), cut.into());
        }
    }
}

/// If the time of a line is not the time that was sent, records the source of the time in an attribute of the line.
pub(crate) fn note_source(attributes: &mut Attributes, source: TimeSource) {
    attributes.insert("hinomi.time_from".into(), source.as_str().into());
}

/// Distinguishes log lines of one request that are equal, including their time: each occurrence gets its own key.
#[derive(Debug, Default)]
pub(crate) struct OccurrenceKeyGenerator(std::collections::HashMap<Fingerprint, u32>);

impl OccurrenceKeyGenerator {
    /// Returns the key of the next line with this content.
    pub(crate) fn next(&mut self, content: Fingerprint) -> [u8; 16] {
        let count = self.0.entry(content).or_default();
        *count += 1;
        let whole = Fingerprint::of(&[&hex(&content.bytes()), &count.to_string()]);
        whole.bytes().first_chunk().copied().unwrap_or_default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_by_number_and_word() {
        let found = [0, 1, 8, 9, 13, 17, 24, 25, i32::MIN].map(LogLevel::from_severity_number);
        let (trace, debug, info, warn) = (Some(LogLevel::Trace), Some(LogLevel::Debug), Some(LogLevel::Info), Some(LogLevel::Warn));
        assert_eq!(found, [None, trace, debug, info, warn, Some(LogLevel::Error), Some(LogLevel::Fatal), None, None]);
        let words = ["WARNING", "Information", "error", "CRITICAL", "loud"].map(LogLevel::from_logger_name);
        assert_eq!(words, [warn, info, Some(LogLevel::Error), Some(LogLevel::Fatal), None]);
    }

    #[test]
    fn long_log_line_notes_its_truncation() {
        let attributes = (0..200).map(|at| (format!("a{at}"), "x".repeat(1000).into())).collect();
        let (trace_id, body) = (Some(TraceId(1)), "x".repeat(20_000));
        let mut line = LogLine { key: [0; 16], trace_id, span_id: None, at_us: 0, level: None, body, attributes };
        line.truncate_and_scrub();
        assert!(line.body.ends_with("… [3616 bytes cut]"), "{}", &line.body[16_000..]);
        let kept = line.attributes.len() as u64 - 1;
        assert_eq!((kept > 50, line.attributes["hinomi.attributes_cut"].as_u64()), (true, Some(200 - kept)));
    }

    #[test]
    fn secrets_of_a_log_line_are_replaced() {
        let attributes = [("api_key".to_owned(), "k-1".into()), ("session.id".to_owned(), "s-1".into())].into_iter().collect();
        let body = "login of anna with password=hunter2".to_owned();
        let mut line = LogLine { key: [0; 16], trace_id: None, span_id: None, at_us: 0, level: None, body, attributes };
        line.truncate_and_scrub();
        assert_eq!(line.body, "login of anna with password=[Filtered]");
        assert_eq!((line.attributes["api_key"].as_str(), line.attributes["session.id"].as_str()), (Some("[Filtered]"), Some("s-1")));
    }

    #[test]
    fn equal_log_lines_are_stored_and_resent_ones_are_not() {
        let content = Fingerprint::of(&["tick"]);
        let keys = || {
            let mut keys = OccurrenceKeyGenerator::default();
            [keys.next(content), keys.next(content)]
        };
        assert_ne!(keys()[0], keys()[1]);
        assert_eq!(keys(), keys());
    }
}
