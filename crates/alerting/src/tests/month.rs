//! Simulation of thirty days, minute by minute: rules and budgets together, against models that evaluate all calls each time. Calls
//! arrive late and are removed, the server crashes, the machine is suspended and its clock is set back; days have 23 and 25 hours.
//! Expects no false and no missed alarms.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::budget;
use super::incidents::{MINUTE_US, Scene, rule};
use super::windows::{call, naive_next};
use super::{AlertRule, Budget};
use crate::delivery::notification::{AlertNotificationKind, AlertSeverity, ThresholdDirection};
use crate::evaluator::thresholds::RuleThresholds;

const HOUR_US: i64 = 60 * MINUTE_US;
const DAY_US: i64 = 24 * HOUR_US;
const USERS: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, PartialEq)]
struct Call {
    number: usize,
    start: i64,
    told: i64,
    back: Option<i64>,
    cents: i64,
    failed: bool,
    user: usize,
}

/// Events in the simulation, in order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    Told(usize),
    TakenBack(usize),
    Killed,
    /// Nothing runs for this many minutes.
    Asleep(i64),
    ClockBack,
}

fn calls(dice: &mut StdRng, from: i64) -> Vec<Call> {
    let mut calls = Vec::new();
    for day in 0..30 {
        // Busy days and quiet ones, with occasional bursts.
        let count = dice.random_range(2..40);
        let burst = dice.random_bool(0.3).then(|| dice.random_range(0..DAY_US - HOUR_US));
        for n in 0..count {
            let within = match burst {
                Some(at) if n % 2 == 0 => at + dice.random_range(0..10 * MINUTE_US),
                _ => dice.random_range(0..DAY_US),
            };
            let start = from + day * DAY_US + within;
            let late = match dice.random_range(0..10) {
                0 => dice.random_range(0..50 * MINUTE_US),
                1 => dice.random_range(0..30 * HOUR_US),
                _ => 2_000_000,
            };
            let told = start + late;
            calls.push(Call {
                number: calls.len(),
                start,
                told,
                back: dice.random_bool(0.07).then(|| told + dice.random_range(1..3 * HOUR_US)),
                cents: dice.random_range(0..300),
                failed: dice.random_bool(0.2),
                user: dice.random_range(0..USERS.len()),
            });
        }
    }
    calls
}

/// Naive model of a rule: sums its windows from scratch each time.
struct NaiveRule {
    rule: AlertRule,
    limits: RuleThresholds,
    /// Severity of each group, and the end of the last window that was evaluated.
    groups: BTreeMap<Option<usize>, (Option<AlertSeverity>, i64)>,
    rang: usize,
    since: i64,
}

impl NaiveRule {
    fn value(&self, known: &[&Call], user: Option<usize>, last: i64) -> Option<f64> {
        let first = last - self.rule.window.as_minutes() + 1;
        let inside = known.iter().filter(|call| {
            let minute = call.start.div_euclid(MINUTE_US);
            (first..=last).contains(&minute) && user.is_none_or(|user| call.user == user)
        });
        let (mut calls, mut failed, mut cents) = (0u64, 0u64, 0i64);
        for call in inside {
            (calls, failed, cents) = (calls + 1, failed + u64::from(call.failed), cents + call.cents);
        }
        if calls < self.rule.min_samples.unwrap_or(0) {
            return None;
        }
        match self.rule.measure.name() {
            "cost" => Some(cents as f64 / 100.0),
            "error_rate" => (calls > 0).then(|| failed as f64 / calls as f64),
            _ => Some(calls as f64),
        }
    }

    fn judge(&mut self, known: &[&Call], user: Option<usize>, now: i64, oldest: Option<i64>, ticked: bool) {
        let Some((mut severity, mut told)) = self.groups.get(&user).copied() else { return };
        let current = now.div_euclid(MINUTE_US);
        let mut rang = 0;
        let mut go = |severity: &mut Option<AlertSeverity>, told: &mut i64, next: Option<AlertSeverity>, end: i64| {
            if next != *severity {
                rang += usize::from(severity.is_none());
                (*severity, *told) = (next, end.max(*told));
            }
        };
        if self.rule.direction == ThresholdDirection::Above {
            // After a late call, the windows of the last hour are evaluated again.
            for last in oldest.map_or(current, |oldest| oldest.max(current - 60).min(current))..current {
                if (last + 1) * MINUTE_US > told.max(0)
                    && let Some(value) = self.value(known, user, last)
                {
                    let next = naive_next(&self.limits, severity, value).max(severity);
                    go(&mut severity, &mut told, next, (last + 1) * MINUTE_US);
                }
            }
            if let Some(value) = self.value(known, user, current) {
                let next = naive_next(&self.limits, severity, value);
                go(&mut severity, &mut told, next, now);
            }
        } else {
            // A high value fires immediately; a low value only after the window has ended, if the server was running all the time.
            let threshold = self.limits.warning.unwrap();
            let is_enough = |last: i64| self.value(known, user, last).is_some_and(|value| value >= threshold);
            if is_enough(current) {
                go(&mut severity, &mut told, None, now);
            } else if ticked && now - self.since >= self.rule.window.0.min(HOUR_US) + MINUTE_US {
                let complete = (now - MINUTE_US).div_euclid(MINUTE_US) - 1;
                go(&mut severity, &mut told, (!is_enough(complete)).then_some(AlertSeverity::Warning), (complete + 1) * MINUTE_US);
            }
        }
        self.rang += rang;
        self.groups.insert(user, (severity, told));
    }
}

