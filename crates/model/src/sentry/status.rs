//! Span statuses of Sentry's protocol.

use crate::normalize::RawStatus;

/// Canonical statuses by gRPC's number, which the oldest SDKs send.
const STATUS_BY_NUMBER: &[&str] = &[
    "ok",
    "cancelled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal_error",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

/// Returns the status of a span of a transaction, and its detail unless that is only "error".
pub(super) fn v1(sent: &str) -> (RawStatus, Option<String>) {
    let by_number = sent.parse::<usize>().ok().and_then(|number| STATUS_BY_NUMBER.get(number).copied());
    match by_number.unwrap_or(sent) {
        "ok" | "success" => (RawStatus::Ok, None),
        "cancelled" => (RawStatus::Cancelled, None),
        "unknown" | "unset" => (RawStatus::Unset, None),
        "failure" | "unknown_error" | "error" => (RawStatus::Error, Some("internal_error".into())),
        other => (RawStatus::Error, Some(other.to_owned())),
    }
}

/// Returns the status from a tag. Older SDKs put the status into a tag if the span has no status. Any other text is a tag of the program
/// itself.
pub(super) fn tagged(tag: &str) -> Option<(RawStatus, Option<String>)> {
    (STATUS_BY_NUMBER.contains(&tag) || matches!(tag, "error" | "failure" | "unknown_error")).then(|| v1(tag))
}

/// Returns the status of a span of a container, which has only two values. An attribute may contain the cause.
pub(super) fn v2(sent: &str) -> RawStatus {
    match sent {
        "error" => RawStatus::Error,
        other => v1(other).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        assert_eq!(v1("success"), (RawStatus::Ok, None));
        assert_eq!(v1("8"), (RawStatus::Error, Some("resource_exhausted".into())));
        assert_eq!(v1("failure"), (RawStatus::Error, Some("internal_error".into())));
        assert_eq!(v1("unknown"), (RawStatus::Unset, None));
        assert_eq!(v2("error"), RawStatus::Error);
        assert_eq!(tagged("error"), Some((RawStatus::Error, Some("internal_error".into()))));
        assert_eq!(tagged("shipped"), None);
    }
}
