use proptest::prelude::*;
use serde_json::json;

use super::*;

fn settle(counts: ReportedTokenCounts) -> Usage {
    counts.exclusive_usage(TokenCountConvention::Inclusive)
}

#[test]
fn cached_input_is_part_of_the_input() {
    let usage = settle(ReportedTokenCounts {
        input: Some(2585),
        output: Some(64),
        total: Some(2649),
        cache_read: Some(2048),
        cache_write_5m: Some(512),
        ..ReportedTokenCounts::default()
    });
    assert_eq!((usage.input, usage.input_tokens(), usage.output), (Some(25), Some(2585), Some(64)));
    assert_eq!(usage.source, Some(UsageSource::Reported));
}

#[test]
fn reasoning_is_part_of_the_output() {
    let usage = settle(ReportedTokenCounts { input: Some(300), output: Some(640), reasoning: Some(512), ..ReportedTokenCounts::default() });
    assert_eq!((usage.output, usage.output_tokens(), usage.total), (Some(128), Some(640), Some(940)));
}

#[test]
fn provider_usage_object_adds_counts() {
    let of = |remarks: serde_json::Value| {
        let (counts, of_input, of_output) = ReportedTokenCounts::of_provider_metadata(remarks.as_object().unwrap()).unwrap();
        counts.exclusive_usage_of(of_input, of_output)
    };
    let anthropic = of(json!({ "anthropic": { "cacheCreationInputTokens": 512, "usage": {
        "input_tokens": 25, "output_tokens": 64, "cache_creation_input_tokens": 512, "cache_read_input_tokens": 2048,
    } } }));
    assert_eq!((anthropic.input, anthropic.input_tokens(), anthropic.cache_write_5m), (Some(25), Some(2585), Some(512)));
    let google = of(json!({ "google": { "safetyRatings": null, "usageMetadata": {
        "cachedContentTokenCount": 256, "thoughtsTokenCount": 40, "promptTokenCount": 700, "candidatesTokenCount": 50, "totalTokenCount": 790,
    } } }));
    assert_eq!((google.input, google.output, google.output_tokens()), (Some(444), Some(50), Some(90)));
    let openai = json!({ "openai": { "cachedPromptTokens": 1024, "reasoningTokens": 0, "acceptedPredictionTokens": 0 } });
    let (openai, convention, _) = ReportedTokenCounts::of_provider_metadata(openai.as_object().unwrap()).unwrap();
    assert_eq!((openai.input, openai.cache_read, convention), (None, Some(1024), TokenCountConvention::Inclusive));
    assert_eq!(ReportedTokenCounts::of_provider_metadata(json!({ "openai": { "logprobs": [] } }).as_object().unwrap()), None);
}

#[test]
fn cached_input_added_twice_is_detected() {
    let usage = settle(ReportedTokenCounts {
        input: Some(2224),
        output: Some(85),
        total: Some(1285),
        cache_read: Some(1024),
        ..ReportedTokenCounts::default()
    });
    assert_eq!((usage.input, usage.input_tokens()), (Some(176), Some(1200)));
}

#[test]
fn total_decides_between_interpretations() {
    let counts = ReportedTokenCounts {
        input: Some(100),
        output: Some(10),
        cache_read: Some(40),
        reasoning: Some(5),
        ..ReportedTokenCounts::default()
    };
    let with = |total| settle(ReportedTokenCounts { total: Some(total), ..counts });
    assert_eq!((with(110).input_tokens(), with(110).output_tokens()), (Some(100), Some(10)));
    assert_eq!((with(150).input_tokens(), with(150).output_tokens()), (Some(140), Some(10)));
    assert_eq!((with(115).input_tokens(), with(115).output_tokens()), (Some(100), Some(15)));
    assert_eq!(with(9999).input_tokens(), Some(100), "a total that fits nothing changes nothing");
    let reads_left_out = ReportedTokenCounts {
        input: Some(60),
        output: Some(10),
        cache_read: Some(40),
        cache_write_5m: Some(50),
        total: Some(110),
        ..ReportedTokenCounts::default()
    };
    let usage = reads_left_out.exclusive_usage(TokenCountConvention::Exclusive);
    assert_eq!((usage.input, usage.input_tokens()), (Some(10), Some(100)));
}

