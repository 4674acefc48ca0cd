//! Tests of the price table, and of each pricing rule with a cost calculated by hand.

use proptest::prelude::*;

use super::*;
use crate::money::Usd;

/// Noon of 23 November 2026, UTC.
const NOVEMBER: i64 = 1_795_435_200_000_000;

fn usage(input: u64, output: u64) -> Usage {
    Usage { input: Some(input), output: Some(output), ..Usage::default() }
}

fn call<'a>(provider: Option<&'a str>, model: &'a str, usage: &'a Usage) -> BillableCall<'a> {
    BillableCall {
        provider,
        response_model: Some(model),
        request_model: None,
        usage,
        at_us: NOVEMBER,
        duration_us: Some(0),
        service_tier: None,
        failed: false,
    }
}

fn table(json: &str) -> Result<PriceBook, serde_json::Error> {
    PriceTable::from_json(json).map(|table| PriceBook::of_table(std::sync::Arc::new(table)))
}

/// Returns the cost of a call in dollars.
fn dollars(provider: Option<&str>, model: &str, usage: &Usage) -> Option<f64> {
    PriceBook::embedded().cost(&call(provider, model, usage)).map(|cost| cost.total.dollars())
}

/// Returns the ID of the price for a model name.
fn entry(provider: Option<&str>, model: &str) -> Option<String> {
    PriceBook::embedded().cost(&call(provider, model, &usage(1, 1))).and_then(|cost| cost.price)
}

#[test]
fn cost_of_the_article_example() {
    // 26 input tokens at $0.50 and 217 output tokens at $1.50 per million: 0.000013 + 0.0003255.
    let cost = PriceBook::embedded().cost(&call(Some("openai"), "gpt-3.5-turbo-0125", &usage(26, 217))).unwrap();
    assert_eq!(cost.total, Usd(338_500_000));
    assert_eq!(cost.input, Some(Usd(13_000_000)));
    assert_eq!(cost.output, Some(Usd(325_500_000)));
    assert_eq!(cost.price.as_deref(), Some("openai:gpt-3.5-turbo"));
    assert_eq!(cost.total.dollars(), 0.0003385);
}

#[test]
fn list_prices_of_common_models() {
    // Dollars per million tokens: input, cache read, cache write, output, as on the vendors' pages.
    let list = [
        ("openai", "gpt-3.5-turbo", 0.5, 0.5, 0.5, 1.5),
        ("openai", "gpt-3.5-turbo-0125", 0.5, 0.5, 0.5, 1.5),
        ("openai", "gpt-4o", 2.5, 1.25, 2.5, 10.0),
        ("openai", "gpt-4o-2024-08-06", 2.5, 1.25, 2.5, 10.0),
        ("openai", "gpt-4o-mini", 0.15, 0.075, 0.15, 0.6),
        ("openai", "gpt-4o-mini-2024-07-18", 0.15, 0.075, 0.15, 0.6),
        ("openai", "gpt-4.1", 2.0, 0.5, 2.0, 8.0),
        ("openai", "gpt-4.1-2025-04-14", 2.0, 0.5, 2.0, 8.0),
        ("openai", "gpt-5-mini", 0.25, 0.025, 0.25, 2.0),
        ("openai", "gpt-5-mini-2025-08-07", 0.25, 0.025, 0.25, 2.0),
        ("openai", "text-embedding-3-small", 0.02, 0.02, 0.02, 0.0),
        ("anthropic", "claude-sonnet-4-5-20250929", 3.0, 0.3, 3.75, 15.0),
        ("anthropic", "claude-haiku-4-5", 1.0, 0.1, 1.25, 5.0),
        ("anthropic", "claude-haiku-4-5-20251001", 1.0, 0.1, 1.25, 5.0),
    ];
    // A hundred thousand tokens, below the number from which some models cost more.
    let some = Some(100_000);
    let zero = usage(0, 0);
    for (provider, model, input, read, write, output) in list {
        let is = |usage: &Usage, per_million: f64| {
            // With the provider, and with the provider inferred from the model.
            for provider in [Some(provider), None] {
                let cost = PriceBook::embedded().cost(&call(provider, model, usage)).unwrap();
                assert_eq!(Some(cost.total), Usd::from_dollars(per_million / 10.0), "{model} {usage:?}");
            }
        };
        is(&Usage { input: some, ..zero }, input);
        is(&Usage { cache_read: some, ..zero }, read);
        is(&Usage { cache_write_5m: some, ..zero }, write);
        is(&Usage { output: some, ..zero }, output);
    }
}

