//! Cost table: one case for each pricing rule, calculated by hand in its comment. Costs must be equal to the last unit of money, which is
//! 10⁻¹² dollars.
//!
//! The first part uses list prices of the embedded price table; the second part sets custom prices.

use std::sync::Arc;

use hinomi_model::money::Usd;
use hinomi_model::price::{BillableCall, CustomPrice, PriceBook, PriceTable};
use hinomi_model::span::Usage;
use serde_json::json;

/// Noon of 23 November 2026, UTC.
const NOON: &str = "2026-11-23T12:00:00Z";

/// A call, and its cost in dollars.
struct Case<'a> {
    rule: &'a str,
    provider: Option<&'a str>,
    model: &'a str,
    at: &'a str,
    tier: Option<&'a str>,
    seconds: f64,
    failed: bool,
    usage: Usage,
    /// Price and cost; `None` if the cost is unknown.
    costs: Option<(&'a str, f64)>,
}

fn case<'a>(rule: &'a str, model: &'a str, usage: Usage, costs: Option<(&'a str, f64)>) -> Case<'a> {
    Case { rule, provider: None, model, at: NOON, tier: None, seconds: 0.0, failed: false, usage, costs }
}

fn tokens(input: u64, output: u64) -> Usage {
    Usage { input: Some(input), output: Some(output), ..Usage::default() }
}

fn check(book: &PriceBook, cases: &[Case]) {
    for case in cases {
        let call = BillableCall {
            provider: case.provider,
            response_model: Some(case.model),
            request_model: None,
            usage: &case.usage,
            at_us: case.at.parse::<jiff::Timestamp>().unwrap().as_microsecond(),
            duration_us: Some((case.seconds * 1e6) as i64),
            service_tier: case.tier,
            failed: case.failed,
        };
        let got = book.cost(&call).map(|cost| (cost.price.unwrap_or_default(), cost.total));
        let expected = case.costs.map(|(id, dollars)| (id.to_owned(), Usd::from_dollars(dollars).unwrap()));
        assert_eq!(got, expected, "{}", case.rule);
    }
}