#[test]
fn input_below_cache_excludes_the_cache() {
    let usage = settle(ReportedTokenCounts { input: Some(25), output: Some(64), cache_read: Some(2048), ..ReportedTokenCounts::default() });
    assert_eq!((usage.input, usage.input_tokens()), (Some(25), Some(2073)));
}

#[test]
fn total_without_caches_is_completed() {
    let usage = settle(ReportedTokenCounts {
        input: Some(25),
        output: Some(64),
        total: Some(89),
        cache_read: Some(2048),
        ..ReportedTokenCounts::default()
    });
    assert_eq!((usage.input_tokens(), usage.total), (Some(2073), Some(2137)));
    let usage = settle(ReportedTokenCounts {
        input: Some(25),
        output: Some(64),
        total: Some(90),
        cache_read: Some(2048),
        ..ReportedTokenCounts::default()
    });
    assert_eq!(usage.total, Some(90), "any other total stays as sent");
}

#[test]
fn reasoning_may_be_excluded_where_cache_is_included() {
    let counts = ReportedTokenCounts {
        input: Some(100),
        output: Some(60),
        cache_read: Some(40),
        reasoning: Some(50),
        ..ReportedTokenCounts::default()
    };
    let usage = counts.exclusive_usage_of(TokenCountConvention::Inclusive, TokenCountConvention::Exclusive);
    assert_eq!((usage.input, usage.input_tokens()), (Some(60), Some(100)));
    assert_eq!((usage.output, usage.output_tokens()), (Some(60), Some(110)));
}

#[test]
fn unknown_stays_unknown() {
    assert_eq!(settle(ReportedTokenCounts::default()), Usage::default());
    let usage = settle(ReportedTokenCounts { total: Some(9), input: Some(4), ..ReportedTokenCounts::default() });
    assert_eq!((usage.output, usage.total), (None, Some(9)));
}

#[test]
fn counts_of_any_type() {
    assert_eq!(count(&json!(26)), Some(26));
    assert_eq!(count(&json!(26.0)), Some(26));
    assert_eq!(count(&json!("26")), Some(26));
    assert_eq!(count(&json!(-1)), None);
    assert_eq!(count(&json!(u64::MAX)), None);
    assert_eq!(count(&json!(u64::MAX.to_string())), None);
    assert_eq!(count(&json!(true)), None);
    assert_eq!(count(&json!("many")), None);
}

fn of_details(value: Value) -> Usage {
    let (counts, of_input, of_output) = ReportedTokenCounts::from_details(value.as_object().unwrap());
    counts.exclusive_usage_of(of_input, of_output)
}

#[test]
fn the_shape_of_details_decides() {
    let of = of_details;
    let own = of(json!({"input": 100, "input_cached_tokens": 40, "output": 7, "total": 147}));
    assert_eq!(own.input_tokens(), Some(140));
    let openai = of(json!({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 40}, "completion_tokens": 7}));
    assert_eq!((openai.input_tokens(), openai.input), (Some(100), Some(60)));
    let anthropic = of(json!({"input_tokens": 25, "cache_read_input_tokens": 10, "output_tokens": 7}));
    assert_eq!(anthropic.input_tokens(), Some(35));
}

#[test]
fn vertex_modality_counts_are_summed() {
    // As Langfuse's handler of LangChain sends it: 1,000 input tokens, of which 258 are an image and 100 are cached text; 1,300 output
    // tokens, of which 1,290 are an image.
    let usage = of_details(json!({
        "input": 0, "output": 0, "total": 2300, "input_modality_TEXT": 642, "input_modality_IMAGE": 258, "cached_modality_TEXT": 100,
        "output_modality_TEXT": 10, "output_modality_IMAGE": 1290,
    }));
    assert_eq!((usage.input, usage.input_image, usage.cache_read, usage.input_tokens()), (Some(642), Some(258), Some(100), Some(1000)));
    assert_eq!((usage.output, usage.output_image, usage.output_tokens()), (Some(10), Some(1290), Some(1300)));
}

