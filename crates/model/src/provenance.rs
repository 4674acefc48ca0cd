//! Where the fields of a span were read from.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::clock::TimeSource;
use crate::id::{SpanId, TraceId};
use crate::legacy_sentences;

/// A field of a span and its source.
///
/// Stored as `{"field", "attribute"}` if the source is an attribute, otherwise as `{"field", "kind"}` with the IDs of the other report, or
/// with the rule and its attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProvenance {
    /// Field of the span, such as `usage.input_tokens`.
    pub field: Cow<'static, str>,
    /// Source of the field.
    pub source: FieldSource,
}

/// Source of a field. Everything but an attribute is an inference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// Attribute or measurement with this name as sent, such as `gen_ai.usage.prompt_tokens`.
    Attribute(String),
    /// Numbered attributes with this prefix, such as `gen_ai.prompt`. Such attributes are found when a span is explained, and are never
    /// stored.
    AttributePrefix(&'static str),
    /// Rule of the project, with the attribute that it maps. The rule alone determines the kind of the span.
    MappingRule {
        /// Name of the rule.
        rule: String,
        /// Name of the attribute as sent.
        attribute: Option<String>,
    },
    /// Instrumentation that created the span.
    Instrumentation,
    /// Vendor of the model.
    ModelVendor,
    /// Part of the total that is neither input nor output.
    RestOfTotal,
    /// Report of the same call by a gateway. The cost in this report is the amount that the gateway bills.
    GatewayReport(Box<ReportAddress>),
    /// Report of the same call by another instrumentation.
    OtherReport(Box<ReportAddress>),
    /// Span that fetched the response of the call later.
    FetchedResponse(Box<ReportAddress>),
    /// Another time of the span, because the time as sent is invalid.
    Time(TimeSource),
}

/// The span that reports the same call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportAddress {
    /// ID of the trace.
    pub trace_id: TraceId,
    /// ID of the span.
    pub span_id: SpanId,
}

impl FieldSource {
    /// Returns the name of the kind in storage and API.
    pub const fn kind(&self) -> &'static str {
        match self {
            FieldSource::Attribute(_) => "attribute",
            FieldSource::AttributePrefix(_) => "attribute_prefix",
            FieldSource::MappingRule { .. } => "mapping_rule",
            FieldSource::Instrumentation => "instrumentation",
            FieldSource::ModelVendor => "model_vendor",
            FieldSource::RestOfTotal => "rest_of_total",
            FieldSource::GatewayReport(_) => "gateway_report",
            FieldSource::OtherReport(_) => "other_report",
            FieldSource::FetchedResponse(_) => "fetched_response",
            FieldSource::Time(time) => time.as_str(),
        }
    }

    /// Returns the name of the attribute that contains the field; `None` if there is no such attribute.
    pub fn attribute(&self) -> Option<&str> {
        match self {
            FieldSource::Attribute(name) | FieldSource::MappingRule { attribute: Some(name), .. } => Some(name),
            _ => None,
        }
    }

    /// Returns the name of the rule, for that kind.
    pub fn rule(&self) -> Option<&str> {
        match self {
            FieldSource::MappingRule { rule, .. } => Some(rule),
            _ => None,
        }
    }

    /// Returns the other report of the call, for these kinds.
    pub fn report(&self) -> Option<ReportAddress> {
        match self {
            FieldSource::GatewayReport(report) | FieldSource::OtherReport(report) | FieldSource::FetchedResponse(report) => Some(**report),
            _ => None,
        }
    }

    /// Returns true if the field was inferred and not sent.
    pub const fn is_inferred(&self) -> bool {
        !matches!(self, FieldSource::Attribute(_) | FieldSource::AttributePrefix(_) | FieldSource::MappingRule { .. })
    }

    fn from_stored(kind: &str, report: Option<ReportAddress>) -> Option<FieldSource> {
        match kind {
            "instrumentation" => Some(FieldSource::Instrumentation),
            "model_vendor" => Some(FieldSource::ModelVendor),
            "rest_of_total" => Some(FieldSource::RestOfTotal),
            "gateway_report" => Some(FieldSource::GatewayReport(Box::new(report?))),
            // The sum of an agent above the call, which an earlier version copied to the call.
            "other_report" | "agent_sum" => Some(FieldSource::OtherReport(Box::new(report?))),
            "fetched_response" => Some(FieldSource::FetchedResponse(Box::new(report?))),
            time => TimeSource::from_name(time).map(FieldSource::Time),
        }
    }
}