/// Naive model of a budget: sums its calendar periods from scratch each time.
struct NaiveBudget {
    budget: Budget,
    zone: TimeZone,
    by_user: bool,
    /// Period of each call.
    firsts: Vec<Date>,
    /// Highest step that fired, for each group and first day; then the open incidents.
    told: BTreeMap<(Option<usize>, Date), f64>,
    open: BTreeMap<Option<usize>, (Date, AlertSeverity)>,
    /// Number of steps that fired; none may fire twice in a period.
    rung: usize,
}

impl NaiveBudget {
    fn first_day(&self, us: i64) -> Date {
        let mut date = self.zone.to_datetime(Timestamp::from_microsecond(us).unwrap()).date();
        let is_first = |date: Date| match self.budget.period {
            crate::BudgetPeriod::Day => true,
            crate::BudgetPeriod::Week => date.weekday() == Weekday::Monday,
            crate::BudgetPeriod::Month => date.day() == 1,
        };
        while !is_first(date) {
            date = date.yesterday().unwrap();
        }
        date
    }

    fn judge(&mut self, known: &[&Call], user: Option<usize>, now: i64, touched: Option<i64>) {
        let today = self.first_day(now);
        if self.open.get(&user).is_some_and(|(first, _)| *first != today) {
            self.open.remove(&user);
        }
        // Late spend of the previous period fires too and is resolved immediately; older spend does not.
        let before = self.first_day(self.start_of(today) - 1);
        if touched.is_some_and(|start| self.first_day(start) == before) {
            self.period(known, user, before, false);
        }
        self.period(known, user, today, true);
    }

    fn start_of(&self, date: Date) -> i64 {
        self.zone.to_ambiguous_timestamp(date.at(0, 0, 0, 0)).compatible().unwrap().as_microsecond()
    }

    fn period(&mut self, known: &[&Call], user: Option<usize>, first: Date, is_now: bool) {
        let of_group = known.iter().filter(|call| user.is_none_or(|user| call.user == user));
        let cents: i64 = of_group.filter(|call| self.firsts[call.number] == first).map(|call| call.cents).sum();
        // Amounts are whole dollars, and steps are whole percents.
        let reached = self.budget.steps.iter().copied().rfind(|step| cents as f64 >= step * self.budget.amount);
        let told = self.told.get(&(user, first)).copied();
        match reached {
            Some(step) if told.is_none_or(|told| step > told) => {
                self.told.insert((user, first), step);
                self.rung += 1;
                if is_now {
                    let severity = if step >= 100.0 { AlertSeverity::Critical } else { AlertSeverity::Warning };
                    self.open.insert(user, (first, severity));
                }
            }
            None if is_now => {
                self.open.remove(&user);
            }
            _ => {}
        }
    }
}

fn rules(dice: &mut StdRng) -> Vec<AlertRule> {
    let mut all = Vec::new();
    for (measure, warning) in [("cost", 12.0), ("calls", 6.0), ("error_rate", 0.4)] {
        let mut one = rule(measure, [15, 60, 240, 1440][dice.random_range(0..4)], warning);
        one.name = measure.to_owned();
        one.critical = dice.random_bool(0.6).then_some(if measure == "error_rate" { 0.7 } else { warning * 2.0 });
        one.resolve = Some(((warning * dice.random_range(0.4..1.0)) * 100.0_f64).round() / 100.0);
        one.min_samples = (measure == "error_rate").then(|| dice.random_range(1..5));
        one.group_by = dice.random_bool(0.5).then(|| "user".to_owned());
        all.push(one);
    }
    let mut silent = rule("calls", [60, 240, 600][dice.random_range(0..3)], 1.0);
    (silent.name, silent.direction) = ("silent".to_owned(), ThresholdDirection::Below);
    all.push(silent);
    all
}