#[test]
fn one_hour_cache_writes_are_part_of_cache_writes() {
    // Anthropic's own object, and the one that Langfuse's handler of LangChain sends.
    let own = of_details(json!({
        "input_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 300, "output_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "server_tool_use": {"web_search_requests": 2},
    }));
    assert_eq!((own.cache_write_5m, own.cache_write_1h, own.input_tokens()), (Some(100), Some(200), Some(310)));
    assert_eq!(own.web_searches, Some(2));
    let flat =
        of_details(json!({"input": 10, "output": 5, "input_ephemeral_5m_input_tokens": 100, "input_ephemeral_1h_input_tokens": 200}));
    assert_eq!((flat.cache_write_5m, flat.cache_write_1h, flat.input_tokens()), (Some(100), Some(200), Some(310)));
}

#[test]
fn one_count_has_many_names() {
    let read = |details: Value| {
        let usage = of_details(details);
        (usage.input_tokens(), usage.cache_read, usage.cache_write_tokens(), usage.output_tokens())
    };
    for details in [
        json!({"prompt_tokens": 1000, "completion_tokens": 50, "prompt_cache_hit_tokens": 800, "prompt_cache_miss_tokens": 200}),
        json!({"prompt_cache_hit_tokens": 800, "prompt_cache_miss_tokens": 200, "completion_tokens": 50}),
        json!({"inputTokens": 1000, "outputTokens": 50, "inputTokenDetails": {"cacheReadTokens": 800}}),
        json!({"InputTokens": 1000, "OutputTokens": 50, "InputTokensDetails": {"CachedTokens": 800}}),
        json!({"input_tokens": 1000, "output_tokens": 50, "input_tokens_details": "{'cached_tokens': 800}"}),
        json!({"input_tokens": 1000, "output_tokens": 50, "input_tokens_details": "map[audio_tokens:0 cached_tokens:800]"}),
        json!({"input_tokens": 1000, "output_tokens": 50, "input_tokens_details.cached_tokens": 800}),
        json!({"promptTokenCount": 1000, "candidatesTokenCount": 50, "cachedContentTokenCount": 800}),
        json!({"input_tokens": 1000, "output_tokens": 50, "cached_tokens": 0, "details": {"cache_read_tokens": 800}}),
    ] {
        let label = details.to_string();
        assert_eq!(read(details), (Some(1000), Some(800), None, Some(50)), "{label}");
    }
    for details in [
        json!({"input_tokens": 100, "output_tokens": 50, "cacheReadInputTokenCount": 800, "cacheWriteInputTokenCount": 100}),
        json!({"input": 100, "output": 50, "input_cache_read": 800, "input_cache_creation": 100}),
        json!({"input": 100, "output": 50, "cache_read_tokens": 800, "cache_write_tokens": 100}),
    ] {
        let label = details.to_string();
        assert_eq!(read(details), (Some(1000), Some(800), Some(100), Some(50)), "{label}");
    }
}

#[test]
fn google_counts_thoughts_and_its_tools_beside() {
    let usage = of_details(json!({
        "promptTokenCount": 12, "cachedContentTokenCount": 4, "candidatesTokenCount": 71, "toolUsePromptTokenCount": 65,
        "thoughtsTokenCount": 89, "totalTokenCount": 237,
    }));
    assert_eq!((usage.input_tokens(), usage.output_tokens(), usage.reasoning), (Some(77), Some(160), Some(89)));
    let modalities = of_details(json!({
        "promptTokenCount": 1000, "candidatesTokenCount": 10, "cachedContentTokenCount": 500,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 400}, {"modality": "AUDIO", "tokenCount": 600}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 300}, {"modality": "TEXT", "tokenCount": 200}],
    }));
    assert_eq!((modalities.input, modalities.input_audio, modalities.cache_read), (Some(200), Some(300), Some(500)));
}

#[test]
fn langfuse_adds_up_counts_of_any_name() {
    let usage = of_details(json!({"input": 100, "input_video_tokens": 40, "output": 7, "output_rejected_prediction_tokens": 3}));
    assert_eq!((usage.input_tokens(), usage.output_tokens()), (Some(140), Some(10)));
    let text = of_details(json!({"input": 100, "input_text_tokens": 100, "output": 7}));
    assert_eq!(text.input_tokens(), Some(100));
}