#[test]
fn list_prices() {
    let gemini_flash = "google:gemini-2.5-flash";
    check(
        PriceBook::embedded(),
        &[
            // 26 × $0.50/M + 217 × $1.50/M = 0.000013 + 0.0003255
            case("input and output", "gpt-3.5-turbo-0125", tokens(26, 217), Some(("openai:gpt-3.5-turbo", 0.000_338_5))),
            // 12,345 × $0.02/M; output is not charged
            case(
                "an embedding has no output price",
                "text-embedding-3-small",
                tokens(12_345, 0),
                Some(("openai:text-embedding-3-small", 0.000_246_9)),
            ),
            // 1,000 × $3 + 2,000 × $0.30 + 300 × $3.75 + 40 × $6 + 500 × $15, all per million: 3,000 + 600 + 1,125 + 240 + 7,500 = 12,465
            case(
                "cache reads, and writes for five minutes and for an hour",
                "claude-sonnet-4-5-20250929",
                Usage { cache_read: Some(2_000), cache_write_5m: Some(300), cache_write_1h: Some(40), ..tokens(1_000, 500) },
                Some(("anthropic:claude-sonnet-4-5", 0.012_465)),
            ),
            // 100 × $0.25/M + (10 + 500) × $2/M = 0.000025 + 0.00102: reasoning costs as much as output
            case(
                "reasoning without a price of its own costs as output",
                "gpt-5-mini",
                Usage { reasoning: Some(500), ..tokens(100, 10) },
                Some(("openai:gpt-5-mini", 0.001_045)),
            ),
            // 100 × $2/M + 10 × $8/M + 500 × $3/M = 0.0002 + 0.00008 + 0.0015
            case(
                "reasoning with a price of its own",
                "sonar-deep-research",
                Usage { reasoning: Some(500), ..tokens(100, 10) },
                Some(("perplexity:sonar-deep-research", 0.001_78)),
            ),
            // 100 × $2.50/M + 1,000 × $32/M + 10 × $10/M + 2,000 × $64/M = 0.00025 + 0.032 + 0.0001 + 0.128
            case(
                "sound in and out",
                "gpt-audio",
                Usage { input_audio: Some(1_000), output_audio: Some(2_000), ..tokens(100, 10) },
                Some(("openai:gpt-audio", 0.160_35)),
            ),
            // 1,000 × $0.30/M + 500 × $0.30/M + 100 × $2.50/M = 0.0003 + 0.00015 + 0.00025: images without a price cost as much as plain
            // input
            case(
                "pictures without a price of their own cost as plain input",
                "gemini-2.5-flash",
                Usage { input_image: Some(500), ..tokens(1_000, 100) },
                Some((gemini_flash, 0.000_7)),
            ),
            // 50 × $0.30/M + 20 × $2.50/M + 1,290 × $30/M = 0.000015 + 0.00005 + 0.0387
            case(
                "pictures that are made, by their tokens",
                "gemini-2.5-flash-image",
                Usage { output_image: Some(1_290), ..tokens(50, 20) },
                Some(("google:gemini-2.5-flash-image", 0.038_765)),
            ),
            // 1,000 × $1/M + 1,000 × $1/M + $12 / 1,000 requests
            case("a price for the request", "sonar", tokens(1_000, 1_000), Some(("perplexity:sonar", 0.014))),
            // 1,000 × $3/M + 100 × $15/M + 3 × $10 / 1,000 = 0.003 + 0.0015 + 0.03
            case(
                "searches of the web",
                "claude-sonnet-4-5",
                Usage { web_searches: Some(3), ..tokens(1_000, 100) },
                Some(("anthropic:claude-sonnet-4-5", 0.034_5)),
            ),
            // 200,000 input tokens in total: 100,000 × $1.25/M + 100,000 × $0.125/M + 1,000 × $10/M = 0.125 + 0.0125 + 0.01
            case(
                "up to the size from which a model costs more",
                "gemini-2.5-pro",
                Usage { cache_read: Some(100_000), ..tokens(100_000, 1_000) },
                Some(("google:gemini-2.5-pro", 0.147_5)),
            ),
            // One token more, and all tokens cost more: 100,001 × $2.50/M + 100,000 × $0.25/M + 1,000 × $15/M = 0.2500025 + 0.025 + 0.015
            case(
                "above it, all tokens cost more",
                "gemini-2.5-pro",
                Usage { cache_read: Some(100_000), ..tokens(100_001, 1_000) },
                Some(("google:gemini-2.5-pro", 0.290_002_5)),
            ),
            // 1,000 × $10/M + 100 × $40/M = 0.01 + 0.004, one second before the price decreased
            Case { at: "2025-06-09T23:59:59Z", ..case("before a price fell", "o3", tokens(1_000, 100), Some(("openai:o3", 0.014))) },
            // 1,000 × $2/M + 100 × $8/M = 0.002 + 0.0008
            Case { at: "2025-06-10T00:00:00Z", ..case("after it fell", "o3", tokens(1_000, 100), Some(("openai:o3@2025-06-10", 0.002_8))) },
            // 1,000 × $0.27/M + 100 × $1.10/M = 0.00027 + 0.00011
            Case {
                at: "2026-11-23T00:30:00Z",
                ..case("by day", "deepseek-chat", tokens(1_000, 100), Some(("deepseek:deepseek-chat", 0.000_38)))
            },
            // Half: 1,000 × $0.135/M + 100 × $0.55/M = 0.000135 + 0.000055
            Case {
                at: "2026-11-23T16:30:00Z",
                ..case("by night", "deepseek-chat", tokens(1_000, 100), Some(("deepseek:deepseek-chat", 0.000_19)))
            },
            // 1,000 × $0.125/M + 100 × $1/M = 0.000125 + 0.0001
            Case {
                provider: Some("openai"),
                tier: Some("batch"),
                ..case("batch", "gpt-5-mini", tokens(1_000, 100), Some(("openai:gpt-5-mini+batch@2026-10-14", 0.000_225)))
            },
            // The same for flex.
            Case {
                provider: Some("openai"),
                tier: Some("flex"),
                ..case("flex", "gpt-5-mini", tokens(1_000, 100), Some(("openai:gpt-5-mini+flex@2026-10-12", 0.000_225)))
            },
            // 1,000 × $0.45/M + 100 × $3.60/M = 0.00045 + 0.00036
            Case {
                provider: Some("openai"),
                tier: Some("priority"),
                ..case("priority", "gpt-5-mini", tokens(1_000, 100), Some(("openai:gpt-5-mini+priority@2026-10-12", 0.000_81)))
            },
            // Bedrock's price in this region is 1.1 times the list price: 1,000 × $3.30/M + 100 × $16.50/M = 0.0033 + 0.00165
            Case {
                provider: Some("aws.bedrock"),
                ..case(
                    "who runs the model decides",
                    "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
                    tokens(1_000, 100),
                    Some(("aws.bedrock:regional.anthropic.claude-sonnet-4-5-20250929-v1:0", 0.004_95)),
                )
            },
            case("a model that nobody lists", "my-finetune-7b", tokens(1_000, 100), None),
            case("output that is not known", "gpt-4o", Usage { input: Some(1_000), ..Usage::default() }, None),
            case("nothing taken is free, and that is known", "gpt-4o", tokens(0, 0), Some(("openai:gpt-4o", 0.0))),
        ],
    );
}

