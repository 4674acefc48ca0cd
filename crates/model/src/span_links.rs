//! Links of a span to others, mostly of other traces, as OpenTelemetry sends them. They are stored as one attribute.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{SpanId, TraceId};
use crate::span::Attributes;

/// The attribute that holds the links of a span, as a JSON list.
pub const ATTRIBUTE: &str = "otel.links";

/// A span that another one names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanLink {
    /// Its trace.
    pub trace_id: TraceId,
    /// Its id.
    pub span_id: SpanId,
    /// What is said of the link.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// The links of a stored span; none where the attribute is not what this program wrote.
pub fn of(attributes: &Attributes) -> Vec<SpanLink> {
    let stored = attributes.get(ATTRIBUTE).and_then(|links| links.as_str());
    let links: Vec<Value> = stored.and_then(|links| serde_json::from_str(links).ok()).unwrap_or_default();
    links.into_iter().filter_map(|link| serde_json::from_value(link).ok()).collect()
}
