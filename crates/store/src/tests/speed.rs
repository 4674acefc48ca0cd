//! Speed tests of the store. Run by hand: `cargo test --profile quick -p hinomi-store --lib tests::speed -- --ignored --nocapture`.

use std::io::Write;
use std::time::Instant;

use hinomi_model::span::{ChatMessage, MessagePart, SpanType, Usage};

use super::*;

/// Returns a span of about 1.4 kilobytes, like a chat of a few turns.
fn chat(trace: u128, id: u64) -> Span {
    // Words in an order that a compressor cannot predict.
    let mut state = id.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = ["the", "invoice", "of", "August", "was", "paid", "late", "because", "our", "bank", "holiday", "asks", "for", "refund"];
    let mut text = |count: usize| {
        let mut out = String::new();
        for _ in 0..count {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            out.push_str(words[(state >> 33) as usize % words.len()]);
            out.push(' ');
        }
        out
    };
    let message = |role: &str, text: String| ChatMessage { role: role.into(), parts: vec![MessagePart::Text { text }] };
    Span {
        name: "chat gpt-4o".into(),
        op: "gen_ai.chat".into(),
        kind: SpanType::Llm,
        provider: Some("openai".into()),
        request_model: Some("gpt-4o".into()),
        response_model: Some("gpt-4o-2024-08-06".into()),
        usage: Usage { input: Some(id % 4000), output: Some(id % 700), total: Some(id % 4700), ..Usage::default() },
        user_id: Some(format!("user-{}", id % 5000)),
        environment: Some("production".into()),
        response_id: Some(format!("chatcmpl-{id:x}")),
        input_messages: vec![message("system", "You are a helpful clerk.".into()), message("user", text(120))],
        output_messages: vec![message("assistant", text(80))],
        ..span(trace, id, 1_700_000_000_000_000 + id as i64 * 1000)
    }
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

#[test]
#[ignore = "a measurement"]
fn appends() {
    const CALLERS: u64 = 8;
    const REQUESTS: u64 = 4200;
    let dir = tempfile::tempdir_in(std::env::var("SPEED_DIR").unwrap_or_else(|_| "/var/tmp".into())).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = Arc::new(Store::open(dir.path(), StoreConfig::default()).unwrap());
    let json: usize = (1..=100).map(|id| serde_json::to_string(&chat(1, id)).unwrap().len()).sum::<usize>() / 100;
    let began = Instant::now();
    runtime.block_on(async {
        let callers = (0..CALLERS).map(|caller| {
            let store = store.clone();
            tokio::spawn(async move {
                for request in 0..REQUESTS {
                    let first = (caller * REQUESTS + request) * 6 + 1;
                    let spans = (first..first + 6).map(|id| chat(u128::from(first) << 40, id)).collect();
                    assert_eq!(store.append(1, spans).await.unwrap().stored, 6);
                }
            })
        });
        futures::future::join_all(callers.collect::<Vec<_>>()).await.into_iter().for_each(|done| done.unwrap());
        let took = began.elapsed().as_secs_f64();
        let spans = (CALLERS * REQUESTS * 6) as f64;
        say(&format!("{spans} spans of {json} bytes of JSON: {:.0} spans a second; peak {} MB", spans / took, peak_mb()));
        let began = Instant::now();
        store.flush().await.unwrap();
        say(&format!("flush {:.2} s", began.elapsed().as_secs_f64()));
        let began = Instant::now();
        let merges = store.compact().await.unwrap();
        say(&format!("{merges} merges {:.2} s; peak {} MB", began.elapsed().as_secs_f64(), peak_mb()));
        let stats = store.stats();
        say(&format!("{:.0} bytes a span on disk; {stats:?}", stats.segment_bytes as f64 / stats.rows as f64));
        store.close().await.unwrap();
    });
    drop(store);
    let began = Instant::now();
    drop(Store::open(dir.path(), StoreConfig::default()).unwrap());
    say(&format!("open {:.2} s", began.elapsed().as_secs_f64()));
}