fn own(price: serde_json::Value) -> CustomPrice {
    serde_json::from_value::<CustomPrice>(price).unwrap().checked().unwrap()
}

#[test]
fn custom_prices_apply() {
    // The flag is true for a price of this project only.
    let set = [
        (own(json!({ "model": "llama-3.3-70b*", "prices": { "input": 0.2, "output": 0.6 } })), false),
        (own(json!({ "model": "llama-3.3-70b-fast", "provider": "groq", "prices": { "input": 1, "output": 2 } })), false),
        (own(json!({ "model": "gpt-4o", "from": "2026-11-01", "until": "2026-12-01", "prices": { "input": 2, "output": 8 } })), true),
        (own(json!({ "model": "gpt-4o", "from": "2026-11-20", "prices": { "input": 1, "cache_read": 0.1, "output": 4 } })), true),
        (own(json!({ "model": "gpt-4o", "service_tier": "batch", "prices": { "input": 0.5, "output": 2 } })), true),
        (own(json!({ "model": "long-context", "prices": { "input": 1, "output": 2 } })), true),
        (own(json!({ "model": "long-context", "input_above": 200_000, "prices": { "input": 2, "output": 3 } })), true),
        (own(json!({ "model": "qwen2.5:7b", "prices": { "hour": 2.5 } })), true),
        (own(json!({ "model": "my-painter", "prices": { "image": 0.04 } })), true),
        (own(json!({ "model": "my-ranker", "prices": { "request": 0.002 } })), true),
        (own(json!({ "model": "my-searcher", "prices": { "input": 1, "output": 1, "web_search": 0.01 } })), true),
        (own(json!({ "model": "at-home", "prices": { "input": 0, "output": 0 } })), true),
    ];
    let book = PriceBook::embedded().with_custom_prices(set.into_iter());
    let nothing = Usage::default();
    check(
        &book,
        &[
            // 1,000 × $0.20/M + 100 × $0.60/M = 0.0002 + 0.00006
            case(
                "the beginning of a name",
                "meta-llama/Llama-3.3-70B-Instruct",
                tokens(1_000, 100),
                Some(("own:llama-3.3-70b*", 0.000_26)),
            ),
            // 1,000 × $1/M + 100 × $2/M
            Case {
                provider: Some("groq"),
                ..case(
                    "an exact name before the beginning of one",
                    "llama-3.3-70b-fast",
                    tokens(1_000, 100),
                    Some(("own:llama-3.3-70b-fast", 0.001_2)),
                )
            },
            // The other price is limited to Groq: 1,000 × $0.20/M + 100 × $0.60/M
            Case {
                provider: Some("vllm"),
                ..case("another provider", "llama-3.3-70b-fast", tokens(1_000, 100), Some(("own:llama-3.3-70b*", 0.000_26)))
            },
            // Price of the table: 1,000 × $2.50/M + 100 × $10/M = 0.0025 + 0.001
            Case {
                at: "2026-10-31T23:59:59Z",
                ..case("before its first day", "gpt-4o", tokens(1_000, 100), Some(("openai:gpt-4o", 0.003_5)))
            },
            // 1,000 × $2/M + 100 × $8/M = 0.002 + 0.0008
            Case {
                at: "2026-11-01T00:00:00Z",
                ..case("from its first day", "gpt-4o", tokens(1_000, 100), Some(("own:gpt-4o@2026-11-01", 0.002_8)))
            },
            // 1,000 × $1/M + 500 × $0.10/M + 100 × $4/M = 0.001 + 0.00005 + 0.0004
            case(
                "the later of two, also for a dated name",
                "gpt-4o-2024-08-06",
                Usage { cache_read: Some(500), ..tokens(1_000, 100) },
                Some(("own:gpt-4o@2026-11-20", 0.001_45)),
            ),
            // 1,000 × $0.50/M + 100 × $2/M = 0.0005 + 0.0002
            Case { tier: Some("batch"), ..case("a tier of service", "gpt-4o", tokens(1_000, 100), Some(("own:gpt-4o+batch", 0.000_7))) },
            // 200,000 × $1/M + 100 × $2/M
            case("up to a size", "long-context", tokens(200_000, 100), Some(("own:long-context", 0.200_2))),
            // 200,001 × $2/M + 100 × $3/M = 0.400002 + 0.0003
            case("above a size", "long-context", tokens(200_001, 100), Some(("own:long-context", 0.400_302))),
            // 3.6 s × $2.50/h = 3.6 × 2.5 / 3,600; tokens do not matter
            Case { seconds: 3.6, ..case("the time that a call ran", "qwen2.5:7b", nothing, Some(("own:qwen2.5:7b", 0.002_5))) },
            // Failed after 1.44 s, for which the machine costs money too: 1.44 × 2.5 / 3,600
            Case {
                seconds: 1.44,
                failed: true,
                ..case("the time of a failed call", "qwen2.5:7b", nothing, Some(("own:qwen2.5:7b", 0.001)))
            },
            // 3 × $0.04
            case("pictures by their number", "my-painter", Usage { images: Some(3), ..nothing }, Some(("own:my-painter", 0.12))),
            case("nobody says how many pictures", "my-painter", nothing, None),
            case("a request without tokens", "my-ranker", nothing, Some(("own:my-ranker", 0.002))),
            Case { failed: true, ..case("a request that failed", "my-ranker", nothing, None) },
            // 1,000 × $1/M + 100 × $1/M + 2 × $0.01 = 0.001 + 0.0001 + 0.02
            case("searches", "my-searcher", Usage { web_searches: Some(2), ..tokens(1_000, 100) }, Some(("own:my-searcher", 0.021_1))),
            case("free, as the owner says", "at-home", tokens(1_000, 100), Some(("own:at-home", 0.0))),
            // Price of the table: 1,000 × $0.15/M + 100 × $0.60/M = 0.00015 + 0.00006
            case("what the owner says nothing of", "gpt-4o-mini", tokens(1_000, 100), Some(("openai:gpt-4o-mini", 0.000_21))),
        ],
    );
}