#[test]
fn openai_image_tokens_are_part_of_the_input() {
    let usage = of_details(json!({
        "input_tokens": 300, "input_tokens_details": {"image_tokens": 258, "text_tokens": 42}, "output_tokens": 1290,
        "output_tokens_details": {"image_tokens": 1290}, "total_tokens": 1590,
    }));
    assert_eq!((usage.input, usage.input_image, usage.output, usage.output_image), (Some(42), Some(258), Some(0), Some(1290)));
}

#[test]
fn cached_image_tokens_count_once() {
    // 1,000 input tokens, of which 900 are a cached image.
    let counts = ReportedTokenCounts {
        input: Some(1000),
        output: Some(5),
        cache_read: Some(900),
        input_image: Some(900),
        ..ReportedTokenCounts::default()
    };
    let usage = settle(counts);
    assert_eq!((usage.input, usage.cache_read, usage.input_image, usage.input_tokens()), (Some(0), Some(900), Some(100), Some(1000)));
    let beside = settle(ReportedTokenCounts { total: Some(2805), ..counts });
    assert_eq!(beside.input_tokens(), Some(2800), "the total says that they stand beside one another");
}

#[test]
fn interpretation_of_a_count_is_reported() {
    let taken = |counts: ReportedTokenCounts, convention| {
        let usage = counts.exclusive_usage(convention);
        let (input, output) = counts.interpretations(&usage, convention, convention);
        (input.map(|taken| (taken.whole, taken.rule, taken.because)), output.map(|taken| (taken.whole, taken.rule, taken.because)))
    };
    let counts = ReportedTokenCounts { input: Some(100), output: Some(10), cache_read: Some(40), ..ReportedTokenCounts::default() };
    let with = |total| ReportedTokenCounts { total: Some(total), ..counts };
    let (inclusive, exclusive) = (TokenCountConvention::Inclusive, TokenCountConvention::Exclusive);
    assert_eq!(
        taken(counts, inclusive),
        (Some((100, TokenInclusionRule::Inclusive, TokenCountBasis::Convention)), None),
        "the output can be read in one way"
    );
    assert_eq!(taken(with(110), inclusive).0, Some((100, TokenInclusionRule::Inclusive, TokenCountBasis::TotalAgrees)));
    assert_eq!(taken(with(150), inclusive).0, Some((140, TokenInclusionRule::Exclusive, TokenCountBasis::Total)));
    assert_eq!(taken(with(110), exclusive).0, Some((100, TokenInclusionRule::Inclusive, TokenCountBasis::Total)));
    assert_eq!(taken(with(150), exclusive).0, Some((140, TokenInclusionRule::Exclusive, TokenCountBasis::TotalAgrees)));
    let little = ReportedTokenCounts { input: Some(25), ..counts };
    assert_eq!(taken(little, inclusive).0, Some((65, TokenInclusionRule::Exclusive, TokenCountBasis::Impossible)));
    let reads_left_out = ReportedTokenCounts { input: Some(60), cache_write_5m: Some(50), ..with(110) };
    assert_eq!(taken(reads_left_out, exclusive).0, Some((100, TokenInclusionRule::Partly, TokenCountBasis::Total)));
    let thought = ReportedTokenCounts { reasoning: Some(5), total: Some(115), ..counts };
    assert_eq!(taken(thought, inclusive).1, Some((15, TokenInclusionRule::Exclusive, TokenCountBasis::Total)));
}

proptest! {
    #[test]
    fn nothing_is_lost_or_negative(
        input in proptest::option::of(0u64..10_000), output in proptest::option::of(0u64..10_000),
        total in proptest::option::of(0u64..30_000), read in proptest::option::of(0u64..10_000),
        reasoning in proptest::option::of(0u64..10_000), exclusive: bool,
    ) {
        let convention = if exclusive { TokenCountConvention::Exclusive } else { TokenCountConvention::Inclusive };
        let usage = ReportedTokenCounts { input, output, total, cache_read: read, reasoning, ..ReportedTokenCounts::default() }.exclusive_usage(convention);
        prop_assert_eq!(usage.input.is_some(), input.is_some());
        prop_assert_eq!(usage.output.is_some(), output.is_some());
        prop_assert!(usage.input_tokens() >= input);
        prop_assert_eq!(usage.cache_read, read);
    }
}