#[test]
fn bucket_without_price_uses_the_wider_one() {
    let zero = usage(0, 0);
    let is = |provider: &str, model: &str, usage: Usage, expected: f64| {
        assert_eq!(dollars(Some(provider), model, &usage), Some(expected), "{model} {usage:?}");
    };
    let some = Some(100_000);
    let (hour, thought) = (Usage { cache_write_1h: some, ..zero }, Usage { reasoning: some, ..zero });
    let sound = Usage { input_audio: some, output_audio: some, ..zero };
    // claude-sonnet-4-5: a cache write for an hour has a price of its own, 6 per million.
    is("anthropic", "claude-sonnet-4-5", hour, 0.6);
    // Bedrock's claude-3-7-sonnet has a price of 3.75 for five minutes and none for an hour.
    is("aws.bedrock", "anthropic.claude-3-7-sonnet-20250219-v1:0", hour, 0.375);
    // gpt-3.5-turbo has no price for caches: its input price, 0.5, applies.
    is("openai", "gpt-3.5-turbo", hour, 0.05);
    // gpt-5-mini: reasoning has the price of output, 2. sonar-deep-research: reasoning has a price of 3, output one of 8.
    is("openai", "gpt-5-mini", thought, 0.2);
    is("perplexity", "sonar-deep-research", thought, 0.3);
    // gpt-audio: audio input costs 32, audio output 64. gpt-4o has no price for audio, so it costs as much as text, 2.5 and 10.
    is("openai", "gpt-audio", sound, 9.6);
    is("openai", "gpt-4o", sound, 1.25);
}

#[test]
fn lines_add_up() {
    let spent = Usage {
        input: Some(1_000),
        cache_read: Some(2_000),
        cache_write_5m: Some(300),
        cache_write_1h: Some(40),
        output: Some(500),
        reasoning: Some(60),
        ..Usage::default()
    };
    // 1000·3 + 2000·0.3 + 300·3.75 + 40·6 = 4965; 500·15 + 60·15 = 8400; both in millionths of a dollar.
    let priced = PriceBook::embedded().explain(&call(Some("anthropic"), "claude-sonnet-4-5", &spent)).unwrap();
    assert_eq!(priced.cost.input, Some(Usd(4_965_000_000)));
    assert_eq!(priced.cost.output, Some(Usd(8_400_000_000)));
    assert_eq!(priced.cost.total, Usd(13_365_000_000));
    let buckets: Vec<_> = priced.lines.iter().map(|line| (line.bucket.as_str(), line.count)).collect();
    let expected =
        [("input", 1_000), ("cache_read", 2_000), ("cache_write_5m", 300), ("cache_write_1h", 40), ("output", 500), ("reasoning", 60)];
    assert_eq!(buckets, expected);
    assert_eq!(priced.lines[1].usd_per_million(), 0.3);
}

#[test]
fn request_fee_is_only_in_the_total() {
    // sonar: $1 per million for input and output, and $12 per thousand requests: 0.001 + 0.001 + 0.012.
    let cost = PriceBook::embedded().cost(&call(Some("perplexity"), "sonar", &usage(1_000, 1_000))).unwrap();
    assert_eq!((cost.total, cost.input, cost.output), (Usd(14_000_000_000), Some(Usd(1_000_000_000)), Some(Usd(1_000_000_000))));
}