fn budgets(dice: &mut StdRng, zone: &str) -> Vec<Budget> {
    let with = |name: &str, period: &str, amount: f64, by: Option<&str>| {
        budget(json!({ "name": name, "period": period, "amount": amount, "time_zone": zone, "group_by": by })).unwrap()
    };
    vec![
        with("day", "day", dice.random_range(10.0_f64..50.0).round(), None),
        with("week", "week", dice.random_range(100.0_f64..300.0).round(), None),
        with("month", "month", dice.random_range(300.0_f64..900.0).round(), None),
        with("each", "day", dice.random_range(5.0_f64..20.0).round(), Some("user")),
    ]
}

fn replay(seed: u64, zone: &str, start: &str) -> Result<(usize, usize), TestCaseError> {
    let mut dice = StdRng::seed_from_u64(seed);
    let from = start.parse::<Timestamp>().unwrap().as_microsecond();
    let calls = calls(&mut dice, from);
    let (rules, budgets) = (rules(&mut dice), budgets(&mut dice, zone));
    let mut moments: Vec<(i64, Moment)> = Vec::new();
    for (index, call) in calls.iter().enumerate() {
        moments.push((call.told, Moment::Told(index)));
        moments.extend(call.back.map(|at| (at, Moment::TakenBack(index))));
    }
    for day in 0..30 {
        let at = from + day * DAY_US + dice.random_range(0..DAY_US);
        match dice.random_range(0..4) {
            0 => moments.push((at, Moment::Killed)),
            1 => moments.push((at, Moment::Asleep(dice.random_range(2..300)))),
            2 => moments.push((at, Moment::ClockBack)),
            _ => {}
        }
    }
    moments.sort();

    let mut scene = Scene::at(from);
    scene.watch(&rules, &budgets);
    let groups = |by: &Option<String>| if by.is_some() { (0..USERS.len()).map(Some).collect() } else { vec![None] };
    let mut naive_rules: Vec<NaiveRule> = rules
        .iter()
        .map(|rule| NaiveRule {
            limits: RuleThresholds::of_rule(rule),
            groups: groups(&rule.group_by).into_iter().map(|group| (group, (None, i64::MIN))).collect(),
            rule: rule.clone(),
            rang: 0,
            since: from,
        })
        .collect();
    let naive_budget = |budget: &Budget| {
        let mut naive = NaiveBudget {
            zone: TimeZone::get(zone).unwrap(),
            by_user: budget.group_by.is_some(),
            budget: budget.clone(),
            firsts: Vec::new(),
            told: BTreeMap::new(),
            open: BTreeMap::new(),
            rung: 0,
        };
        naive.firsts = calls.iter().map(|call| naive.first_day(call.start)).collect();
        naive
    };
    let mut naive_budgets: Vec<NaiveBudget> = budgets.iter().map(naive_budget).collect();
    let mut known: BTreeSet<usize> = BTreeSet::new();
    let mut ticked = from;
    let mut awake = from;
    for (at, moment) in moments {
        while ticked + MINUTE_US <= at.max(awake) && ticked + MINUTE_US > awake {
            ticked += MINUTE_US;
            // Time alone changes a budget only at the end of a period, which is at a whole quarter of an hour.
            let with_budgets = ticked % (15 * MINUTE_US) == 0;
            tick(&mut scene, &calls, &known, &mut naive_rules, &mut naive_budgets, ticked, with_budgets);
        }
        // Events during a suspend are handled when the machine wakes.
        let at = at.max(awake).max(ticked);
        match moment {
            Moment::Told(index) | Moment::TakenBack(index) => {
                let came = matches!(moment, Moment::Told(_));
                let call_of = &calls[index];
                if came {
                    known.insert(index)
                } else {
                    known.remove(&index)
                };
                let span = call(call_of.start, call_of.cents as f64 / 100.0, call_of.failed, USERS[call_of.user]);
                scene.span(at, &span, if came { 1 } else { -1 });
                let recent = recent(&calls, &known, at);
                for naive in &mut naive_rules {
                    let user = naive.rule.group_by.is_some().then_some(call_of.user);
                    naive.judge(&recent, user, at, Some(call_of.start.div_euclid(MINUTE_US)), false);
                }
                let all: Vec<&Call> = known.iter().map(|index| &calls[*index]).collect();
                for naive in &mut naive_budgets {
                    let user = naive.by_user.then_some(call_of.user);
                    naive.judge(&all, user, at, Some(call_of.start));
                }
                check(&scene, &naive_rules, &naive_budgets, at)?;
            }
            Moment::Killed => {
                let stored: Vec<_> = known.iter().map(|index| &calls[*index]).collect();
                let stored: Vec<_> =
                    stored.iter().map(|one| call(one.start, one.cents as f64 / 100.0, one.failed, USERS[one.user])).collect();
                scene.kill(at, &rules, &budgets, &stored);
                naive_rules.iter_mut().for_each(|naive| naive.since = at);
            }
            Moment::Asleep(minutes) => {
                awake = at + minutes * MINUTE_US;
                ticked = awake.div_euclid(MINUTE_US) * MINUTE_US;
                scene.sleep_until(ticked);
                naive_rules.iter_mut().for_each(|naive| naive.since = ticked);
                tick(&mut scene, &calls, &known, &mut naive_rules, &mut naive_budgets, ticked, true);
            }
            Moment::ClockBack => scene.clock_back(at - 5 * HOUR_US),
        }
    }
    let opened = |name: &str, kinds: &[AlertNotificationKind]| {
        scene.told.iter().filter(|(notification, _)| notification.rule_name == name && kinds.contains(&notification.kind)).count()
    };
    let (mut of_rules, mut of_budgets) = (0, 0);
    for naive in &naive_rules {
        prop_assert_eq!(opened(&naive.rule.name, &[AlertNotificationKind::Opened]), naive.rang, "{}", naive.rule.name);
        of_rules += naive.rang;
    }
    for naive in &naive_budgets {
        prop_assert_eq!(
            opened(&naive.budget.name, &[AlertNotificationKind::Opened, AlertNotificationKind::Worsened]),
            naive.rung,
            "{}",
            naive.budget.name
        );
        of_budgets += naive.rung;
    }
    let keys: BTreeSet<&str> = scene.told.iter().map(|(notification, _)| notification.idempotency_key.as_str()).collect();
    prop_assert_eq!(keys.len(), scene.told.len(), "each change has a key of its own");
    Ok((of_rules, of_budgets))
}

