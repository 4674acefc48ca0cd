//! Evaluation of random histories, against a naive model that reads all spans each time: no false and no missed alarms.

use std::collections::BTreeMap;

use hinomi_model::money::Usd;
use hinomi_model::span::{Cost, CostSource, Span, SpanStatus, SpanType};
use proptest::prelude::*;

use super::incidents::{Scene, rule};
use crate::ComparisonBaseline;
use crate::delivery::notification::{AlertSeverity, ThresholdDirection};
use crate::evaluator::thresholds::RuleThresholds;

const MINUTE_US: i64 = 60_000_000;

/// A call that arrives some time after its start, and may be removed later.
#[derive(Debug, Clone)]
struct Event {
    start: i64,
    told: i64,
    dollars: f64,
    failed: bool,
    user: u8,
    taken_back: Option<i64>,
}

pub(super) fn call(start_us: i64, dollars: f64, failed: bool, user: &str) -> Span {
    Span {
        kind: SpanType::Llm,
        start_us,
        end_us: start_us + 1_500_000,
        user_id: Some(user.to_owned()),
        request_model: Some("m".to_owned()),
        status: if failed { SpanStatus::Error } else { SpanStatus::Ok },
        cost: Usd::from_dollars(dollars).map(|total| Cost { total, input: None, output: None, source: CostSource::Computed, price: None }),
        ..Span::default()
    }
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = (0i64..240, 0i64..3, 0i64..40, 0.0f64..4.0, prop::bool::weighted(0.2), 0u8..3, prop::option::weighted(0.1, 1i64..60));
    let event = event.prop_map(|(minute, soon, late, dollars, failed, user, back)| {
        let start = minute * MINUTE_US + soon * 17_000_000;
        let told = start + if soon == 2 { late * MINUTE_US } else { 5_000_000 };
        Event {
            start,
            told,
            dollars: (dollars * 100.0).round() / 100.0,
            failed,
            user,
            taken_back: back.map(|back| told + back * MINUTE_US),
        }
    });
    prop::collection::vec(event, 0..120)
}

/// Returns the value of a rule in a window, from all calls that are known at a time.
fn naive(rule: &crate::AlertRule, known: &[(&Event, bool)], user: Option<u8>, last: i64) -> Option<f64> {
    let steps = rule.window.as_minutes();
    let value = |last: i64| -> Option<f64> {
        let within = |event: &Event| {
            let step = event.start.div_euclid(MINUTE_US);
            step > last - steps && step <= last && user.is_none_or(|user| event.user == user)
        };
        let inside: Vec<&Event> = known.iter().filter(|(event, counts)| *counts && within(event)).map(|(event, _)| *event).collect();
        if (inside.len() as u64) < rule.min_samples.unwrap_or(0) {
            return None;
        }
        match rule.measure.name() {
            "cost" => Some(inside.iter().map(|event| (event.dollars * 100.0).round()).sum::<f64>() / 100.0),
            "error_rate" => (!inside.is_empty()).then(|| inside.iter().filter(|event| event.failed).count() as f64 / inside.len() as f64),
            _ => Some(inside.len() as f64),
        }
    };
    let now = value(last)?;
    match rule.compare {
        None => Some(now),
        Some(ComparisonBaseline::Previous) => value(last - steps).filter(|then| *then > 0.0).map(|then| (now - then) / then),
        Some(ComparisonBaseline::LastWeek) => None,
    }
}