#[test]
fn unknown_is_never_zero() {
    let million = usage(1_000_000, 0);
    // An unknown model; open weights; a local server; an address; a resold model without a price (Copilot's gpt-4o); a model priced per
    // hour of audio.
    for (provider, model) in [
        (None, "my-finetune-7b"),
        (Some("openai"), "my-finetune-7b"),
        (None, "swallow-70b-instruct"),
        (None, "my-moderation-7b"),
        (None, "meta-llama/Llama-3.1-8B-Instruct"),
        (Some("huggingface"), "meta-llama/Llama-3.1-8B-Instruct"),
        (Some("ollama"), "deepseek-r1:8b"),
        (None, "https://router.huggingface.co/models/gpt-4o"),
        (None, ""),
        (Some("github-copilot"), "gpt-4o"),
        (Some("openai"), "whisper-1"),
        (Some("openai"), "gpt-oss-120b"),
    ] {
        assert_eq!(dollars(provider, model, &million), None, "{provider:?} {model}");
    }
    // Unknown counts.
    let openai = |usage: &Usage| dollars(Some("openai"), "gpt-4o", usage);
    assert_eq!(openai(&Usage::default()), None);
    assert_eq!(openai(&Usage { total: Some(100), ..Usage::default() }), None);
    assert_eq!(openai(&Usage { input: Some(100), ..Usage::default() }), None);
    assert_eq!(openai(&Usage { output: Some(100), ..Usage::default() }), None);
    // An embedding has no output, so its output need not be known.
    assert_eq!(dollars(None, "text-embedding-3-small", &Usage { input: Some(1_000_000), ..Usage::default() }), Some(0.02));
    // A call without tokens is known to cost nothing.
    assert_eq!(openai(&usage(0, 0)), Some(0.0));
}

#[test]
fn a_free_model_costs_zero() {
    let book = table(
        r#"{"date":"2026-01-01","providers":[{"id":"p","names":["p"],"vendor":true,"models":[
            {"id":"free","prices":[{"in":0,"out":0}]},{"id":"empty","prices":[{}]}]}]}"#,
    )
    .unwrap();
    assert_eq!(book.cost(&call(None, "free", &usage(7, 7))).unwrap().total, Usd::ZERO);
    assert_eq!(book.cost(&call(None, "empty", &usage(7, 7))), None);
}

#[test]
fn latest_effective_price_applies() {
    let at = |model: &str, time: &str| {
        let at_us = time.parse::<jiff::Timestamp>().unwrap().as_microsecond();
        let million = usage(1_000_000, 0);
        let cost = PriceBook::embedded().cost(&BillableCall { at_us, ..call(None, model, &million) }).unwrap();
        (cost.total.dollars(), cost.price.unwrap())
    };
    // o3 decreased from 10 to 2 on 10 June 2025.
    assert_eq!(at("o3", "2025-06-09T23:59:59Z"), (10.0, "openai:o3".into()));
    assert_eq!(at("o3", "2025-06-10T00:00:00Z"), (2.0, "openai:o3@2025-06-10".into()));
    // deepseek-chat costs half outside of 00:30 to 16:30.
    assert_eq!(at("deepseek-chat", "2026-11-23T00:29:00Z").0, 0.135);
    assert_eq!(at("deepseek-chat", "2026-11-23T00:30:00Z").0, 0.27);
    assert_eq!(at("deepseek-chat", "2026-11-23T16:30:00Z").0, 0.135);
    // Before 1970, days end at midnight too.
    assert_eq!(at("o3", "1969-12-31T23:00:00Z").0, 10.0);
}

#[test]
fn price_hours_may_span_midnight() {
    let book = table(
        r#"{"date":"2026-01-01","providers":[{"id":"p","names":["p"],"vendor":true,"models":[
            {"id":"m","prices":[{"in":2,"out":2},{"hours":["22:00","06:00"],"in":1,"out":1}]}]}]}"#,
    )
    .unwrap();
    let million = usage(1_000_000, 0);
    let at = |hour: i64| book.cost(&BillableCall { at_us: hour * 3_600_000_000, ..call(None, "m", &million) }).unwrap().total.dollars();
    assert_eq!([at(5), at(6), at(21), at(22)], [1.0, 2.0, 2.0, 1.0]);
}

#[test]
fn input_size_selects_the_tier_for_all_tokens() {
    // gemini-2.5-pro: 1.25 and 10 up to 200,000 input tokens including cache reads, above that 2.5 and 15.
    let small = Usage { cache_read: Some(100_000), ..usage(100_000, 1_000_000) };
    let large = Usage { cache_read: Some(100_000), ..usage(100_001, 1_000_000) };
    let lines = |usage: &Usage| {
        let priced = PriceBook::embedded().explain(&call(None, "gemini-2.5-pro", usage)).unwrap();
        priced.lines.iter().map(|line| line.usd_per_million()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&small), [1.25, 0.125, 10.0]);
    assert_eq!(lines(&large), [2.5, 0.25, 15.0]);
}