/// Form of a source in the API.
#[derive(Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum FieldSourceView<'a> {
    /// Attribute or measurement.
    Attribute {
        /// Name of the attribute as the client sent it, such as `gen_ai.usage.prompt_tokens`.
        attribute: &'a str,
    },
    /// Numbered attributes that share a prefix.
    AttributePrefix {
        /// Prefix of the names, such as `gen_ai.prompt`.
        attribute: &'a str,
    },
    /// Rule of the project.
    MappingRule {
        /// Name of the rule.
        rule: &'a str,
        /// Name of the attribute that the rule maps, as the client sent it; null for the kind of the span.
        #[schema(required)]
        attribute: Option<&'a str>,
    },
    /// Inferred from the instrumentation that created the span.
    Instrumentation,
    /// Inferred from the vendor of the model.
    ModelVendor,
    /// Part of the total that is neither input nor output.
    RestOfTotal,
    /// Report of the same call by a gateway.
    GatewayReport {
        /// ID of the trace of the other report.
        #[schema(value_type = String)]
        trace_id: TraceId,
        /// ID of the span of the other report.
        #[schema(value_type = String)]
        span_id: SpanId,
    },
    /// Report of the same call by another instrumentation.
    OtherReport {
        /// ID of the trace of the other report.
        #[schema(value_type = String)]
        trace_id: TraceId,
        /// ID of the span of the other report.
        #[schema(value_type = String)]
        span_id: SpanId,
    },
    /// Span that fetched the response of the call later.
    FetchedResponse {
        /// ID of the trace that fetched the response.
        #[schema(value_type = String)]
        trace_id: TraceId,
        /// ID of the span that fetched the response.
        #[schema(value_type = String)]
        span_id: SpanId,
    },
    /// Start of the span, in place of an invalid time.
    StartTime,
    /// End of the span, in place of an invalid time.
    EndTime,
    /// Time at which the event was written, in place of an invalid time.
    EventTime,
    /// Time at which the request arrived, in place of an invalid time.
    ReceivedAt,
}

impl<'a> From<&'a FieldSource> for FieldSourceView<'a> {
    fn from(source: &'a FieldSource) -> FieldSourceView<'a> {
        match source {
            FieldSource::Attribute(attribute) => FieldSourceView::Attribute { attribute },
            FieldSource::AttributePrefix(attribute) => FieldSourceView::AttributePrefix { attribute },
            FieldSource::MappingRule { rule, attribute } => FieldSourceView::MappingRule { rule, attribute: attribute.as_deref() },
            FieldSource::Instrumentation => FieldSourceView::Instrumentation,
            FieldSource::ModelVendor => FieldSourceView::ModelVendor,
            FieldSource::RestOfTotal => FieldSourceView::RestOfTotal,
            FieldSource::GatewayReport(report) => FieldSourceView::GatewayReport { trace_id: report.trace_id, span_id: report.span_id },
            FieldSource::OtherReport(report) => FieldSourceView::OtherReport { trace_id: report.trace_id, span_id: report.span_id },
            FieldSource::FetchedResponse(report) => FieldSourceView::FetchedResponse { trace_id: report.trace_id, span_id: report.span_id },
            FieldSource::Time(TimeSource::Start) => FieldSourceView::StartTime,
            FieldSource::Time(TimeSource::End) => FieldSourceView::EndTime,
            FieldSource::Time(TimeSource::Event) => FieldSourceView::EventTime,
            FieldSource::Time(TimeSource::Receipt) => FieldSourceView::ReceivedAt,
        }
    }
}

/// Serializes in the form of the API, which always contains the kind.
impl Serialize for FieldSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FieldSourceView::from(self).serialize(serializer)
    }
}

impl PartialSchema for FieldSource {
    fn schema() -> RefOr<Schema> {
        FieldSourceView::schema()
    }
}

impl ToSchema for FieldSource {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FieldSource")
    }
}