#[test]
fn project_price_precedes_global_price() {
    let set = [
        (own(json!({ "model": "m", "prices": { "input": 1 } })), true),
        (own(json!({ "model": "m", "from": "2026-11-01", "prices": { "input": 2 } })), false),
    ];
    let book = PriceBook::embedded().with_custom_prices(set.into_iter());
    // 1,000 × $1/M, although the other price is later
    check(&book, &[case("of the project", "m", tokens(1_000, 0), Some(("own:m", 0.001)))]);
}

#[test]
fn amounts_are_rounded_once() {
    let table = r#"{"date":"2026-01-01","providers":[{"id":"p","names":["p"],"vendor":true,"models":[{"id":"m","prices":[{"in":0.0000004,"out":1}]}]}]}"#;
    let book = PriceBook::of_table(Arc::new(PriceTable::from_json(table).unwrap()));
    // $0.0000004/M is 0.4 units per token: one token costs 0 units, two cost 0.8 and therefore 1, a thousand cost 400.
    check(
        &book,
        &[
            case("one", "m", tokens(1, 0), Some(("p:m", 0.0))),
            case("two", "m", tokens(2, 0), Some(("p:m", 1e-12))),
            case("many", "m", tokens(1_000, 0), Some(("p:m", 4e-10))),
        ],
    );
}