#[test]
fn service_tier_has_its_own_prices() {
    let tier = |provider: Option<&str>, tier: Option<&str>| {
        let million = usage(1_000_000, 0);
        let cost = PriceBook::embedded().cost(&BillableCall { service_tier: tier, ..call(provider, "gpt-5-mini", &million) }).unwrap();
        (cost.total.dollars(), cost.price.unwrap())
    };
    let openai = Some("openai");
    assert_eq!(tier(openai, Some("default")), (0.25, "openai:gpt-5-mini".into()));
    assert_eq!(tier(openai, Some("batch")), (0.125, "openai:gpt-5-mini+batch@2026-10-14".into()));
    assert_eq!(tier(openai, Some("flex")), (0.125, "openai:gpt-5-mini+flex@2026-10-12".into()));
    assert_eq!(tier(openai, Some("Priority")), (0.45, "openai:gpt-5-mini+priority@2026-10-12".into()));
    // Azure sells it at OpenAI's list price, but has its own prices for service tiers.
    assert_eq!(tier(Some("azure"), Some("batch")), (0.25, "openai:gpt-5-mini".into()));
}

#[test]
fn one_model_in_many_spellings() {
    let sonnet = Some("anthropic:claude-sonnet-4-5".to_owned());
    for (provider, model) in [
        (None, "claude-sonnet-4-5"),
        (None, "claude-sonnet-4-5-20250929"),
        (None, "Claude-Sonnet-4-5@20250929 "),
        (None, "anthropic/claude-sonnet-4-5"),
        (Some("Anthropic"), "anthropic/claude-sonnet-4.5"),
        (Some("openai"), "anthropic/claude-sonnet-4-5-20250929"),
        (Some("openai"), "claude-sonnet-4-5-20250929"),
        (Some("litellm"), "claude-sonnet-4-5"),
        (None, "publishers/anthropic/models/claude-sonnet-4-5@20250929"),
    ] {
        assert_eq!(entry(provider, model), sonnet, "{provider:?} {model}");
    }
    let gpt_4o = Some("openai:gpt-4o".to_owned());
    for (provider, model) in [
        (Some("openai"), "gpt-4o-2024-08-06"),
        (Some("openai"), "gpt-4o-20240806"),
        (Some("openai"), "openai/gpt-4o"),
        (Some("azure.ai.openai"), "gpt-4o-2024-11-20"),
        (Some("litellm"), "azure/gpt-4o"),
        (Some("fake-router"), "gpt-4o-latest"),
        (None, "gpt-4o-2031-01-01"),
    ] {
        assert_eq!(entry(provider, model), gpt_4o, "{provider:?} {model}");
    }
    assert_eq!(entry(None, "gpt-4o-2024-05-13").as_deref(), Some("openai:gpt-4o-2024-05-13"));
    assert_eq!(entry(None, "models/gemini-2.5-pro").as_deref(), Some("google:gemini-2.5-pro"));
    assert_eq!(entry(Some("gcp.gemini"), "gemini/gemini-2.5-pro").as_deref(), Some("google:gemini-2.5-pro"));
    assert_eq!(entry(None, "gemini-2.5-pro-preview-tts").as_deref(), Some("google:gemini-2.5-pro-tts"));
}

