//! Generated spans of every shape, for property tests. Compiled into the tests of several crates.

use std::collections::BTreeMap;

use hinomi_model::clock::SpanTimeSource;
use hinomi_model::clock::TimeSource;
use hinomi_model::dedup::duplicate_reports::DuplicateReport;
use hinomi_model::dedup::exclusion::Exclusion;
use hinomi_model::failure::FailureCause;
use hinomi_model::id::{SpanId, TraceId};
use hinomi_model::money::Usd;
use hinomi_model::partial_spans::{PartialSpanState, SpanFragment, SpanFragmentContent};
use hinomi_model::provenance::{FieldProvenance, FieldSource, ReportAddress};
use hinomi_model::span::{ChatMessage, Cost, CostSource, MessagePart, Span, SpanStatus, SpanType, Usage, UsageSource};
use proptest::prelude::*;
use serde_json::Value;

pub(crate) fn maybe_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(".{0,40}")
}

/// A token count that a column can hold.
fn tokens() -> impl Strategy<Value = Option<u64>> {
    proptest::option::of(0..=i64::MAX as u64)
}

fn maybe_usd() -> impl Strategy<Value = Option<Usd>> {
    proptest::option::of(any::<i64>().prop_map(Usd))
}

/// Values as the JSON parser returns them. Fractions have a short binary form, because the last digit is not guaranteed to round-trip.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        ".{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn part() -> impl Strategy<Value = MessagePart> {
    prop_oneof![
        ".{0,300}".prop_map(|text| MessagePart::Text { text }),
        ".{0,20}".prop_map(|text| MessagePart::Reasoning { text }),
        (maybe_text(), ".{0,9}", ".{0,20}").prop_map(|(id, name, arguments)| MessagePart::ToolCall { id, name, arguments }),
        (maybe_text(), maybe_text(), ".{0,20}").prop_map(|(id, name, result)| MessagePart::ToolResult { id, name, result }),
        (".{0,9}", maybe_text(), maybe_text(), maybe_text()).prop_map(|(modality, mime_type, media_id, content)| MessagePart::Media {
            modality,
            mime_type,
            media_id,
            content
        }),
        ".{0,20}".prop_map(|content| MessagePart::Other { content }),
    ]
}

fn messages() -> impl Strategy<Value = Vec<ChatMessage>> {
    let message = ("user|assistant|system|.{0,5}", proptest::collection::vec(part(), 0..3));
    proptest::collection::vec(message.prop_map(|(role, parts)| ChatMessage { role, parts }), 0..3)
}

fn usage() -> impl Strategy<Value = Usage> {
    (
        (tokens(), tokens(), tokens(), tokens(), tokens()),
        (tokens(), tokens(), tokens(), tokens()),
        (tokens(), tokens(), tokens(), tokens()),
        (tokens(), tokens(), tokens()),
        proptest::option::of(proptest::sample::select(UsageSource::ALL)),
    )
        .prop_map(
            |(
                (input, cache_read, cache_write_5m, cache_write_1h, input_audio),
                (output, reasoning, output_audio, total),
                (input_image, output_image, web_searches, images),
                (characters, audio_ms, rerank_units),
                source,
            )| Usage {
                input,
                cache_read,
                cache_write_5m,
                cache_write_1h,
                input_audio,
                input_image,
                output,
                reasoning,
                output_audio,
                output_image,
                web_searches,
                images,
                characters,
                audio_ms,
                rerank_units,
                total,
                source,
            },
        )
}

pub(crate) fn exclusion() -> impl Strategy<Value = Option<Exclusion>> {
    let known = (1..=u64::MAX, 1..=u128::MAX).prop_flat_map(|(span, trace)| {
        let (span_id, trace_id) = (SpanId(span), TraceId(trace));
        proptest::sample::select(vec![
            Exclusion::WrapsCall { span_id },
            Exclusion::SameResponse { span_id },
            Exclusion::DuplicateReport { span_id: Some(span_id) },
            Exclusion::DuplicateReport { span_id: None },
            Exclusion::ReportedElsewhere { trace_id, span_id },
            Exclusion::SumOfCalls,
            Exclusion::FetchedResponse { span_id: Some(span_id) },
        ])
    });
    proptest::option::of(known)
}

fn source() -> impl Strategy<Value = FieldSource> {
    let report =
        (1..=u128::MAX, 1..=u64::MAX).prop_map(|(trace, span)| Box::new(ReportAddress { trace_id: TraceId(trace), span_id: SpanId(span) }));
    prop_oneof![
        ".{0,9}".prop_map(FieldSource::Attribute),
        Just(FieldSource::Instrumentation),
        Just(FieldSource::ModelVendor),
        Just(FieldSource::RestOfTotal),
        report.clone().prop_map(FieldSource::GatewayReport),
        report.prop_map(FieldSource::OtherReport),
        proptest::sample::select(TimeSource::ALL).prop_map(FieldSource::Time),
    ]
}

