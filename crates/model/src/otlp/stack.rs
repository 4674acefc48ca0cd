//! Parses stack traces in the text formats of several languages, so that they are shown and grouped like those of Sentry's SDKs.

use std::sync::LazyLock;

use regex::Regex;

use crate::messages::{TextLimit, trim_text};
use crate::sentry::{LIBRARY_MODULES, LIBRARY_PLACES, StackFrame};

/// Maximum length of a stack that is parsed. The innermost frames are at its end (Python) or at its start (others).
const MAX_STACK_BYTES: usize = 64 << 10;
/// Maximum number of frames; the innermost are kept.
const MAX_FRAMES: usize = 100;
/// Maximum bytes of a source line.
const MAX_SOURCE: TextLimit = TextLimit(1024);

/// Format of a frame in one language.
struct StackFrameFormat {
    pattern: LazyLock<Regex>,
    /// True if the innermost frame is the last.
    innermost_last: bool,
}

macro_rules! writing {
    ($pattern:literal, $innermost_last:literal) => {
        StackFrameFormat { pattern: LazyLock::new(|| Regex::new($pattern).expect("a constant pattern")), innermost_last: $innermost_last }
    };
}

/// Formats by language. The first that matches any line is used for all lines.
static STACK_FORMATS: [StackFrameFormat; 5] = [
    // Python: `  File "/app/a.py", line 9, in f`, the source below.
    writing!(r#"^\s*File "(?<file>[^"]+)", line (?<line>\d+)(?:, in (?<function>.+))?$"#, true),
    // .NET: `   at Shop.Order.Pay(String id) in /app/Order.cs:line 9`
    writing!(r"^\s*at (?<function>[^()]+)\(.*\) in (?<file>.+):line (?<line>\d+)\s*$", false),
    // Java, Kotlin, Scala: `	at com.shop.Order.pay(Order.java:9)`, with the class loader or module in front in newer ones.
    writing!(
        r"^\s*at (?:[\w.@-]+/+)*(?<module>[\w.$]+)\.(?<function>[\w$<>]+)\((?<file>[\w$.-]+\.(?:java|kt|scala|groovy|clj)|Native Method|Unknown Source)(?::(?<line>\d+))?\)",
        false
    ),
    // JavaScript in V8: `    at async pay (file:///app/order.js:9:3)`, also without a name.
    writing!(r"^\s*at (?:async )?(?:(?<function>[^()]+?) \()?(?<file>[^\s()]+):(?<line>\d+):\d+\)?\s*$", false),
    // JavaScript in Firefox and Safari: `pay@https://shop.example/order.js:9:3`
    writing!(r"^(?<function>[^@\s]*)@(?<file>\S+):(?<line>\d+):\d+$", false),
];

/// Returns the frames of a stack, the innermost last; none if the format is unknown.
pub(super) fn parse_stack(stack: &str) -> Vec<StackFrame> {
    // In Python, a chain of causes ends with the exception that was raised last.
    let stack = stack.rsplit("Traceback (most recent call last):").next().unwrap_or(stack);
    let stack = match stack.char_indices().nth(MAX_STACK_BYTES) {
        Some((end, _)) => &stack[..end],
        None => stack,
    };
    let lines: Vec<&str> = stack.lines().collect();
    let Some(writing) = STACK_FORMATS.iter().find(|writing| lines.iter().any(|line| writing.pattern.is_match(line))) else {
        return Vec::new();
    };
    let mut frames: Vec<StackFrame> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        // In Java, the causes follow, and their frames do not belong to the exception that was raised last.
        if !writing.innermost_last && !frames.is_empty() && line.trim_start().starts_with("Caused by:") {
            break;
        }
        let Some(found) = writing.pattern.captures(line) else { continue };
        let text = |name: &str| found.name(name).map(|part| part.as_str().trim().to_owned()).filter(|text| !text.is_empty());
        let source = writing.innermost_last.then(|| lines.get(at + 1)).flatten();
        let source = source.filter(|line| line.starts_with("    ") && !line.trim().is_empty() && !is_frame(writing, line));
        let (filename, module) = (text("file"), text("module"));
        let is_foreign = |place: &str| LIBRARY_PLACES.iter().any(|part| place.contains(part));
        let foreign = filename.as_deref().is_some_and(is_foreign)
            || module.as_deref().or(found.name("function").map(|part| part.as_str())).is_some_and(foreign_module);
        frames.push(StackFrame {
            function: text("function"),
            module,
            line: text("line").and_then(|line| line.parse().ok()),
            in_app: !foreign,
            source: source.map(|line| {
                let mut line = (*line).to_owned();
                trim_text(&mut line, MAX_SOURCE);
                line
            }),
            filename,
            ..StackFrame::default()
        });
    }
    if !writing.innermost_last {
        frames.truncate(MAX_FRAMES);
        frames.reverse();
    }
    frames.split_off(frames.len().saturating_sub(MAX_FRAMES))
}

