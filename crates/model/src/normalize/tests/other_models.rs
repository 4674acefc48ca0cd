//! Uses of models that are no calls of language models: rerankings, speech and pictures have a cost that counts.

use serde_json::json;

use super::*;
use crate::dedup::exclusion::Exclusion;
use crate::dedup::{SpanNode, decide_trace};
use crate::price::CustomPrice;

fn of(operation: &str, model: &str, more: Value) -> RawSpan {
    let mut attributes = json!({ "gen_ai.operation.name": operation, "gen_ai.request.model": model });
    attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    raw("", attributes)
}

fn priced(model: &str, prices: Value) -> PriceBook {
    let price: CustomPrice = serde_json::from_value(json!({ "model": model, "prices": prices })).unwrap();
    PriceBook::embedded().with_custom_prices([(price.checked().unwrap(), true)].into_iter())
}

#[test]
fn speech_pictures_and_rerankings_have_the_price_of_their_unit() {
    let cases = [
        (of("text_to_speech", "my-tts", json!({ "gen_ai.usage.characters": 2_000 })), priced("my-tts", json!({ "character": 15 })), 0.03),
        (
            of("transcription", "my-stt", json!({ "gen_ai.usage.audio_seconds": 90.5 })),
            priced("my-stt", json!({ "audio_hour": 0.36 })),
            0.00905,
        ),
        (of("rerank", "my-rerank", json!({ "gen_ai.usage.search_units": 3 })), priced("my-rerank", json!({ "rerank_unit": 0.002 })), 0.006),
        (of("rerank", "my-rerank", json!({})), priced("my-rerank", json!({ "request": 0.002 })), 0.002),
        (
            of("image_generation", "my-image", json!({ "gen_ai.usage.output_images": 2 })),
            priced("my-image", json!({ "image": 0.04 })),
            0.08,
        ),
    ];
    for (raw, book, cost) in cases {
        let span = canonical_span(raw, &book);
        assert!(!span.is_call() && span.counted && span.is_billed(), "{span:?}");
        assert_eq!(span.cost.as_ref().map(|cost| cost.total.dollars()), Some(cost), "{:?}", span.operation);
    }
}

#[test]
fn cost_without_a_price_is_that_of_the_client_and_otherwise_unknown() {
    let told = canonical_span(of("rerank", "rerank-x", json!({ "gen_ai.usage.cost": 0.25 })), PriceBook::embedded());
    assert_eq!((told.cost.map(|cost| cost.total.dollars()), told.counted), (Some(0.25), true));
    let unknown = canonical_span(of("rerank", "rerank-x", json!({})), PriceBook::embedded());
    assert_eq!((unknown.kind, unknown.cost), (SpanType::Reranker, None));
    let no_model =
        canonical_span(raw("", json!({ "gen_ai.operation.name": "speech", "gen_ai.usage.input_tokens": 5 })), PriceBook::embedded());
    assert!(!no_model.counted && !no_model.is_billed(), "nothing says which model");
}

#[test]
fn wrapper_around_a_picture_is_counted_once() {
    let book = priced("my-image", json!({ "image": 0.04 }));
    let inner = RawSpan {
        span_id: SpanId(2),
        parent_span_id: Some(SpanId(1)),
        ..of("image_generation", "my-image", json!({ "gen_ai.usage.output_images": 1 }))
    };
    let outer = RawSpan { span_id: SpanId(1), parent_span_id: None, ..inner.clone() };
    let spans = [outer, inner].map(|raw| canonical_span(raw, &book));
    let nodes: Vec<SpanNode> = spans.iter().map(SpanNode::of).collect();
    let counted: Vec<bool> = decide_trace(&nodes).iter().map(|decision| decision.counted).collect();
    assert_eq!(counted, [false, true]);
}

fn counted(raws: Vec<RawSpan>, book: &PriceBook) -> Vec<bool> {
    let nodes: Vec<SpanNode> = raws.into_iter().map(|raw| SpanNode::of(&canonical_span(raw, book))).collect();
    decide_trace(&nodes).iter().map(|decision| decision.counted).collect()
}

fn child(raw: RawSpan) -> RawSpan {
    RawSpan { span_id: SpanId(3), parent_span_id: Some(SpanId(2)), ..raw }
}

#[test]
fn wrapper_with_units_of_its_own_is_no_wrapper() {
    let book = priced("my-tts", json!({ "character": 15 }));
    let outer = of("text_to_speech", "my-tts", json!({ "gen_ai.usage.characters": 100_000 }));
    assert_eq!(counted(vec![outer.clone(), child(of("text_to_speech", "my-tts", json!({})))], &book), [true, true]);
    let same = child(of("text_to_speech", "my-tts", json!({ "gen_ai.usage.characters": 100_000 })));
    assert_eq!(counted(vec![outer, same], &book), [false, true]);
    let rerank = of("rerank", "my-rerank", json!({ "gen_ai.usage.search_units": 10 }));
    assert_eq!(counted(vec![rerank, child(of("moderation", "omni-moderation", json!({})))], &book), [true, true]);
}

#[test]
fn reranking_by_a_language_model_is_counted_once() {
    let tokens = json!({ "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100 });
    let rerank = of("rerank", "gpt-4o", tokens.clone());
    assert_eq!(counted(vec![rerank, child(of("chat", "gpt-4o", tokens))], PriceBook::embedded()), [false, true]);
}

#[test]
fn fetched_response_of_a_picture_is_no_use_of_its_model() {
    let fetch = of("fetch_response", "gpt-image-1", json!({ "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 1000 }));
    let span = canonical_span(fetch, PriceBook::embedded());
    assert_eq!((span.counted, span.exclusion), (false, Some(Exclusion::FetchedResponse { span_id: None })));
}
