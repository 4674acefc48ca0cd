//! Time per trace: `cargo test --release -p hinomi-evaluation --test signals -- --ignored --nocapture speed`.

use std::time::Instant;

use hinomi_evaluation::signals;
use hinomi_model::span::Span;
use serde_json::json;

use super::dice::SeededDice;
use super::script::{RunScript, RunStyle, done};

/// Returns a healthy run with about this number of spans. Each call resends its history, as programs do.
fn run_of(spans: u64, style: RunStyle) -> Vec<Span> {
    let mut dice = SeededDice::new(7, false);
    let mut script = RunScript::new(&mut dice);
    script.style = style;
    script.offer(&mut dice, &[("get_weather", json!({"type": "object", "properties": {"city": {"type": "string"}}}))]);
    script.user("What is the weather in the following cities, and which of them is the warmest one tomorrow?");
    for n in 0..(spans - 2) / 2 {
        let result = format!("{{\"city\": {n}, \"temperature\": 18, \"text\": \"{}\"}}", "sunny with some clouds ".repeat(20));
        script.act(&[done("get_weather", json!({"city": format!("City {n}")}), result)]);
    }
    script.answer("The warmest city tomorrow is City 7 with 24 degrees, followed by City 3 with 22 degrees.");
    script.end()
}

/// Returns the shortest of several times in microseconds.
fn microseconds(spans: &[Span]) -> f64 {
    let spans: Vec<&Span> = spans.iter().collect();
    let time = || {
        let start = Instant::now();
        let rounds = (2_000 / spans.len()).max(1);
        (0..rounds).for_each(|_| assert!(std::hint::black_box(signals::of_trace(&spans)).is_empty()));
        start.elapsed().as_secs_f64() * 1e6 / rounds as f64
    };
    (0..10).map(|_| time()).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures time"]
fn speed_of_a_trace() {
    for style in [RunStyle::Otel, RunStyle::Sentry] {
        for size in [10, 100, 1_000] {
            let spans = run_of(size, style);
            let time = microseconds(&spans);
            println!("{style:?}: {} spans, {time:.1} µs, {:.2} µs per span", spans.len(), time / spans.len() as f64);
        }
    }
}
