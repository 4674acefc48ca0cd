//! HTTP requests to channels, and what their responses mean.

use super::{DeliveryAttemptResult, DeliveryDisposition};
use crate::delivery::outbound_http::{HttpPostRequest, HttpPostResponse, OutboundHttpClient};

/// Sends one request. Blocks the calling thread.
pub(super) fn send(client: &OutboundHttpClient, post: &HttpPostRequest) -> DeliveryAttemptResult {
    let HttpPostResponse { status, retry_after: asked, reason } = match client.post(post) {
        Ok(answer) => answer,
        Err(error) => return DeliveryAttemptResult::retry_result(error),
    };
    let word = reason.map(|word| format!(" (`{word}`)")).unwrap_or_default();
    let (disposition, error) = match status {
        200..=299 => (DeliveryDisposition::Delivered, None),
        300..=399 => (
            DeliveryDisposition::Retry(None),
            Some(format!("HTTP {status}: redirects are not followed; set the channel's URL to the destination of the redirect")),
        ),
        // The channel rejects the message itself, and would reject it again.
        400 | 413 | 415 | 422 => (DeliveryDisposition::GiveUp, Some(format!("HTTP {status}{word}: the notification was rejected"))),
        401 | 403 | 404 | 410 => {
            (DeliveryDisposition::Retry(asked), Some(format!("HTTP {status}{word}: check the channel's URL and secret")))
        }
        _ => (DeliveryDisposition::Retry(asked), Some(format!("HTTP {status}{word}"))),
    };
    DeliveryAttemptResult { status: Some(status), error, disposition }
}
