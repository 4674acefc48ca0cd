//! Hints on client settings that would make more data available, each with the evidence for and against it.
//!
//! Evidence against a hint, such as a streamed call that reports token usage, withdraws the hint after a setting was changed.

use serde::{Deserialize, Serialize};

use crate::id::{SpanId, TraceId};
use crate::span::{Span, SpanStatus, SpanType, names};
use crate::{langfuse, otlp};

names!(
    /// A client setting that would make more data available.
    InstrumentationHint {
        /// Streamed calls report no token usage.
        StreamWithoutUsage = "stream_without_usage",
        /// LangChain is installed, and Sentry's SDK therefore does not instrument calls of OpenAI's library.
        LangchainHidesOpenai = "langchain_hides_openai",
        /// Calls have no input and output messages.
        PromptsNotSent = "prompts_not_sent",
        /// The client samples its traces. The value is the sample rate.
        Sampled = "sampled",
        /// The SDK is an old version that reports neither providers nor cached tokens.
        OldSdk = "old_sdk",
        /// The clock of the client is wrong. The value is the offset in seconds.
        ClockOff = "clock_off",
        /// Calls name the requested model but not the answering one.
        NoResponseModel = "no_response_model",
        /// A model has no price. The subject is the model.
        UnpricedModel = "unpriced_model",
    }
);

/// Evidence for or against a hint.
#[derive(Debug, Clone, PartialEq)]
pub struct HintEvidence {
    /// The hint.
    pub hint: InstrumentationHint,
    /// True if the evidence shows that the problem does not exist, or no longer.
    pub is_against: bool,
    /// Subject of the hint, if it applies to a single model: the name of the model.
    pub subject: Option<String>,
    /// Value of the hint: the sample rate, or the clock offset in seconds.
    pub value: Option<f64>,
    /// Name and version of the SDK, such as `sentry.python 2.75.0`.
    pub sdk: Option<String>,
    /// Trace and span in which the evidence was found.
    pub span: Option<(TraceId, SpanId)>,
}

/// Returns the name and version of the SDK that reported a span.
pub fn sdk_of(span: &Span) -> Option<String> {
    let name = span.sdk_name.as_deref()?;
    Some(span.sdk_version.as_deref().map_or_else(|| name.to_owned(), |version| format!("{name} {version}")))
}

/// Prefix of the ops of Sentry's SDKs before they adopted the names of OpenTelemetry.
const OLD_OP_PREFIX: &str = "ai.chat_completions.create.";

/// Returns the evidence in the spans of one request.
pub fn evidence_in_spans(spans: &[Span]) -> Vec<HintEvidence> {
    let mut found: Vec<HintEvidence> = Vec::new();
    // All spans of a request have times of the same clock.
    found.extend(spans.first().filter(|span| span.sdk_name.is_some()).map(|span| clock_evidence(span).with_subject(span)));
    let sampled = spans.iter().filter_map(|span| Some((span, span.sample_rate?)));
    found
        .extend(sampled.min_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(span, rate)| sampling_evidence(rate).with_subject(span)));
    for span in spans {
        let has_texts = !span.input_messages.is_empty() || !span.output_messages.is_empty();
        for evidence in evidence_in_span(span, has_texts) {
            // Many calls of one request show the same evidence.
            let known = |known: &HintEvidence| {
                (known.hint, known.is_against, &known.subject, &known.sdk)
                    == (evidence.hint, evidence.is_against, &evidence.subject, &evidence.sdk)
            };
            if !found.iter().any(known) {
                found.push(evidence);
            }
        }
    }
    found
}

/// Returns the evidence in one span. `has_texts` is true if the span has any messages.
pub fn evidence_in_span(span: &Span, has_texts: bool) -> Vec<HintEvidence> {
    let mut found = Vec::new();
    let is_awaited = span.joined.as_ref().is_some_and(|joined| joined.awaited);
    if is_awaited {
        // Messages that arrived separately, before or after their call.
        if has_texts {
            found.push(evidence_against(InstrumentationHint::PromptsNotSent));
        }
    } else if span.is_call() && span.counted {
        add_call_evidence(span, has_texts, &mut found);
    }
    found.into_iter().map(|evidence| evidence.with_subject(span)).collect()
}