#[test]
fn a_reseller_counts_when_the_client_names_it() {
    // Bedrock charges 1.1 times the price for Claude in one region.
    let regional = Some("aws.bedrock:regional.anthropic.claude-sonnet-4-5-20250929-v1:0");
    for (provider, model) in [
        (Some("aws.bedrock"), "claude-sonnet-4-5-20250929"),
        (Some("AWS"), "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (None, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (Some("anthropic"), "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (Some("litellm"), "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (Some("aws"), "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ] {
        assert_eq!(entry(provider, model).as_deref(), regional, "{provider:?} {model}");
    }
    assert_eq!(entry(Some("openrouter"), "anthropic/claude-sonnet-4.5").as_deref(), Some("openrouter:anthropic/claude-sonnet-4.5"));
    assert!(entry(None, "accounts/fireworks/models/deepseek-v3p2").is_some_and(|id| id.starts_with("fireworks:")));
    assert!(entry(None, "groq/llama-3.3-70b-versatile").is_some_and(|id| id.starts_with("groq:")));
    for model in ["claude-sonnet-4-5@20250929", "publishers/anthropic/models/claude-sonnet-4-5@20250929"] {
        assert_eq!(entry(Some("gcp.vertex_ai"), model).as_deref(), Some("google:claude-sonnet-4-5"));
    }
    // A provider sells only what it lists: other models have no price there.
    assert_eq!(entry(Some("groq"), "claude-sonnet-4-5"), None);
}

#[test]
fn fine_tuned_model_has_its_own_price_or_none() {
    // 0.3 and 1.2, twice the prices of the base model.
    assert_eq!(dollars(Some("openai"), "ft:gpt-4o-mini-2024-07-18:org::id", &usage(1_000_000, 1_000_000)), Some(1.5));
    assert_eq!(entry(Some("openai"), "ft:gpt-4.1-2025-04-14:org::id"), None);
    assert_eq!(entry(Some("openai"), "ft:gpt-4-0613:org::id"), None);
}

#[test]
fn answering_model_is_priced_if_it_has_a_price() {
    let (book, million) = (PriceBook::embedded(), usage(1_000_000, 0));
    let both = |response, request| {
        let call = BillableCall { response_model: response, request_model: Some(request), ..call(None, "", &million) };
        book.cost(&call).and_then(|cost| cost.price)
    };
    assert_eq!(both(Some("gpt-4o-mini-2024-07-18"), "gpt-4o").as_deref(), Some("openai:gpt-4o-mini"));
    assert_eq!(both(Some("deployment-7"), "gpt-4o").as_deref(), Some("openai:gpt-4o"));
    assert_eq!(both(None, "gpt-4o").as_deref(), Some("openai:gpt-4o"));
}

#[test]
fn vendors_of_models() {
    let book = PriceBook::embedded();
    for (model, vendor) in [
        ("gpt-3.5-turbo", Some("openai")),
        ("gpt-4o-2024-08-06", Some("openai")),
        ("o3-mini", Some("openai")),
        ("text-embedding-3-small", Some("openai")),
        ("claude-sonnet-4-5-20250929", Some("anthropic")),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", Some("anthropic")),
        ("anthropic/claude-sonnet-4.5", Some("anthropic")),
        ("gemini-2.5-flash", Some("google")),
        ("models/gemini-2.5-flash", Some("google")),
        ("mistral-large-latest", Some("mistral")),
        ("command-r-plus", Some("cohere")),
        ("deepseek-chat", Some("deepseek")),
        ("grok-4", Some("x_ai")),
        ("kimi-k2-thinking", Some("moonshot_ai")),
        ("glm-4.6", Some("zai")),
        ("voyage-3.5", Some("voyage")),
        ("sonar-pro", Some("perplexity")),
        ("meta-llama/Llama-3.1-8B-Instruct", None),
        ("llama-3.3-70b-versatile", None),
        ("swallow-70b-instruct", None),
        ("my-finetune-7b", None),
        ("https://example.com/gpt-4o", None),
    ] {
        assert_eq!(book.vendor_of(model), vendor, "{model}");
    }
}

#[test]
fn spellings_of_providers() {
    let book = PriceBook::embedded();
    for (spelling, canonical) in [
        ("OpenAI", "openai"),
        ("openai-chat", "openai"),
        ("openai.embedding", "openai"),
        ("api.openai.com", "openai"),
        ("az.ai.openai", "azure"),
        ("azure.ai.inference", "azure"),
        ("Azure", "azure"),
        ("AWS", "aws.bedrock"),
        ("aws_bedrock", "aws.bedrock"),
        ("amazon-bedrock", "aws.bedrock"),
        ("aws.bedrock", "aws.bedrock"),
        ("gcp.vertex_ai", "google"),
        ("gcp.gemini", "google"),
        ("google_genai", "google"),
        ("google.generative-ai", "google"),
        ("vertexai", "google"),
        ("Anthropic", "anthropic"),
        ("mistral_ai", "mistral"),
        ("mistralai", "mistral"),
        ("cohere", "cohere"),
        ("xai", "x_ai"),
        ("x_ai", "x_ai"),
        ("api.x.ai", "x_ai"),
        ("groq", "groq"),
        ("deepseek", "deepseek"),
        ("perplexity", "perplexity"),
        ("together_ai", "together"),
        ("fireworks_ai", "fireworks"),
        ("moonshot_ai", "moonshot_ai"),
        ("ollama", "ollama"),
        ("ibm.watsonx.ai", "ibm.watsonx.ai"),
        ("openrouter", "openrouter"),
    ] {
        assert_eq!(book.canonical_provider(spelling), Some(canonical), "{spelling}");
    }
    for unknown in ["", "litellm", "fake", "gateway", "vercel"] {
        assert!(!book.knows_provider(unknown), "{unknown:?}");
    }
}

#[test]
fn every_price_table_entry_is_valid() {
    let table = PriceBook::embedded().table();
    assert!(table.date() >= "2026-11-01");
    assert_eq!(table.invalid_entries(), []);
}

#[test]
fn cost_saturates() {
    let all = Some(u64::MAX);
    let huge = Usage { input: all, cache_read: all, output: all, reasoning: all, ..Usage::default() };
    let cost = PriceBook::embedded().cost(&call(Some("openai"), "gpt-4o", &huge)).unwrap();
    assert_eq!(cost.total, Usd(i64::MAX));
}

prop_compose! {
    fn any_usage()(counts in proptest::array::uniform8(proptest::option::of(0_u64..1 << 40))) -> Usage {
        let [input, cache_read, cache_write_5m, cache_write_1h, input_audio, output, reasoning, output_audio] = counts;
        Usage { input, cache_read, cache_write_5m, cache_write_1h, input_audio, output, reasoning, output_audio, ..Usage::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_call_has_a_negative_cost_and_lines_are_all_of_it(
        place in any::<proptest::sample::Index>(),
        at_us in any::<i64>(),
        tier in proptest::option::of(proptest::sample::select(vec!["batch", "flex", "priority", "fast", "?"])),
        usage in any_usage(),
    ) {
        let book = PriceBook::embedded();
        let list = book.table().providers().list();
        let provider = &list[place.index(list.len())];
        let entries = provider.models.entries();
        prop_assume!(!entries.is_empty());
        let entry = &entries[place.index(entries.len())];
        let call = BillableCall { at_us, service_tier: tier, ..call(Some(&provider.id), &entry.id, &usage) };
        if let Some(priced) = book.explain(&call) {
            prop_assert!(priced.lines.iter().all(|line| line.amount >= Usd::ZERO && line.count > 0));
            prop_assert_eq!(priced.cost.total, priced.lines.iter().map(|line| line.amount).sum::<Usd>());
            prop_assert!(usage.input.is_some());
        }
    }

    #[test]
    fn any_text_may_be_a_name(provider in ".{0,40}", model in ".{0,40}") {
        let book = PriceBook::embedded();
        let usage = usage(1, 1);
        let _ = book.cost(&call(Some(&provider), &model, &usage));
        let _ = (book.vendor_of(&model), book.canonical_provider(&provider));
    }

    #[test]
    fn sum_of_costs_is_independent_of_order(mut calls in proptest::collection::vec((0_u64..100_000, 0_u64..100_000), 0..40)) {
        let book = PriceBook::embedded();
        let models = ["gpt-4o-mini", "claude-haiku-4-5", "gemini-2.5-flash"];
        let sum = |calls: &[(u64, u64)]| -> Usd {
            let cost = |(input, output): &(u64, u64)| {
                let model = models[(*input % 3) as usize];
                book.cost(&call(None, model, &usage(*input, *output))).map(|cost| cost.total)
            };
            calls.iter().filter_map(cost).sum()
        };
        let before = sum(&calls);
        calls.reverse();
        prop_assert_eq!(sum(&calls), before);
        calls.sort_unstable();
        prop_assert_eq!(sum(&calls), before);
    }
}

#[test]
fn a_price_by_the_hour_needs_the_duration() {
    let own: CustomPrice = serde_json::from_str(r#"{ "model": "llama", "prices": { "input": 1, "output": 1, "hour": 2.5 } }"#).unwrap();
    let book = PriceBook::embedded().with_custom_prices(std::iter::once((own, true)));
    let used = usage(10, 0);
    let cost = |duration_us| book.cost(&BillableCall { duration_us, ..call(None, "llama", &used) }).map(|cost| cost.total.dollars());
    assert_eq!(cost(Some(36_000_000)), Some(0.02501));
    assert_eq!(cost(None), None, "part of a cost is no cost");
}