/// Any span that a decoder could produce.
pub(crate) fn any_span() -> impl Strategy<Value = Span> {
    let ids = (1..=u128::MAX, 1..=u64::MAX, proptest::option::of(1..=u64::MAX));
    let times = (any::<i32>(), 0..1_000_000_000i64, any::<i16>(), proptest::option::of(any::<i64>()));
    let texts = proptest::collection::vec(maybe_text(), 22);
    let choices = (
        proptest::sample::select(SpanType::ALL),
        proptest::sample::select(SpanStatus::ALL),
        any::<(bool, Option<bool>, bool, bool)>(),
        usage(),
        exclusion(),
    );
    let cost = proptest::option::of((any::<i64>(), maybe_usd(), maybe_usd(), proptest::sample::select(CostSource::ALL), maybe_text()));
    let lists = (
        proptest::collection::vec(".{0,9}", 0..3),
        proptest::collection::btree_map(".{0,9}", ".{0,9}", 0..3),
        messages(),
        messages(),
        proptest::option::of(value()),
        proptest::collection::btree_map(".{0,9}", value(), 0..4),
        proptest::collection::vec((".{0,9}", source()), 0..3),
    );
    let joined = proptest::option::of(messages());
    (ids, times, texts, choices, (cost, maybe_usd()), lists, joined).prop_map(|(ids, times, texts, choices, costs, lists, joined)| {
        let mut texts = texts.into_iter();
        let mut text = || texts.next().flatten();
        let start_us = i64::from(times.0) * 1_000_000;
        let (kind, status, (provider_inferred, streaming, counted, is_run), usage, exclusion) = choices;
        let cost = costs.0.map(|(total, input, output, source, price)| Cost { total: Usd(total), input, output, source, price });
        let (finish_reasons, tags, input_messages, output_messages, tool_definitions, attributes, reading) = lists;
        let tags: BTreeMap<String, String> = tags;
        Span {
            trace_id: TraceId(ids.0),
            span_id: SpanId(ids.1),
            parent_span_id: ids.2.map(SpanId),
            name: text().unwrap_or_default(),
            op: text().unwrap_or_default(),
            kind,
            operation: text(),
            origin: text(),
            provider: text(),
            provider_inferred,
            request_model: text(),
            response_model: text(),
            status,
            status_detail: text(),
            start_us,
            end_us: start_us + times.1,
            has_no_duration: provider_inferred,
            time_source: match times.2 % 3 {
                0 => SpanTimeSource::Sent,
                1 => SpanTimeSource::Mended,
                _ => SpanTimeSource::Received,
            },
            clock_shift_us: i64::from(times.2),
            time_to_first_token_us: times.3,
            streaming,
            usage,
            cost,
            client_cost: costs.1,
            counted,
            exclusion,
            session_id: text(),
            user_id: text(),
            environment: text(),
            release: text(),
            service: text(),
            pipeline: text(),
            is_run,
            agent: text(),
            tool: text(),
            tool_call_id: text(),
            prompt: text(),
            prompt_version: text(),
            response_id: text(),
            finish_reasons,
            sdk_name: text(),
            sdk_version: text(),
            thread: text(),
            tags,
            input_messages,
            output_messages,
            // A JSON null means that there are none.
            tool_definitions: tool_definitions.filter(|value| !value.is_null()),
            attributes: attributes.into_iter().collect(),
            reading: reading.into_iter().map(|(field, source)| FieldProvenance { field: field.into(), source }).collect(),
            texts_cut: false,
            joined: joined.map(|joined| {
                let pieces = joined.into_iter().map(|message| SpanFragment {
                    key: "key".into(),
                    at_us: start_us,
                    content: SpanFragmentContent::Output(message),
                });
                Box::new(PartialSpanState {
                    awaited: streaming.is_none(),
                    pieces: pieces.collect(),
                    client_cost_preferred: is_run,
                    joins: 0,
                })
            }),
            also_reported: streaming.map(|counts| DuplicateReport { trace_id: TraceId(ids.0), span_id: SpanId(ids.1), counts }),
            failure: streaming.map(|known| if known { FailureCause::Timeout } else { FailureCause::Other }),
            ingest_key: text(),
            title: text(),
            sample_rate: streaming.map(|all| if all { 1.0 } else { 0.125 }),
        }
    })
}
