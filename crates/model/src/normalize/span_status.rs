//! Status of a span, and what it reports about a failure.

use std::collections::BTreeMap;

use super::attributes::RecognizedAttributes;
use super::{RawStatus, client_conventions};
use crate::failure::FailureReport;
use crate::normalize::attribute_names::SpanField;
use crate::span::{SpanStatus, SpanType};

/// Returns what the attributes report about a failure.
pub(super) fn failure_report<'a>(found: &'a RecognizedAttributes) -> FailureReport<'a> {
    let status = found.number(SpanField::HttpStatus);
    FailureReport {
        error_type: found.str(SpanField::ErrorType),
        http_status: status.filter(|status| (100.0..1000.0).contains(status)).map(|status| status as u16),
        message: found.str(SpanField::StatusMessage),
    }
}

/// Returns the status and its detail. An unset status is an error if a status code or an exception indicates one.
pub(super) fn status(
    sent: RawStatus,
    detail: Option<String>,
    kind: SpanType,
    found: &RecognizedAttributes,
    tags: &BTreeMap<String, String>,
) -> (SpanStatus, Option<String>) {
    let detail = found.text(SpanField::StatusMessage).or(detail).or_else(|| found.text(SpanField::ErrorType));
    let status = match sent {
        RawStatus::Ok => SpanStatus::Ok,
        RawStatus::Cancelled => SpanStatus::Cancelled,
        RawStatus::Error => SpanStatus::Error,
        RawStatus::Unset => {
            let tagged = || tags.get("http.status_code")?.parse().ok();
            let code: Option<f64> = found.number(SpanField::HttpStatus).or_else(tagged);
            // A client error in a response of a server is the caller's failure, not the server's.
            let failed_from = if kind == SpanType::Http && found.attributes.contains_key("http.route") { 500.0 } else { 400.0 };
            let failed = code.is_some_and(|code| code >= failed_from);
            let failed = failed || found.has(SpanField::ErrorType) || found.flag(SpanField::Success) == Some(false);
            let failed = failed || found.str(SpanField::Level).is_some_and(client_conventions::is_failure);
            let failed = failed || client_conventions::says_failure(found);
            if failed { SpanStatus::Error } else { SpanStatus::Ok }
        }
    };
    let said = detail.filter(|_| status != SpanStatus::Ok);
    (status, said.or_else(|| tags.get("status").filter(|_| status == SpanStatus::Error).cloned()))
}
