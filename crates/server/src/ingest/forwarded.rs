//! The part of a received request that is forwarded.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use hinomi_model::otlp::OtlpEncoding;
use hinomi_tables::forwards::{ForwardedProtocol, ForwardedRequest, HOPS_HEADER};

use super::otlp::header_text;
use super::rejection::IngestRejection;
use super::{AuthenticatedSender, IngestState};

/// Maximum number of servers that a request passes.
const MAX_HOPS: usize = 8;

/// A request that has a target, without its body.
#[derive(Debug, Clone)]
pub(super) struct ForwardSource {
    protocol: ForwardedProtocol,
    content_type: String,
    hops: String,
}

impl ForwardSource {
    /// Returns the source with the content type of an encoding of OTLP.
    pub(super) fn of_encoding(self, encoding: OtlpEncoding) -> ForwardSource {
        let content_type = match encoding {
            OtlpEncoding::Binary => "application/x-protobuf",
            OtlpEncoding::Json => "application/json",
        };
        ForwardSource { content_type: content_type.to_owned(), ..self }
    }

    /// Returns the request with its body after decompression.
    pub(super) fn with_body(&self, body: &Bytes) -> ForwardedRequest {
        let ForwardSource { protocol, content_type, hops } = self.clone();
        ForwardedRequest { protocol, content_type, hops, body: body.clone() }
    }
}

impl IngestState {
    /// Returns the part of a request that is forwarded; `None` if no target of the project accepts its protocol.
    pub(super) fn forward_source(
        &self,
        sender: &AuthenticatedSender,
        headers: &HeaderMap,
        protocol: ForwardedProtocol,
    ) -> Result<Option<ForwardSource>, IngestRejection> {
        let project = sender.project.id;
        let hops = hops(headers, || self.forwards.hop(project)).ok_or(IngestRejection::ForwardLoop)?;
        let is_taken = self.forwards.enabled(project).is_some_and(|targets| targets.iter().any(|target| protocol.suits(target.kind)));
        let content_type = || header_text(headers, header::CONTENT_TYPE.as_str()).unwrap_or("application/octet-stream").to_owned();
        Ok(is_taken.then(|| ForwardSource { protocol, content_type: content_type(), hops }))
    }
}

/// Returns the servers that a request has passed; `None` if it has passed this project before, or too many.
fn hops(headers: &HeaderMap, own: impl FnOnce() -> String) -> Option<String> {
    // Only servers send the header, so other requests cost one look.
    let Some(passed) = header_text(headers, HOPS_HEADER) else { return Some(String::new()) };
    let own = own();
    let is_loop = passed.split(',').any(|hop| hop.trim() == own) || passed.split(',').count() >= MAX_HOPS;
    (!is_loop).then(|| passed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_comes_back_is_recognized() {
        let passed = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOPS_HEADER, text.parse().unwrap());
            hops(&headers, || "a1/1".to_owned())
        };
        assert_eq!(hops(&HeaderMap::new(), || unreachable!()).as_deref(), Some(""));
        assert_eq!(passed("b2/1, a1/2").as_deref(), Some("b2/1, a1/2"), "another project of this server");
        assert_eq!(passed("b2/1, a1/1"), None);
        assert_eq!(passed(&["b2/1"; MAX_HOPS].join(",")), None);
    }
}
