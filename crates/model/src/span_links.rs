//! Links of a span to other spans, mostly of other traces, as OpenTelemetry sends them. They are stored in one attribute.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{SpanId, TraceId};
use crate::span::Attributes;

/// Name of the attribute that holds the links of a span, as a JSON list.
pub const LINKS_ATTRIBUTE: &str = "otel.links";

/// A link to another span.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// ID of the linked trace.
    pub trace_id: TraceId,
    /// ID of the linked span.
    pub span_id: SpanId,
    /// Attributes of the link.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// Returns the links of a stored span; none if the attribute was not written by Hinomi.
pub fn of(attributes: &Attributes) -> Vec<SpanLink> {
    let stored = attributes.get(LINKS_ATTRIBUTE).and_then(|links| links.as_str());
    let links: Vec<Value> = stored.and_then(|links| serde_json::from_str(links).ok()).unwrap_or_default();
    links.into_iter().filter_map(|link| serde_json::from_value(link).ok()).collect()
}