fn add_call_evidence(span: &Span, has_texts: bool, found: &mut Vec<HintEvidence>) {
    let evidence = |hint, holds: bool| if holds { evidence_for(hint) } else { evidence_against(hint) };
    let is_llm = span.kind == SpanType::Llm;
    let untold = span.usage.is_unknown() || span.is_estimated();
    let of_agent = otlp::agent_of(span).is_some();
    if span.streaming == Some(true) && span.status == SpanStatus::Ok && is_llm {
        found.push(evidence(InstrumentationHint::StreamWithoutUsage, untold));
    }
    // Coding agents send the messages in other records.
    if is_llm && !of_agent && (has_texts || span.status == SpanStatus::Ok) {
        found.push(evidence(InstrumentationHint::PromptsNotSent, !has_texts));
    }
    if is_llm && !of_agent && span.status == SpanStatus::Ok && span.request_model.is_some() && !untold {
        let names_it = span.response_model.is_some();
        if names_it || !has_one_model_name(span) {
            found.push(evidence(InstrumentationHint::NoResponseModel, !names_it));
        }
    }
    if span.op.starts_with(OLD_OP_PREFIX) && span.sdk_name.as_deref().is_some_and(|sdk| sdk.starts_with("sentry.")) {
        found.push(evidence_for(InstrumentationHint::OldSdk));
    }
    if let Some(model) = span.model().filter(|_| !untold && span.status != SpanStatus::Error) {
        found.push(HintEvidence {
            subject: Some(model.chars().take(100).collect()),
            ..evidence(InstrumentationHint::UnpricedModel, span.cost.is_none())
        });
    }
}

/// Attributes that name *the* model of a call, in conventions without a second one. Their SDKs overwrite the requested model with the
/// answering one if the provider names it.
const SINGLE_MODEL_ATTRIBUTES: &[&str] = &["langfuse.observation.model.name", "llm.model_name", "mlflow.llm.model"];

/// Returns whether the client's convention has no separate name for the answering model.
fn has_one_model_name(span: &Span) -> bool {
    let is_one = |attribute: &str| SINGLE_MODEL_ATTRIBUTES.contains(&attribute);
    span.op.starts_with(langfuse::OP_PREFIX)
        || span.reading.iter().any(|read| read.field == "request_model" && read.source.attribute().is_some_and(is_one))
}

fn clock_evidence(span: &Span) -> HintEvidence {
    let seconds = span.clock_shift_us as f64 / 1e6;
    if seconds == 0.0 {
        evidence_against(InstrumentationHint::ClockOff)
    } else {
        HintEvidence { value: Some(seconds), ..evidence_for(InstrumentationHint::ClockOff) }
    }
}

fn sampling_evidence(rate: f64) -> HintEvidence {
    if rate < 1.0 {
        HintEvidence { value: Some(rate), ..evidence_for(InstrumentationHint::Sampled) }
    } else {
        evidence_against(InstrumentationHint::Sampled)
    }
}

/// Paths at which OpenAI's library calls models.
const MODEL_CALL_PATHS: &[&str] = &["/chat/completions", "/v1/responses", "/v1/embeddings"];

/// Returns the evidence in an envelope in addition to its spans. `integrations` are the active integrations according to the SDK.
pub fn evidence_in_envelope(sample_rate: Option<f64>, integrations: &[String], spans: &[Span]) -> Vec<HintEvidence> {
    let mut found = Vec::new();
    // Spans with a sample rate of their own have already been evaluated.
    let sample_rate = sample_rate.filter(|rate| (0.0..=1.0).contains(rate) && spans.iter().all(|span| span.sample_rate.is_none()));
    found.extend(sample_rate.zip(spans.first()).map(|(rate, span)| sampling_evidence(rate).with_subject(span)));
    let active = |name: &str| integrations.iter().any(|integration| integration == name);
    let request = spans.iter().find(|span| span.kind == SpanType::Http && MODEL_CALL_PATHS.iter().any(|path| span.name.ends_with(path)));
    if let Some(request) = request.filter(|_| active("langchain") && !active("openai")) {
        // A call that LangChain made itself has a span of its own.
        let has_calls = spans.iter().any(Span::is_call);
        found.push(
            if has_calls {
                evidence_against(InstrumentationHint::LangchainHidesOpenai)
            } else {
                evidence_for(InstrumentationHint::LangchainHidesOpenai)
            }
            .with_subject(request),
        );
    }
    found
}

fn evidence_for(hint: InstrumentationHint) -> HintEvidence {
    HintEvidence { hint, is_against: false, subject: None, value: None, sdk: None, span: None }
}

fn evidence_against(hint: InstrumentationHint) -> HintEvidence {
    HintEvidence { is_against: true, ..evidence_for(hint) }
}

