//! Facts that earlier versions stored as English sentences, converted to their current form.
//!
//! Until format 4 of the data directory, the write-ahead log and the segments contained sentences for the reason of an exclusion and for
//! the source of an inferred field. **This is the only file that reads a sentence.** It is used only where old frames, columns and exports
//! are decoded. The sentences are listed as earlier versions wrote them; no version writes them any more.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::clock::TimeSource;
use crate::dedup::exclusion::Exclusion;
use crate::id::{SpanId, TraceId};
use crate::provenance::{FieldSource, ReportAddress};

/// Returns the exclusion for a sentence in `not_counted_because`; `None` for a text that no version wrote.
pub fn exclusion(sentence: &str) -> Option<Exclusion> {
    let span = |prefix: &str, suffix: &str| sentence.strip_prefix(prefix)?.strip_suffix(suffix)?.parse::<SpanId>().ok();
    let elsewhere = |prefix: &str| {
        let ReportAddress { trace_id, span_id } = address(sentence.strip_prefix(prefix)?)?;
        Some(Exclusion::ReportedElsewhere { trace_id, span_id })
    };
    if sentence == "a log record tells of the same call, with all of its tokens" {
        return Some(Exclusion::DuplicateReport { span_id: None });
    }
    if sentence.starts_with("a span of kind ") && sentence.ends_with(" repeats the usage of the calls below it") {
        return Some(Exclusion::SumOfCalls);
    }
    span("the same call as span ", " below it")
        .map(|span_id| Exclusion::WrapsCall { span_id })
        .or_else(|| span("the same response as span ", "").map(|span_id| Exclusion::SameResponse { span_id }))
        .or_else(|| span("another report of the call of span ", "").map(|span_id| Exclusion::DuplicateReport { span_id: Some(span_id) }))
        .or_else(|| elsewhere("another report of the call of span "))
        // Written before calls of two instrumentations were joined as well.
        .or_else(|| elsewhere("a gateway's report of the same call as span "))
}

/// Returns the source for the text in `from` of a stored field: a sentence for an inferred field, otherwise the name of an attribute.
pub(crate) fn field_source(field: &str, from: String) -> FieldSource {
    let report = |prefix: &str| from.strip_prefix(prefix).and_then(address).map(Box::new);
    let time = || TimeSource::from_name(&from).filter(|_| matches!(field, "start_time" | "end_time"));
    match from.as_str() {
        "the instrumentation" => FieldSource::Instrumentation,
        "the vendor of the model" => FieldSource::ModelVendor,
        "the rest of the total" => FieldSource::RestOfTotal,
        _ => (report("the gateway's report, span ").map(FieldSource::GatewayReport))
            .or_else(|| report("another report, span ").map(FieldSource::OtherReport))
            .or_else(|| time().map(FieldSource::Time))
            .unwrap_or(FieldSource::Attribute(from)),
    }
}

/// Parses `0123456789abcdef of trace 0123456789abcdef0123456789abcdef`.
fn address(text: &str) -> Option<ReportAddress> {
    let (span, trace) = text.split_once(" of trace ")?;
    Some(ReportAddress { trace_id: trace.parse::<TraceId>().ok()?, span_id: span.parse().ok()? })
}

