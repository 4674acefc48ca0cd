//! The shape of a message: what remains when its variable parts are replaced.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Variable parts of messages, each with its pattern. The first that matches at a place is used.
const VARIABLE_PARTS: &[(&str, &str)] = &[
    ("url", r#"\b[a-z][a-z0-9+.-]*://[^\s"'<>)\]}]+"#),
    ("email", r"[\w.!#$%&*+/=?^{|}~-]+@[\w-]+(?:\.[\w-]+)+"),
    ("uuid", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"),
    (
        "id",
        r"\b(?:req|call|chatcmpl|msg|run|resp|org|proj|user|sess|sk|cus|ch|pi|sub|batch|file|thread|asst|toolu)[-_][a-z0-9_-]*\d[a-z0-9_-]*\b",
    ),
    ("path", r#"["'`][^"'`\n]*[/\\][^"'`\n]*["'`]"#),
    ("path", r"(?:[a-z]:\\|\B/)(?:[\w.+@~-]+[/\\])+[\w.+@~-]*"),
    ("quoted", r#"["'`][^"'`\n]*\d[^"'`\n]*["'`]"#),
    ("assigned", r#"[=]\s?(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`|true\b|false\b|null\b|none\b)"#),
    (
        "date",
        r"\b(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,?\s+(?:\d{1,2}\s+)?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\s+\d[\d: ]*(?:\s?(?:gmt|utc|[+-]\d{4}))?",
    ),
    ("date", r"\b\d{1,2}[ -](?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ -]\d{2,4}(?:[ ,]+\d{1,2}:\d{2}(?::\d{2})?)?"),
    ("date", r"\b\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?:[t ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:z|utc|gmt|[+-]\d{2}:?\d{2}))?)?"),
    ("ip", r"\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){2,7}\b"),
    ("ip", r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b"),
    ("hex", r"\b0x[0-9a-f]+\b"),
    ("hex", r"\b[0-9a-f]{24,}\b|\b(?:[0-9]+[a-f]+|[a-f]+[0-9]+)[0-9a-f]{5,}\b"),
    ("token", r"\b[a-z0-9_-]*(?:\d[a-z_-]+){3,}\d[a-z0-9_-]*\b"),
    ("number", r"\b\d+(?:[.,:]\d+)*(?:e[+-]?\d+)?"),
];

/// What replaces a variable part.
const PLACEHOLDER: &str = "*";
/// Maximum bytes of a message that are compared. Long messages differ at their end; the beginning identifies the problem.
const MAX_MESSAGE_BYTES: usize = 1000;

/// Returns the shape of a message.
pub(super) fn message_shape(message: &str) -> Cow<'_, str> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let parts: Vec<&str> = VARIABLE_PARTS.iter().map(|(_, pattern)| *pattern).collect();
        Regex::new(&format!("(?i:{})", parts.join("|"))).expect("a constant pattern")
    });
    let message = message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)].trim();
    PATTERN.replace_all(message, PLACEHOLDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_parts_are_replaced() {
        let same = [
            ("retry in 20s", "retry in 7s"),
            ("order 4711 not found", "order 99 not found"),
            ("GET https://a.example/x?y=1 failed", "GET http://b.example/z failed"),
            ("mail to anna@a.example bounced", "mail to bo.b+x@mail.b.example bounced"),
            ("id 1f2e3d4c-0000-4000-8000-000000000001 is gone", "id aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee is gone"),
            ("<Basket object at 0x7fe9e0>", "<Basket object at 0x10aaa0f>"),
            ("failed at 2026-11-30T12:00:00.123Z", "failed at 2025-01-02 03:04:05+02:00"),
            ("failed at Mon, 30 Nov 2026 12:00:00 GMT", "failed at Tue, 1 Dec 2026 01:02:03 GMT"),
            ("connect to 10.0.0.1:5432 refused", "connect to 192.168.7.22:5433 refused"),
            ("connect to fe80::1ff:fe23:4567:890a refused", "connect to 2001:db8:0:0:0:ff00:42:8329 refused"),
            ("cannot open '/tmp/a/b.txt'", "cannot open '/var/lib/c'"),
            ("cannot open /tmp/a/b.txt", "cannot open /var/lib/c"),
            ("cannot open C:\\temp\\a.txt", "cannot open D:\\logs\\b.txt"),
            ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8 failed", "commit da39a3ee5e6b4b0d3255bfef95601890afd80709 failed"),
            ("model 'gpt-4o' is busy", "model 'gpt-5' is busy"),
            ("no request req_011CQ", "no request req_9f2"),
            ("user='anna' failed", "user='boris' failed"),
            ("ready=true", "ready=false"),
            ("took 1.5 of 3e-5", "took 2.25 of 4e+7"),
        ];
        for (one, other) in same {
            assert_eq!(message_shape(one), message_shape(other));
        }
        for (one, other) in
            [("not found", "not allowed"), ("utf8 is wrong", "utf16 is wrong"), ("'anna' failed", "'boris' failed"), ("a/b", "a/c")]
        {
            assert_ne!(message_shape(one), message_shape(other));
        }
        assert_eq!(message_shape("plain words"), "plain words");
    }
}