impl HintEvidence {
    fn with_subject(self, span: &Span) -> HintEvidence {
        HintEvidence { sdk: sdk_of(span), span: Some((span.trace_id, span.span_id)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::DecodeContext;
    use crate::mapping::MappingRuleSet;
    use crate::otlp::{OtlpEncoding, OtlpSignal};
    use crate::price::PriceBook;
    use crate::sentry;

    /// Ten minutes after the captures were made.
    fn context() -> DecodeContext<'static> {
        DecodeContext {
            received_us: 1_795_421_400_000_000,
            retention_us: None,
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        }
    }

    fn body(case: &str) -> Vec<u8> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures").join(case);
        std::fs::read(root.join("body.decoded")).unwrap()
    }

    fn capture_evidence(case: &str) -> Vec<HintEvidence> {
        if case.starts_with("sentry-") {
            let decoded = sentry::decode(&body(case), &context()).unwrap();
            let mut found = evidence_in_spans(&decoded.spans);
            found.extend(evidence_in_envelope(decoded.header.sample_rate, &decoded.integrations, &decoded.spans));
            return found;
        }
        if case.starts_with("langfuse-python-2") {
            return evidence_in_spans(&crate::langfuse::decode(&body(case), &context(), &|_| None).unwrap().spans);
        }
        evidence_in_spans(&crate::otlp::decode(body(case).into(), OtlpSignal::Traces, OtlpEncoding::Binary, &context()).unwrap().spans)
    }

    /// True for evidence of the hint, false for evidence against it, `None` without any.
    fn has_evidence(found: &[HintEvidence], hint: InstrumentationHint) -> Option<bool> {
        found.iter().find(|evidence| evidence.hint == hint).map(|evidence| !evidence.is_against)
    }

    #[test]
    fn each_hint_is_found_in_its_capture_only() {
        for (case, hint, expected) in [
            ("sentry-python-2.75/openai-stream-no-usage", InstrumentationHint::StreamWithoutUsage, Some(true)),
            ("sentry-python-2.75/openai-stream-usage", InstrumentationHint::StreamWithoutUsage, Some(false)),
            ("sentry-python-2.75/blog-example", InstrumentationHint::StreamWithoutUsage, None),
            ("sentry-python-2.75/blog-example-langchain-installed", InstrumentationHint::LangchainHidesOpenai, Some(true)),
            ("sentry-python-2.75/langchain-agent", InstrumentationHint::LangchainHidesOpenai, Some(false)),
            ("sentry-python-2.75/blog-example", InstrumentationHint::LangchainHidesOpenai, None),
            ("sentry-python-2.75/openai-no-pii", InstrumentationHint::PromptsNotSent, Some(true)),
            ("sentry-python-2.75/blog-example", InstrumentationHint::PromptsNotSent, Some(false)),
            ("openinference-openai/chat", InstrumentationHint::PromptsNotSent, Some(false)),
            ("sentry-python-2.75/blog-example", InstrumentationHint::Sampled, Some(false)),
            ("sentry-python-2.20/blog-example", InstrumentationHint::OldSdk, Some(true)),
            ("sentry-python-2.75/blog-example", InstrumentationHint::OldSdk, None),
            ("sentry-python-2.75/blog-example", InstrumentationHint::ClockOff, Some(false)),
            ("sentry-python-2.20/blog-example", InstrumentationHint::NoResponseModel, Some(true)),
            ("otel-genai-openai/chat", InstrumentationHint::NoResponseModel, Some(false)),
            // They have one name for the model, and the SDKs put the one that answered there.
            ("langfuse/observe-chat", InstrumentationHint::NoResponseModel, None),
            ("langfuse/manual/req-01", InstrumentationHint::NoResponseModel, None),
            ("langfuse-python-2/manual/req-01", InstrumentationHint::NoResponseModel, None),
            ("openinference-openai/chat", InstrumentationHint::NoResponseModel, None),
            ("sentry-python-2.75/blog-example", InstrumentationHint::UnpricedModel, Some(false)),
        ] {
            assert_eq!(has_evidence(&capture_evidence(case), hint), expected, "{case}: {hint}");
        }
    }

    #[test]
    fn sampled_traces_give_a_hint() {
        let text = String::from_utf8(body("sentry-python-2.75/blog-example")).unwrap();
        let text = text.replacen("\"sample_rate\":\"1.0\"", "\"sample_rate\":\"0.2\"", 1);
        let decoded = sentry::decode(text.as_bytes(), &context()).unwrap();
        let found = evidence_in_envelope(decoded.header.sample_rate, &decoded.integrations, &decoded.spans);
        assert_eq!((has_evidence(&found, InstrumentationHint::Sampled), found[0].value), (Some(true), Some(0.2)));
        assert_eq!(found[0].sdk.as_deref(), Some("sentry.python 2.75.0"));
    }

    #[test]
    fn wrong_clock_and_unknown_model_give_hints() {
        let late = DecodeContext { received_us: context().received_us + 86_400_000_000, ..context() };
        let text = String::from_utf8(body("sentry-python-2.75/blog-example")).unwrap().replace("gpt-3.5-turbo", "mine-7b-chat1");
        let decoded = sentry::decode(text.as_bytes(), &late).unwrap();
        let found = evidence_in_spans(&decoded.spans);
        assert_eq!(has_evidence(&found, InstrumentationHint::ClockOff), Some(true));
        let unpriced = found.iter().find(|evidence| evidence.hint == InstrumentationHint::UnpricedModel).unwrap();
        assert_eq!((unpriced.is_against, unpriced.subject.as_deref()), (false, Some("mine-7b-chat1-0125")));
    }
}