/// Deserializes an exclusion in its current form, or the sentence that an earlier version wrote in its place.
pub(crate) fn deserialize_exclusion<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Exclusion>, D::Error> {
    struct EitherForm;

    impl<'de> Visitor<'de> for EitherForm {
        type Value = Option<Exclusion>;

        fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
            formatter.write_str("an exclusion, or an earlier version's sentence")
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_any(self)
        }

        fn visit_str<E: Error>(self, sentence: &str) -> Result<Self::Value, E> {
            Ok(exclusion(sentence))
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Exclusion::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(EitherForm)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dedup::SpanDecision;
    use crate::provenance::FieldProvenance;
    use crate::span::{Span, SpanType};

    const SPAN: SpanId = SpanId(0x00f1);
    const TRACE: TraceId = TraceId(0xabc0);

    /// Every sentence that any version has written as the reason of an exclusion.
    fn exclusions() -> Vec<(String, Exclusion)> {
        let mut all = vec![
            (format!("the same call as span {SPAN} below it"), Exclusion::WrapsCall { span_id: SPAN }),
            (format!("the same response as span {SPAN}"), Exclusion::SameResponse { span_id: SPAN }),
            (format!("another report of the call of span {SPAN}"), Exclusion::DuplicateReport { span_id: Some(SPAN) }),
            ("a log record tells of the same call, with all of its tokens".to_owned(), Exclusion::DuplicateReport { span_id: None }),
        ];
        let elsewhere = ["another report of the call of", "a gateway's report of the same call as"];
        let there = Exclusion::ReportedElsewhere { trace_id: TRACE, span_id: SPAN };
        all.extend(elsewhere.map(|report| (format!("{report} span {SPAN} of trace {TRACE}"), there)));
        let of_kind = |kind: &SpanType| (format!("a span of kind {kind} repeats the usage of the calls below it"), Exclusion::SumOfCalls);
        all.extend(SpanType::ALL.iter().map(of_kind));
        all
    }

    /// Every text that any version has written as the source of a field.
    fn sources() -> Vec<(&'static str, String, FieldSource)> {
        let report = || Box::new(ReportAddress { trace_id: TRACE, span_id: SPAN });
        vec![
            ("usage.input_tokens", "gen_ai.usage.prompt_tokens".into(), FieldSource::Attribute("gen_ai.usage.prompt_tokens".into())),
            ("user_id", "my user id".into(), FieldSource::Attribute("my user id".into())),
            ("session_id", "start_time".into(), FieldSource::Attribute("start_time".into())),
            ("provider", "the instrumentation".into(), FieldSource::Instrumentation),
            ("provider", "the vendor of the model".into(), FieldSource::ModelVendor),
            ("usage.reasoning_tokens", "the rest of the total".into(), FieldSource::RestOfTotal),
            ("usage", format!("the gateway's report, span {SPAN} of trace {TRACE}"), FieldSource::GatewayReport(report())),
            ("cost", format!("another report, span {SPAN} of trace {TRACE}"), FieldSource::OtherReport(report())),
            ("end_time", "start_time".into(), FieldSource::Time(TimeSource::Start)),
            ("start_time", "end_time".into(), FieldSource::Time(TimeSource::End)),
            ("start_time", "event_time".into(), FieldSource::Time(TimeSource::Event)),
            ("end_time", "received_at".into(), FieldSource::Time(TimeSource::Receipt)),
        ]
    }

    #[test]
    fn all_legacy_sentences_are_parsed() {
        for (sentence, meant) in exclusions() {
            assert_eq!(exclusion(&sentence), Some(meant), "{sentence}");
        }
        for other in ["", "an agent", "the same call as span 00f1 below it", "another report of the call of span 0 of trace 0"] {
            assert_eq!(exclusion(other), None, "{other}");
        }
        for (field, from, meant) in sources() {
            assert_eq!(field_source(field, from.clone()), meant, "{from}");
        }
    }

    #[test]
    fn spans_and_decisions_of_earlier_versions_are_read() {
        for (sentence, meant) in exclusions() {
            let old = json!({"counted": false, "not_counted_because": sentence});
            assert_eq!(serde_json::from_value::<Span>(old.clone()).unwrap().exclusion, Some(meant));
            assert_eq!(serde_json::from_value::<SpanDecision>(old).unwrap().exclusion, Some(meant));
            let new = SpanDecision { exclusion: Some(meant), ..SpanDecision::default() };
            assert_eq!(serde_json::from_value::<SpanDecision>(serde_json::to_value(&new).unwrap()).unwrap(), new);
        }
        let none = json!({"counted": true, "not_counted_because": null});
        assert_eq!(serde_json::from_value::<SpanDecision>(none).unwrap().exclusion, None);
        for (field, from, source) in sources() {
            let old = json!({"reading": [{"field": field, "from": from}]});
            let read = serde_json::from_value::<Span>(old).unwrap().reading;
            assert_eq!(read, [FieldProvenance { field: field.into(), source }]);
        }
    }
}
