//! The table of precision and recall.

use hinomi_evaluation::signals::{self, FindingKind, SignalFinding};
use hinomi_model::span::Span;

use super::dice::SeededDice;
use super::{healthy, planted};

/// Runs of each kind: planted ones, and healthy ones that look like the kind.
const RUNS: u64 = 240;

/// Kinds that a planted fault of another kind may have as well.
fn may_also_have(planted: FindingKind, found: FindingKind) -> bool {
    use FindingKind::*;
    matches!(
        (planted, found),
        (ToolLoop, RetryStorm)
            | (RetryStorm, ToolLoop)
            | (RetryStorm, ToolErrorIgnored)
            | (ToolLoop, ToolErrorIgnored)
            | (BadToolArguments, ToolErrorIgnored)
            | (ToolLoop, BadToolArguments)
            | (RunLimit, ToolLoop)
    )
}

fn find(conversation: &[Vec<Span>]) -> Vec<SignalFinding> {
    let traces: Vec<Vec<&Span>> = conversation.iter().map(|trace| trace.iter().collect()).collect();
    let mut findings: Vec<SignalFinding> = traces.iter().flat_map(|trace| signals::of_trace(trace)).collect();
    let slices: Vec<&[&Span]> = traces.iter().map(Vec::as_slice).collect();
    findings.extend(signals::of_conversation(&slices));
    findings
}

/// Returns the 95 % interval of a rate by Wilson's method.
fn wilson(hits: u64, of: u64) -> (f64, f64) {
    let (n, z) = (of as f64, 1.959_964);
    let rate = hits as f64 / n;
    let center = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    (center - half, center + half)
}

#[derive(Default, Clone)]
struct Row {
    planted: u64,
    found: u64,
    held_out: (u64, u64),
    false_alarms: u64,
    similar: u64,
}

fn trial(kind: FindingKind, number: u64, is_planted: bool) -> (Vec<Vec<Span>>, bool) {
    let held_out = number % 2 == 1;
    let mut dice = SeededDice::new(number * 31 + kind as u64 * 100_003 + u64::from(is_planted) * 7, held_out);
    let run = if is_planted { planted::run(kind, &mut dice) } else { healthy::run(kind, &mut dice) };
    (run, held_out)
}

#[test]
fn table_of_precision_and_recall() {
    let show_held_out = std::env::var("SHOW_HELD_OUT").is_ok();
    let place = |kind: FindingKind| FindingKind::ALL.iter().position(|other| *other == kind).unwrap();
    let mut rows = vec![Row::default(); FindingKind::ALL.len()];
    for kind in FindingKind::ALL.iter().copied() {
        for number in 0..RUNS {
            for is_planted in [true, false] {
                let (run, held_out) = trial(kind, number, is_planted);
                let findings = find(&run);
                let has = findings.iter().any(|finding| finding.kind == kind);
                let row = &mut rows[place(kind)];
                if is_planted {
                    row.planted += 1;
                    row.found += u64::from(has);
                    row.held_out.0 += u64::from(has && held_out);
                    row.held_out.1 += u64::from(held_out);
                } else {
                    row.similar += 1;
                }
                if is_planted && !has && (!held_out || show_held_out) {
                    println!("MISSED {kind} {number}: {}", outline(&run));
                }
                let mut counted: Vec<FindingKind> = Vec::new();
                for finding in findings {
                    let is_right = is_planted && (finding.kind == kind || may_also_have(kind, finding.kind));
                    if !is_right && !counted.contains(&finding.kind) {
                        counted.push(finding.kind);
                        rows[place(finding.kind)].false_alarms += 1;
                        if !held_out || show_held_out {
                            let from = if is_planted { "planted" } else { "healthy" };
                            println!("FALSE {} in {from} {kind} {number}: {} | {}", finding.kind, finding.explanation, outline(&run));
                        }
                    }
                }
            }
        }
    }
    println!("| kind | planted | found | recall | held-out recall | similar healthy runs | false alarms | precision |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for (kind, row) in FindingKind::ALL.iter().zip(&rows) {
        let recall = row.found as f64 / row.planted as f64;
        let claimed = row.found + row.false_alarms;
        let precision = row.found as f64 / claimed.max(1) as f64;
        let (r, p) = (wilson(row.found, row.planted), wilson(row.found, claimed.max(1)));
        println!(
            "| `{kind}` | {} | {} | {recall:.3} ({:.3}–{:.3}) | {:.3} | {} | {} | {precision:.3} ({:.3}–{:.3}) |",
            row.planted,
            row.found,
            r.0,
            r.1.min(1.0),
            row.held_out.0 as f64 / row.held_out.1 as f64,
            row.similar,
            row.false_alarms,
            p.0,
            p.1.min(1.0)
        );
        if recall < 0.9 || precision < 0.95 {
            wrong.push(format!("{kind}: recall {recall:.3}, precision {precision:.3}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns the end of a run in one line.
fn outline(run: &[Vec<Span>]) -> String {
    let mut line = String::new();
    for trace in run {
        for span in trace.iter().rev().take(2).rev() {
            let text = |messages: &[hinomi_model::span::ChatMessage]| {
                serde_json::to_string(&messages.last()).unwrap().chars().take(260).collect::<String>()
            };
            line += &format!("[{} {:?} IN {} OUT {}]", span.name, span.status, text(&span.input_messages), text(&span.output_messages));
        }
    }
    line.chars().take(700).collect()
}
