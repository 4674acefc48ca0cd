//! Estimates the token usage of a call from its messages if the client did not send the usage.
//!
//! Usage is estimated only if all billed tokens are text and the tokenizer of the model is public: plain text to and from OpenAI's models
//! without reasoning. Tokens of tools, images and reasoning cannot be derived from texts. Estimated counts are marked as such, do not
//! affect deduplication, and are replaced by reported counts.

use bpe_openai::Tokenizer;

use crate::cost;
use crate::price::PriceBook;
use crate::span::{ChatMessage, MessagePart, Span, SpanStatus, SpanType, Usage, UsageSource};

/// Function that returns the tokenizer; `None` if the texts do not determine the usage.
type TokenizerLoader = Option<fn() -> &'static Tokenizer>;

/// Prefixes of model names and their tokenizers. The longest match decides.
const TOKENIZERS_BY_MODEL: &[(&str, TokenizerLoader)] = &[
    ("gpt-4o", Some(bpe_openai::o200k_base)),
    ("chatgpt-4o", Some(bpe_openai::o200k_base)),
    ("gpt-4.1", Some(bpe_openai::o200k_base)),
    ("gpt-4.5", Some(bpe_openai::o200k_base)),
    ("gpt-4", Some(bpe_openai::cl100k_base)),
    ("gpt-3.5", Some(bpe_openai::cl100k_base)),
    ("text-embedding-3", Some(bpe_openai::cl100k_base)),
    ("text-embedding-ada", Some(bpe_openai::cl100k_base)),
    ("gpt-4o-audio", None),
    ("gpt-4o-mini-audio", None),
    ("gpt-4o-realtime", None),
    ("gpt-4o-mini-realtime", None),
    ("gpt-4o-transcribe", None),
    ("gpt-4o-mini-transcribe", None),
    ("gpt-4o-mini-tts", None),
    ("gpt-4o-search", None),
    ("gpt-4o-mini-search", None),
    ("gpt-4-vision", None),
];

/// Providers that use these names for these models.
const TOKENIZER_PROVIDERS: &[&str] = &["openai", "azure"];
/// Tokens around each message and its role, and before the response, in the chats of all of these models.
const TOKENS_PER_MESSAGE: u64 = 4;
const TOKENS_BEFORE_RESPONSE: u64 = 3;
/// Maximum bytes of the texts. Longer ones would take too long while their request waits: one second for about ten megabytes.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// Estimates the usage and cost of a successful call without usage. Returns whether the call has an estimate now.
pub fn estimate_usage(span: &mut Span, book: &PriceBook) -> bool {
    let Some(usage) = usage(span) else { return false };
    span.usage = usage;
    cost::price(span, book);
    true
}

fn usage(span: &Span) -> Option<Usage> {
    let can_be = span.is_call()
        && span.counted
        && span.status == SpanStatus::Ok
        && span.usage == Usage::default()
        // Messages may still arrive.
        && span.joined.is_none()
        && !span.texts_cut
        && span.tool_definitions.is_none()
        && span.provider.as_deref().is_some_and(|provider| TOKENIZER_PROVIDERS.contains(&provider));
    let tokenizer = tokenizer(span.model().filter(|_| can_be)?)?;
    let input = tokens(&span.input_messages, tokenizer)?;
    let (input, output) = match span.kind {
        SpanType::Embedding => (input, 0),
        _ => {
            let around = TOKENS_PER_MESSAGE * span.input_messages.len() as u64 + TOKENS_BEFORE_RESPONSE;
            (input + around, tokens(&span.output_messages, tokenizer)?)
        }
    };
    Some(Usage {
        input: Some(input),
        output: Some(output),
        total: Some(input + output),
        source: Some(UsageSource::Estimated),
        ..Usage::default()
    })
}

fn tokenizer(model: &str) -> Option<&'static Tokenizer> {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    let fitting = TOKENIZERS_BY_MODEL.iter().filter(|(begins, _)| name.starts_with(begins));
    fitting.max_by_key(|(begins, _)| begins.len()).and_then(|(_, tokenizer)| *tokenizer).map(|tokenizer| tokenizer())
}

