//! Schedules visits over a day as a travel agency would have them.

use super::random::DemoRng;
use super::trace::{DemoSdk, DemoTrace, DemoTraceSettings};
use super::{batch, support_desk, texts, trip_planner};

const SECOND_US: i64 = 1_000_000;
const MINUTE_US: i64 = 60 * SECOND_US;
const HOUR_US: i64 = 60 * MINUTE_US;

/// Customer for whom the planner loops, and the duration of the loop so far.
const LOOPING_USER: &str = "u_20481";
const LOOP_DURATION_US: i64 = 150 * MINUTE_US;

/// Load of each hour of the day in Tokyo, relative to the mean.
const CUSTOMER_VISITS_BY_HOUR: [f64; 24] = [
    0.50, 0.28, 0.16, 0.10, 0.10, 0.18, 0.42, 0.80, 1.10, 1.35, 1.45, 1.40, 1.50, 1.35, 1.30, 1.30, 1.35, 1.50, 1.55, 1.55, 1.65, 1.50,
    1.10, 0.75,
];
/// Load of digests, which run mostly at night.
const BATCH_RUNS_BY_HOUR: [f64; 24] =
    [0.5, 1.0, 6.0, 5.0, 1.5, 0.5, 0.4, 0.4, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5];

/// Scenario of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DemoScenario {
    Plan,
    Loop,
    Support,
    Search,
    Digest,
    Intent,
    Article,
}

/// Shares of all traces without the loop.
const SCENARIO_SHARES: [(DemoScenario, f64); 6] = [
    (DemoScenario::Support, 0.44),
    (DemoScenario::Search, 0.25),
    (DemoScenario::Intent, 0.12),
    (DemoScenario::Digest, 0.11),
    (DemoScenario::Plan, 0.075),
    (DemoScenario::Article, 0.005),
];

/// A visit, from which one trace is generated.
#[derive(Debug, Clone)]
pub(super) struct DemoVisit {
    pub(super) at_us: i64,
    scenario: DemoScenario,
    user: usize,
    turn: u32,
    seed: u64,
}

/// Endless visits in the order of time, more of them in busy hours.
pub(super) struct DemoVisitSchedule {
    rng: DemoRng,
    seed: u64,
    now_us: i64,
    per_hour: f64,
    /// False if all hours have the same load.
    by_hour: bool,
    next_loop_us: i64,
    /// Second and third turns that are still to come.
    later: Vec<DemoVisit>,
}

impl DemoVisitSchedule {
    /// Schedules visits from a time on. The loop starts at `loop_from_us`.
    pub(super) fn new(seed: u64, from_us: i64, traces_per_day: u32, loop_from_us: i64) -> DemoVisitSchedule {
        let rng = DemoRng::of(&[seed, from_us as u64]);
        DemoVisitSchedule {
            rng,
            seed,
            now_us: from_us,
            per_hour: f64::from(traces_per_day) / 24.0,
            by_hour: true,
            next_loop_us: loop_from_us,
            later: Vec::new(),
        }
    }

    /// Gives all hours of the day the same load.
    pub(super) fn with_even_load(self) -> DemoVisitSchedule {
        DemoVisitSchedule { by_hour: false, ..self }
    }

    fn new_visit(&mut self, scenario: DemoScenario, at_us: i64, user: usize, turn: u32) -> DemoVisit {
        DemoVisit { at_us, scenario, user, turn, seed: self.rng.next() ^ self.seed }
    }

    /// Returns the next first turn of a conversation, and schedules its later turns.
    fn next_first_turn(&mut self) -> DemoVisit {
        // A conversation has 1.22 turns on average, each a trace; the rate here is that of first turns.
        let firsts_per_hour = self.per_hour / 1.22;
        loop {
            // Thinning: candidates come at the rate of the busiest hour, and are kept according to the weight of their hour.
            let busiest = 6.0;
            self.now_us += (self.rng.poisson_gap(HOUR_US as f64 / (firsts_per_hour * busiest)) as i64).max(1);
            let weights: Vec<f64> = SCENARIO_SHARES
                .iter()
                .map(|(scenario, share)| {
                    let weights = if *scenario == DemoScenario::Digest { &BATCH_RUNS_BY_HOUR } else { &CUSTOMER_VISITS_BY_HOUR };
                    share * if self.by_hour { hourly(weights, self.now_us) } else { 1.0 }
                })
                .collect();
            if !self.rng.chance(weights.iter().sum::<f64>() / busiest) {
                continue;
            }
            let scenario = SCENARIO_SHARES[self.rng.weighted(&weights)].0;
            // A few customers come often, most seldom.
            let users = texts::rows(texts::of("users")).len() as f64;
            let user = (self.rng.share().powf(1.7) * users) as usize;
            if matches!(scenario, DemoScenario::Support | DemoScenario::Plan) {
                let mut at_us = self.now_us;
                for turn in 2..=3 {
                    if !self.rng.chance(0.32) {
                        break;
                    }
                    at_us += self.rng.between(70, 260) * SECOND_US;
                    let visit = self.new_visit(scenario, at_us, user, turn);
                    self.later.push(visit);
                }
            }
            return self.new_visit(scenario, self.now_us, user, 1);
        }
    }
}