/// Hysteresis, implemented independently: fires at a threshold, is resolved at the resolve threshold, and becomes a warning at the same
/// distance.
pub(super) fn naive_next(limits: &RuleThresholds, before: Option<AlertSeverity>, value: f64) -> Option<AlertSeverity> {
    let warning = limits.warning.is_some_and(|threshold| value > threshold);
    let critical = limits.critical.is_some_and(|threshold| value > threshold);
    let level = if critical {
        Some(AlertSeverity::Critical)
    } else if warning {
        Some(AlertSeverity::Warning)
    } else {
        None
    };
    match before {
        None => level,
        Some(_) if critical => Some(AlertSeverity::Critical),
        Some(_) if value <= limits.resolve => None,
        Some(AlertSeverity::Warning) => Some(AlertSeverity::Warning),
        Some(AlertSeverity::Critical) => match (limits.warning, limits.critical) {
            (Some(warning), Some(critical)) if value <= critical - (warning - limits.resolve) => Some(AlertSeverity::Warning),
            _ => Some(AlertSeverity::Critical),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_false_and_no_missed_alerts(
        mut events in events(),
        measure in prop::sample::select(&["cost", "calls", "error_rate"][..]),
        window in prop::sample::select(&[1i64, 5, 15, 60][..]),
        by_user in any::<bool>(),
        compared in prop::bool::weighted(0.2),
        (min_samples, gap, two) in (prop::option::of(1u64..4), 0.0f64..0.6, any::<bool>()),
    ) {
        let warning = match (measure, compared) { (_, true) => 0.4, ("error_rate", _) => 0.3, ("cost", _) => 5.0, _ => 3.0 };
        let mut rule = rule(measure, window, warning);
        rule.critical = two.then_some(if measure == "error_rate" && !compared { 0.6 } else { warning * 2.0 });
        rule.resolve = Some(((warning * (1.0 - gap)) * 100.0).round() / 100.0);
        rule.min_samples = min_samples;
        rule.compare = compared.then_some(ComparisonBaseline::Previous);
        rule.group_by = by_user.then(|| "user".to_owned());
        rule.check().unwrap();
        let limits = RuleThresholds::of_rule(&rule);

        events.sort_by_key(|event| event.told);
        let mut scene = Scene::at(0);
        scene.rules(vec![rule.clone()]);
        // Events in order: a call arrives or is removed.
        let mut moments: Vec<(i64, usize, bool)> = Vec::new();
        for (index, event) in events.iter().enumerate() {
            moments.push((event.told, index, true));
            moments.extend(event.taken_back.map(|at| (at, index, false)));
        }
        moments.sort();
        let mut known: Vec<(&Event, bool)> = Vec::new();
        let users: Vec<Option<u8>> = if by_user { (0..3).map(Some).collect() } else { vec![None] };
        let mut expected: BTreeMap<Option<u8>, (Option<AlertSeverity>, i64)> = users.iter().map(|user| (*user, (None, i64::MIN))).collect();
        let mut rang = 0usize;
        let mut last_tick = 0;
        for (at, index, came) in moments {
            // The clock advances minute by minute in between.
            while last_tick + MINUTE_US <= at {
                last_tick += MINUTE_US;
                for user in &users {
                    step(&rule, &limits, &known, *user, last_tick, None, expected.get_mut(user).unwrap(), &mut rang);
                }
                scene.clock(last_tick);
                check(&scene, &expected)?;
            }
            let event = &events[index];
            let user = by_user.then_some(event.user);
            if came {
                known.push((event, true));
            } else if let Some(entry) = known.iter_mut().find(|(other, counts)| std::ptr::eq(*other, event) && *counts) {
                entry.1 = false;
            }
            let span = call(event.start, event.dollars, event.failed, &event.user.to_string());
            scene.span(at, &span, if came { 1 } else { -1 });
            let oldest = event.start.div_euclid(MINUTE_US);
            step(&rule, &limits, &known, user, at, Some(oldest), expected.get_mut(&user).unwrap(), &mut rang);
            check(&scene, &expected)?;
        }
        prop_assert_eq!(scene.opened(), rang);
    }
}

/// One pass of the naive model for one group.
#[allow(clippy::too_many_arguments)]
fn step(
    rule: &crate::AlertRule,
    limits: &RuleThresholds,
    known: &[(&Event, bool)],
    user: Option<u8>,
    now: i64,
    oldest: Option<i64>,
    state: &mut (Option<AlertSeverity>, i64),
    rang: &mut usize,
) {
    let current = now.div_euclid(MINUTE_US);
    let seen = state.1;
    let mut go = |state: &mut (Option<AlertSeverity>, i64), next: Option<AlertSeverity>, end: i64| {
        if next != state.0 {
            *rang += usize::from(state.0.is_none());
            *state = (next, end.max(state.1));
        }
    };
    // After a late call, the windows of the last hour that have ended since its start are evaluated again.
    for last in oldest.map_or(current, |oldest| oldest.max(current - 60)).min(current)..current {
        let end = (last + 1) * MINUTE_US;
        if end > seen.max(0)
            && let Some(value) = naive(rule, known, user, last)
            && naive_next(limits, state.0, value) > state.0
        {
            let next = naive_next(limits, state.0, value);
            go(state, next, end.min(now));
        }
    }
    if let Some(value) = naive(rule, known, user, current) {
        let next = naive_next(limits, state.0, value);
        go(state, next, now);
    }
}

fn check(scene: &Scene, expected: &BTreeMap<Option<u8>, (Option<AlertSeverity>, i64)>) -> Result<(), TestCaseError> {
    for (user, (severity, _)) in expected {
        let found = scene.severity(user.map(|user| user.to_string()).as_deref());
        prop_assert_eq!(found, *severity, "user {:?} at {}", user, scene.now_us());
    }
    Ok(())
}

#[test]
fn below_thresholds_mirror_above() {
    let above = RuleThresholds { direction: ThresholdDirection::Above, warning: Some(2.0), critical: Some(4.0), resolve: 1.0 };
    let below = RuleThresholds { direction: ThresholdDirection::Below, warning: Some(-2.0), critical: Some(-4.0), resolve: -1.0 };
    for before in [None, Some(AlertSeverity::Warning), Some(AlertSeverity::Critical)] {
        for tenths in 0..60 {
            let value = f64::from(tenths) / 10.0;
            assert_eq!(above.next_severity(before, value), below.next_severity(before, -value), "{before:?} {value}");
            assert_eq!(above.next_severity(before, value), naive_next(&above, before, value), "{before:?} {value}");
        }
    }
}