/// Form in storage: an attribute needs no kind, since nearly all fields come from one.
#[serde_with::skip_serializing_none]
#[derive(Serialize, Deserialize)]
struct StoredProvenance<'a> {
    field: Cow<'a, str>,
    attribute: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    trace_id: Option<TraceId>,
    span_id: Option<SpanId>,
    /// Rule of the project.
    rule: Option<Cow<'a, str>>,
    /// Text of earlier versions, in place of all other fields but `field`.
    from: Option<String>,
}

impl Serialize for FieldProvenance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let attribute = self.source.attribute();
        let (report, rule) = (self.source.report(), self.source.rule());
        let stored = StoredProvenance {
            field: Cow::Borrowed(&self.field),
            attribute: attribute.map(Cow::Borrowed),
            kind: (attribute.is_none() || rule.is_some()).then(|| Cow::Borrowed(self.source.kind())),
            trace_id: report.map(|report| report.trace_id),
            span_id: report.map(|report| report.span_id),
            rule: rule.map(Cow::Borrowed),
            from: None,
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for FieldProvenance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FieldProvenance, D::Error> {
        let stored = StoredProvenance::<'static>::deserialize(deserializer)?;
        let report = stored.trace_id.zip(stored.span_id).map(|(trace_id, span_id)| ReportAddress { trace_id, span_id });
        if let Some(rule) = stored.rule {
            let source = FieldSource::MappingRule { rule: rule.into_owned(), attribute: stored.attribute.map(Cow::into_owned) };
            return Ok(FieldProvenance { field: stored.field, source });
        }
        let source = match (stored.attribute, stored.kind, stored.from) {
            (Some(attribute), ..) => FieldSource::Attribute(attribute.into_owned()),
            (None, Some(kind), _) => {
                FieldSource::from_stored(&kind, report).ok_or_else(|| D::Error::custom(format!("no source of a field is {kind:?}")))?
            }
            (None, None, Some(from)) => legacy_sentences::field_source(&stored.field, from),
            (None, None, None) => return Err(D::Error::missing_field("attribute")),
        };
        Ok(FieldProvenance { field: stored.field, source })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn field_source_round_trips_with_its_kind() {
        let report = || Box::new(ReportAddress { trace_id: TraceId(2), span_id: SpanId(1) });
        let ids = json!({"trace_id": TraceId(2), "span_id": SpanId(1)});
        let of_kind = |kind: &str| json!({"field": "f", "kind": kind});
        let with_ids = |kind: &str| json!({"field": "f", "kind": kind, "trace_id": ids["trace_id"], "span_id": ids["span_id"]});
        let all = [
            (FieldSource::Attribute("gen_ai.system".into()), json!({"field": "f", "attribute": "gen_ai.system"})),
            (
                FieldSource::MappingRule { rule: "r".into(), attribute: Some("a.b".into()) },
                json!({"field": "f", "kind": "mapping_rule", "rule": "r", "attribute": "a.b"}),
            ),
            (FieldSource::MappingRule { rule: "r".into(), attribute: None }, json!({"field": "f", "kind": "mapping_rule", "rule": "r"})),
            (FieldSource::Instrumentation, of_kind("instrumentation")),
            (FieldSource::ModelVendor, of_kind("model_vendor")),
            (FieldSource::RestOfTotal, of_kind("rest_of_total")),
            (FieldSource::GatewayReport(report()), with_ids("gateway_report")),
            (FieldSource::OtherReport(report()), with_ids("other_report")),
            (FieldSource::FetchedResponse(report()), with_ids("fetched_response")),
            (FieldSource::Time(TimeSource::Receipt), of_kind("received_at")),
        ];
        for (source, stored) in all {
            let (kind, inferred) = (source.kind(), source.is_inferred());
            let provenance = FieldProvenance { field: "f".into(), source };
            assert_eq!(serde_json::to_value(&provenance).unwrap(), stored);
            assert_eq!(serde_json::from_value::<FieldProvenance>(stored).unwrap(), provenance);
            assert_eq!(serde_json::to_value(&provenance.source).unwrap()["kind"], kind);
            assert_eq!(inferred, !["attribute", "mapping_rule"].contains(&kind));
        }
        assert!(serde_json::from_value::<FieldProvenance>(json!({"field": "f", "kind": "other_report"})).is_err());
        assert!(serde_json::from_value::<FieldProvenance>(json!({"field": "f"})).is_err());
    }
}