impl Iterator for DemoVisitSchedule {
    type Item = DemoVisit;

    fn next(&mut self) -> Option<DemoVisit> {
        // Turns and loops before the next first turn are known only once that turn is, so it waits in the same list.
        loop {
            let first = self.later.iter().enumerate().min_by_key(|(_, visit)| visit.at_us).map(|(place, visit)| (place, visit.at_us));
            match first {
                Some((place, at_us)) if at_us <= self.now_us => {
                    if self.next_loop_us <= at_us {
                        let at_us = self.next_loop_us;
                        self.next_loop_us += self.rng.between(9 * 60, 14 * 60) * SECOND_US;
                        return Some(self.new_visit(DemoScenario::Loop, at_us, 0, 1));
                    }
                    return Some(self.later.swap_remove(place));
                }
                _ => {
                    let visit = self.next_first_turn();
                    self.later.push(visit);
                }
            }
        }
    }
}

/// Returns the start of the loop in past traffic.
pub(super) fn loop_start(now_us: i64) -> i64 {
    now_us - LOOP_DURATION_US
}

fn hourly(weights: &[f64; 24], at_us: i64) -> f64 {
    let tokyo = (at_us + 9 * HOUR_US).rem_euclid(24 * HOUR_US);
    let (hour, part) = ((tokyo / HOUR_US) as usize, (tokyo % HOUR_US) as f64 / HOUR_US as f64);
    weights[hour] * (1.0 - part) + weights[(hour + 1) % 24] * part
}

/// Generates the whole trace of a visit. The newest release is nine hours old at `now_us`.
pub(super) fn trace(visit: &DemoVisit, now_us: i64) -> DemoTrace {
    let mut dice = DemoRng::of(&[visit.seed]);
    let row = &texts::rows(texts::of("users"))[visit.user];
    let (user, language, plan) = (texts::text(&row[0]), texts::text(&row[1]), texts::text(&row[2]));
    let user = if visit.scenario == DemoScenario::Loop { LOOPING_USER } else { user };
    let (sdk, transaction, op, server) = match visit.scenario {
        DemoScenario::Plan | DemoScenario::Loop => (DemoSdk::Python, "POST /api/trips/plan", "http.server", "planner-2"),
        DemoScenario::Support => (DemoSdk::Python, "POST /api/support/answer", "http.server", "desk-1"),
        DemoScenario::Search => (DemoSdk::Node, "GET /api/search", "http.server", "search-1"),
        DemoScenario::Digest => (DemoSdk::Python, "tabi.reviews.digest_hotel", "queue.task.celery", "worker-3"),
        DemoScenario::Intent => (DemoSdk::Python, "tabi.intents.classify", "queue.task.celery", "worker-1"),
        DemoScenario::Article => (DemoSdk::Python, "GPT-3.5 Inference", "ai-inference", "notebook"),
    };
    let newest = visit.at_us > now_us - 9 * HOUR_US;
    let release = match sdk {
        DemoSdk::Node => {
            if newest {
                "doc-search@3.8.1"
            } else {
                "doc-search@3.8.0"
            }
        }
        DemoSdk::Python => {
            if newest {
                "tabi-desk@2026.47.1"
            } else {
                "tabi-desk@2026.46.3"
            }
        }
    };
    let personal = matches!(visit.scenario, DemoScenario::Plan | DemoScenario::Loop | DemoScenario::Support | DemoScenario::Search);
    let channel = *dice.pick(&["web", "web", "app", "line"]);
    let environment = if visit.scenario != DemoScenario::Loop && dice.chance(0.06) { "staging" } else { "production" };
    let tags = if personal {
        vec![("plan", plan.to_owned()), ("locale", language.to_owned()), ("channel", channel.to_owned())]
    } else {
        vec![("queue", "default".to_owned())]
    };
    // Turns of one conversation are minutes apart; another hour is another conversation.
    let conversation =
        visit.at_us.div_euclid(HOUR_US) as u64 ^ (visit.user as u64) << 40 ^ u64::from(visit.scenario == DemoScenario::Plan) << 50;
    let session = matches!(visit.scenario, DemoScenario::Plan | DemoScenario::Loop | DemoScenario::Support)
        .then(|| format!("s_{}", DemoRng::of(&[conversation, u64::from(visit.scenario == DemoScenario::Loop)]).hex(8)));
    let setting = DemoTraceSettings {
        sdk,
        transaction,
        op,
        server,
        release: release.to_owned(),
        environment,
        user: personal.then_some(user),
        session,
        tags,
    };
    let mut trace = DemoTrace::start(setting, dice, visit.at_us);
    match visit.scenario {
        DemoScenario::Plan => trip_planner::plan(&mut trace, language, visit.turn),
        DemoScenario::Loop => trip_planner::planner_loop(&mut trace),
        DemoScenario::Support => support_desk::support(&mut trace, language, visit.turn),
        DemoScenario::Search => support_desk::search(&mut trace, language),
        DemoScenario::Digest => batch::summarize_reviews(&mut trace),
        DemoScenario::Intent => batch::classify_utterance(&mut trace),
        DemoScenario::Article => batch::answer_question(&mut trace),
    }
    trace.finish()
}