/// Returns the tokens of plain texts; `None` if there are none, or if there are other parts.
fn tokens(messages: &[ChatMessage], tokenizer: &Tokenizer) -> Option<u64> {
    if messages.is_empty() {
        return None;
    }
    let parts = messages.iter().flat_map(|message| &message.parts);
    let texts: Option<Vec<&str>> =
        parts.map(|part| if let MessagePart::Text { text } = part { Some(text.as_str()) } else { None }).collect();
    let texts = texts.filter(|texts| {
        texts.iter().map(|text| text.len()).sum::<usize>() <= MAX_TEXT_BYTES && !texts.iter().any(|text| is_truncated(text))
    })?;
    Some(texts.into_iter().map(|text| tokenizer.count(text) as u64).sum())
}

/// Returns whether a part of a text was removed before it arrived.
fn is_truncated(text: &str) -> bool {
    let text = text.trim_end();
    text.ends_with("...")
        || text.ends_with('…')
        || text.ends_with(" bytes cut]")
        || ["[Filtered]", "[REDACTED]", "<REDACTED>"].iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::DecodeContext;
    use crate::mapping::MappingRuleSet;
    use crate::sentry;

    fn call() -> Span {
        let body =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/captures/sentry-python-2.75/openai-stream-no-usage/body.decoded");
        let context = DecodeContext {
            received_us: 1_795_421_400_000_000,
            retention_us: None,
            price: PriceBook::embedded(),
            mapping: MappingRuleSet::none(),
            earlier_grouping: true,
        };
        let decoded = sentry::decode(&std::fs::read(body).unwrap(), &context).unwrap();
        decoded.spans.into_iter().find(Span::is_call).unwrap()
    }

    fn estimated(span: Span) -> Option<(u64, u64)> {
        let mut span = span;
        estimate_usage(&mut span, PriceBook::embedded()).then(|| (span.usage.input.unwrap(), span.usage.output.unwrap()))
    }

    #[test]
    fn a_streamed_call_without_counts() {
        let mut span = call();
        assert!(span.usage.is_unknown() && span.cost.is_none());
        assert!(estimate_usage(&mut span, PriceBook::embedded()));
        // "You answer in one sentence." has 6 tokens and "What is the capital of France?" has 7; 4 are around each and 3 before the
        // answer. "The capital of France is Paris." has 7.
        assert_eq!((span.usage.input, span.usage.output, span.usage.total), (Some(24), Some(7), Some(31)));
        assert_eq!(span.usage.source, Some(UsageSource::Estimated));
        // 24 × $0.15/M + 7 × $0.60/M
        assert_eq!(span.cost.unwrap().total.dollars(), 0.0000078);
    }

    #[test]
    fn truncated_texts_are_not_estimated() {
        let none = |change: fn(&mut Span)| {
            let mut span = call();
            change(&mut span);
            assert_eq!(estimated(span), None);
        };
        none(|span| span.output_messages.clear());
        none(|span| span.input_messages.clear());
        none(|span| span.texts_cut = true);
        none(|span| span.status = SpanStatus::Error);
        none(|span| span.tool_definitions = Some(serde_json::json!([{"name": "f"}])));
        none(|span| span.provider = Some("anthropic".into()));
        none(|span| span.response_model = Some("gpt-5-mini".into()));
        none(|span| span.response_model = Some("gpt-4o-audio-preview".into()));
        none(|span| span.usage.total = Some(9));
        none(|span| span.counted = false);
        none(|span| span.joined = Some(Box::default()));
        for part in [
            MessagePart::Text { text: "and so on...".into() },
            MessagePart::Text { text: "my number is [Filtered]".into() },
            MessagePart::ToolCall { id: None, name: "f".into(), arguments: "{}".into() },
            MessagePart::Media { modality: "image".into(), mime_type: None, media_id: None, content: None },
        ] {
            let mut span = call();
            span.output_messages[0].parts.push(part);
            assert_eq!(estimated(span), None);
        }
    }

    #[test]
    fn each_model_uses_its_tokenizer() {
        let count = |model, text: &str| tokenizer(model).map(|tokenizer| tokenizer.count(text));
        assert_eq!(count("gpt-4o-mini-2024-07-18", "tiktoken is great!"), Some(6));
        assert_eq!(count("openai/gpt-3.5-turbo", "tiktoken is great!"), Some(6));
        // Japanese takes fewer tokens with the newer tokenizer.
        assert!(count("gpt-4o", "お誕生日おめでとう") < count("gpt-4", "お誕生日おめでとう"));
        assert_eq!(count("o3-mini", "a"), None);
    }
}