fn is_frame(writing: &StackFrameFormat, line: &str) -> bool {
    writing.pattern.is_match(line)
}

fn foreign_module(name: &str) -> bool {
    LIBRARY_MODULES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns function, file, line, and whether it is the program's own code.
    fn read(stack: &str) -> Vec<(String, String, u64, bool)> {
        let plain = |frame: StackFrame| {
            (frame.function.unwrap_or_default(), frame.filename.unwrap_or_default(), frame.line.unwrap_or(0), frame.in_app)
        };
        parse_stack(stack).into_iter().map(plain).collect()
    }

    fn frame(function: &str, file: &str, line: u64, own: bool) -> (String, String, u64, bool) {
        (function.into(), file.into(), line, own)
    }

    #[test]
    fn python() {
        let stack = r#"Traceback (most recent call last):
  File "/app/old.py", line 1, in cause
    x()
KeyError: 'a'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 9, in <module>
    ask()
    ~~~^^
  File "/app/env/lib/python3.11/site-packages/openai/_base_client.py", line 1047, in request
    raise self._make_status_error_from_response(err.response) from None
openai.RateLimitError: slow down
"#;
        let library = "/app/env/lib/python3.11/site-packages/openai/_base_client.py";
        assert_eq!(read(stack), [frame("<module>", "/app/main.py", 9, true), frame("request", library, 1047, false)]);
        assert_eq!(parse_stack(stack)[0].source.as_deref(), Some("    ask()"));
    }

    #[test]
    fn javascript() {
        let stack = "Error: slow down\n    at OpenAI.make (file:///app/node_modules/openai/core.mjs:321:15)\n    at process.processTicks (node:internal/process/task_queues:95:5)\n    at async ask (/app/main.js:9:3)\n    at /app/main.js:20:1";
        let wanted = [
            frame("", "/app/main.js", 20, true),
            frame("ask", "/app/main.js", 9, true),
            frame("process.processTicks", "node:internal/process/task_queues", 95, false),
            frame("OpenAI.make", "file:///app/node_modules/openai/core.mjs", 321, false),
        ];
        assert_eq!(read(stack), wanted);
        assert_eq!(read("ask@https://shop.example/main.js:9:3"), [frame("ask", "https://shop.example/main.js", 9, true)]);
    }

    #[test]
    fn java_and_dotnet() {
        let stack = "com.shop.TooLate: no\n\tat com.shop.Order.pay(Order.java:9)\n\tat java.base/java.lang.Thread.run(Thread.java:1583)\nCaused by: java.io.IOException: x\n\tat com.shop.Net.read(Net.java:3)\n\t... 2 more";
        assert_eq!(read(stack), [frame("run", "Thread.java", 1583, false), frame("pay", "Order.java", 9, true)]);
        assert_eq!(parse_stack(stack)[1].module.as_deref(), Some("com.shop.Order"));
        let stack = "System.InvalidOperationException: no\n   at Shop.Order.Pay(String id) in /app/Order.cs:line 9\n   at System.Threading.Tasks.Task.Run() in /_/src/Task.cs:line 1";
        let system = frame("System.Threading.Tasks.Task.Run", "/_/src/Task.cs", 1, false);
        assert_eq!(read(stack), [system, frame("Shop.Order.Pay", "/app/Order.cs", 9, true)]);
    }

    #[test]
    fn unknown_stack_format_has_no_frames() {
        assert_eq!(read("goroutine 1 [running]:\nmain.main()\n\t/app/main.go:9 +0x1d"), []);
        assert_eq!(read(""), []);
    }

    proptest! {
        #[test]
        fn any_stack_text_is_parsed_or_ignored(text in "(at |File \"|[a-z@:.()]|[0-9]|\\n|é){0,80}") {
            prop_assert!(parse_stack(&text).len() <= MAX_FRAMES);
        }
    }
}