/// Returns the calls that any window can contain: the longest window is a day, and windows of the last hour are evaluated again.
fn recent<'a>(calls: &'a [Call], known: &BTreeSet<usize>, now: i64) -> Vec<&'a Call> {
    known.iter().map(|index| &calls[*index]).filter(|call| call.start > now - DAY_US - 2 * HOUR_US).collect()
}

fn tick(
    scene: &mut Scene,
    calls: &[Call],
    known: &BTreeSet<usize>,
    rules: &mut [NaiveRule],
    budgets: &mut [NaiveBudget],
    now: i64,
    with_budgets: bool,
) {
    scene.clock(now);
    let recent = recent(calls, known, now);
    for naive in rules {
        for user in naive.groups.keys().copied().collect::<Vec<_>>() {
            naive.judge(&recent, user, now, None, true);
        }
    }
    if with_budgets {
        let all: Vec<&Call> = known.iter().map(|index| &calls[*index]).collect();
        for naive in budgets {
            for user in if naive.by_user { (0..USERS.len()).map(Some).collect() } else { vec![None] } {
                naive.judge(&all, user, now, None);
            }
        }
    }
}

fn check(scene: &Scene, rules: &[NaiveRule], budgets: &[NaiveBudget], now: i64) -> Result<(), TestCaseError> {
    let at = Timestamp::from_microsecond(now).unwrap();
    for (index, naive) in rules.iter().enumerate() {
        for (user, (severity, _)) in &naive.groups {
            let found = scene.severity_of(index as i64 + 1, user.map(|user| USERS[user]));
            prop_assert_eq!(found, *severity, "rule {} of {:?} at {}", naive.rule.name, user, at);
        }
    }
    for (index, naive) in budgets.iter().enumerate() {
        for user in if naive.by_user { (0..USERS.len()).map(Some).collect() } else { vec![None] } {
            let found = scene.severity_of((rules.len() + index) as i64 + 1, user.map(|user| USERS[user]));
            let open = naive.open.get(&user).map(|(_, severity)| *severity);
            prop_assert_eq!(found, open, "budget {} of {:?} at {}", naive.budget.name, user, at);
        }
    }
    Ok(())
}

proptest! {
    // Each case is 43,200 passes of the clock.
    #![proptest_config(ProptestConfig { cases: 4, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn thirty_days_without_false_or_missed_alerts(
        seed in any::<u64>(),
        (zone, start) in prop::sample::select(&[
            ("Europe/Berlin", "2026-03-10T00:00:00Z"),
            ("Europe/Berlin", "2026-10-05T07:30:00Z"),
            ("America/New_York", "2026-10-15T00:00:00Z"),
            ("Australia/Lord_Howe", "2026-03-20T00:00:00Z"),
            ("Africa/Cairo", "2026-04-10T00:00:00Z"),
            ("Asia/Kathmandu", "2026-06-10T00:00:00Z"),
            ("Asia/Tokyo", "2026-11-20T00:00:00Z"),
        ][..]),
    ) {
        let (of_rules, of_budgets) = replay(seed, zone, start)?;
        prop_assert!(of_rules > 10 && of_budgets > 10, "{of_rules} and {of_budgets} alarms test little");
    }
}
