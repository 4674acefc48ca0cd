//! Cost of rules. Run manually: `cargo test --profile quick -p hinomi-alerting --lib tests::speed -- --ignored --nocapture`.

use std::time::Instant;

use hinomi_store::RowChangeSubscriber;
use hinomi_store::rows::SpanRow;

use super::incidents::{Scene, rule};
use super::windows::call;
use crate::worker::row_feed::RowChangeFeed;

const SPANS: i64 = 20_000;

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "measures"]
#[allow(clippy::print_stdout)]
fn cost_of_evaluating_rules() {
    println!("{:>6} {:<30} {:>16} {:>16} {:>14} {:>10}", "rules", "which", "intake ns/span", "bell ns/span", "round us", "MB");
    let start = 1_790_000_000_000_000i64;
    let spans: Vec<_> = (0..SPANS).map(|n| call(start + n * 10_000, 0.01, n % 50 == 0, &format!("u{}", n % 1000))).collect();
    for (count, which) in [(0, "none"), (100, "each of one user"), (1000, "each of one user"), (100, "each of all"), (1000, "each of all")]
    {
        let before = resident_kb();
        let rules = (0..count).map(|n| {
            let mut rule = rule("cost", 60, 1e6);
            rule.name = format!("r{n}");
            // The filters differ, so no two rules share a series.
            rule.filter = if which == "each of one user" { format!("user:u{n}") } else { format!("-user:x{n}") };
            rule
        });
        let mut scene = Scene::at(start);
        scene.rules(rules.collect());
        let (feed, _heard) = RowChangeFeed::new();
        feed.set_required_fields(scene.wants());
        let rows: Vec<SpanRow> = spans.iter().map(|span| SpanRow { project_id: 1, span: span.clone(), ..SpanRow::default() }).collect();
        let began = Instant::now();
        let looked: Vec<SpanRow> = rows.iter().filter_map(|row| feed.select(row)).collect();
        let intake = began.elapsed().as_nanos() as f64 / SPANS as f64;
        assert_eq!(looked.len(), if count == 0 { 0 } else { rows.len() });
        let began = Instant::now();
        for row in &looked {
            scene.count(&row.span);
        }
        let bell = began.elapsed().as_nanos() as f64 / SPANS as f64;
        let began = Instant::now();
        scene.clock(start + SPANS * 10_000);
        let round = began.elapsed().as_micros();
        let mb = (resident_kb().saturating_sub(before)) as f64 / 1024.0;
        println!("{count:>6} {which:<30} {intake:>16.0} {bell:>16.0} {round:>14} {mb:>10.1}");
    }
}
