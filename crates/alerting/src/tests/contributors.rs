//! Tests of contributors on generated histories with a known cause.

use hinomi_query::ContributionSums;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::delivery::notification::{AlertContributor, MeasureUnit, ShareOf, ThresholdDirection};
use crate::incident::contributors::{ContributorGoal, DIMENSIONS, DimensionContribution, contributions_by_dimension, rank_contributors};

const HISTORIES: u64 = 240;
const DAYS: i64 = 7;

/// Simulated program: pipelines with their prompts and models, and users of very different size.
struct World {
    dice: StdRng,
    users: usize,
    pipelines: Vec<(usize, Vec<usize>)>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Cause {
    User,
    Model,
    Pipeline,
    Prompt,
    Release,
    Trace,
}

struct Call {
    keys: Vec<Option<String>>,
    trace: usize,
    dollars: f64,
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = StdRng::seed_from_u64(seed);
        let pipelines = (0..dice.random_range(3..7)).map(|_| (dice.random_range(0..4), (0..dice.random_range(2..5)).collect())).collect();
        World { users: dice.random_range(20..200), dice, pipelines }
    }

    /// Generates one call of a usual day.
    fn call(&mut self, release: usize, trace: usize) -> Call {
        let pipeline = self.dice.random_range(0..self.pipelines.len());
        let (model, prompts) = &self.pipelines[pipeline];
        let (model, prompt) = (*model, prompts[self.dice.random_range(0..prompts.len())]);
        // A few users make most of the calls.
        let user = ((self.users as f64) * self.dice.random_range(0.0f64..1.0).powi(3)) as usize;
        let dollars = 0.01 * (1.0 + model as f64) * self.dice.random_range(0.5..1.5);
        Call { keys: self.keys(user, model, pipeline, prompt, release), trace, dollars }
    }

    fn keys(&self, user: usize, model: usize, pipeline: usize, prompt: usize, release: usize) -> Vec<Option<String>> {
        let key = |dimension: &str| match dimension {
            "user" => Some(format!("u{user}")),
            "model" => Some(format!("m{model}")),
            "pipeline" => Some(format!("p{pipeline}")),
            "prompt" => Some(format!("p{pipeline}/q{prompt}")),
            "release" => Some(format!("r{release}")),
            _ => None,
        };
        DIMENSIONS.iter().map(|dimension| key(dimension)).collect()
    }
}

fn index(dimension: &str) -> usize {
    DIMENSIONS.iter().position(|name| *name == dimension).unwrap()
}

/// Generates a day with a cause and the seven days before. Returns the cause, the expected contributor, and the one that is named first.
fn history(seed: u64) -> (Cause, (&'static str, String), Option<(String, String)>) {
    let mut world = World::new(seed);
    let causes = [Cause::User, Cause::Model, Cause::Pipeline, Cause::Prompt, Cause::Release, Cause::Trace];
    let cause = causes[(seed % causes.len() as u64) as usize];
    let mut calls: Vec<(i64, Call)> = Vec::new();
    // Releases come and go, even if they are not the cause.
    let released = world.dice.random_range(2..6i64);
    for day in (0..=DAYS).rev() {
        let release = usize::from(day <= released);
        let count = world.dice.random_range(250..350);
        calls.extend((0..count).map(|number| (day, world.call(release, (day as usize) * 1000 + number))));
    }
    // Excess of today: from a quarter of a usual day to three days.
    let usual: f64 = calls.iter().filter(|(day, _)| *day > 0).map(|(_, call)| call.dollars).sum::<f64>() / DAYS as f64;
    let extra = usual * world.dice.random_range(0.25..3.0);
    let (release, victim) = (usize::from(0 <= released), world.dice.random_range(0..world.users));
    let pipeline = world.dice.random_range(0..world.pipelines.len());
    let mut add = |world: &mut World, change: &dyn Fn(&mut World, &mut Call)| {
        let mut sum = 0.0;
        let mut number = 500;
        while sum < extra {
            let mut call = world.call(release, number);
            change(world, &mut call);
            sum += call.dollars;
            number += 1;
            calls.push((0, call));
        }
    };
    let name = |dimension: &'static str, key: String| (dimension, key);
    let guilty = match cause {
        Cause::User => {
            add(&mut world, &|_, call| call.keys[index("user")] = Some(format!("u{victim}")));
            name("user", format!("u{victim}"))
        }
        Cause::Trace => {
            let user = format!("u{victim}");
            add(&mut world, &|_, call| {
                call.keys[index("user")] = Some(user.clone());
                call.trace = 7;
            });
            name("trace", "t7".to_owned())
        }
        Cause::Model => {
            // A model that was rarely used takes over some work of all pipelines.
            add(&mut world, &|_, call| call.keys[index("model")] = Some("m9".to_owned()));
            name("model", "m9".to_owned())
        }
        Cause::Pipeline => {
            add(&mut world, &|world, call| {
                let (model, prompts) = world.pipelines[pipeline].clone();
                let prompt = prompts[world.dice.random_range(0..prompts.len())];
                let user = call.keys[index("user")].clone();
                call.keys = world.keys(0, model, pipeline, prompt, release);
                call.keys[index("user")] = user;
            });
            name("pipeline", format!("p{pipeline}"))
        }
        Cause::Prompt => {
            add(&mut world, &|world, call| {
                let model = world.pipelines[pipeline].0;
                let user = call.keys[index("user")].clone();
                call.keys = world.keys(0, model, pipeline, 0, release);
                call.keys[index("user")] = user;
            });
            name("prompt", format!("p{pipeline}/q0"))
        }
        Cause::Release => {
            // Today's release makes every call more expensive.
            let dearer = 1.0 + extra / usual;
            for (_, call) in calls.iter_mut().filter(|(day, _)| *day == 0) {
                call.keys[index("release")] = Some("r2".to_owned());
                call.dollars *= dearer;
            }
            name("release", "r2".to_owned())
        }
    };
    (cause, guilty, first(&calls))
}

fn first(calls: &[(i64, Call)]) -> Option<(String, String)> {
    let mut found = ContributionSums::new();
    let mut traces: std::collections::BTreeMap<usize, f64> = std::collections::BTreeMap::new();
    for (day, call) in calls {
        *found.entry((*day, call.keys.clone())).or_default() += call.dollars;
        if *day == 0 {
            *traces.entry(call.trace).or_default() += call.dollars;
        }
    }
    let mut all = contributions_by_dimension(&found);
    let trace =
        |(trace, current)| DimensionContribution { dimension: "trace", key: Some(format!("t{trace}")), current, usual: None, recent: None };
    all.extend(traces.into_iter().map(trace));
    let culprits = rank_contributors(all, ABOVE, MeasureUnit::Usd);
    culprits.into_iter().next().and_then(|culprit| Some((culprit.dimension, culprit.key?)))
}

#[test]
fn first_contributor_is_right_in_nine_of_ten_cases() {
    let mut right = 0;
    let mut wrong: Vec<String> = Vec::new();
    for seed in 0..HISTORIES {
        let (cause, guilty, named) = history(seed);
        if named.as_ref().is_some_and(|(dimension, key)| (dimension.as_str(), key) == (guilty.0, &guilty.1)) {
            right += 1;
        } else {
            wrong.push(format!("{seed} {cause:?}: {guilty:?}, named {named:?}"));
        }
    }
    let rate = right as f64 / HISTORIES as f64;
    #[allow(clippy::print_stderr)]
    {
        eprintln!("{right} of {HISTORIES} culprits right, {:.1} %", rate * 100.0);
    }
    assert!(rate >= 0.9, "{:.1} %: {wrong:#?}", rate * 100.0);
}

const ABOVE: ContributorGoal = ContributorGoal::Change(ThresholdDirection::Above);

fn part(dimension: &'static str, key: &str, current: f64, usual: Option<f64>, recent: Option<f64>) -> DimensionContribution {
    DimensionContribution { dimension, key: Some(key.to_owned()), current, usual, recent }
}

fn named(culprits: &[AlertContributor]) -> Vec<(&str, Option<f64>)> {
    culprits.iter().map(|one| (one.key.as_deref().unwrap(), one.share)).collect()
}

#[test]
fn no_change_has_no_contributor() {
    let usual = part("user", "a", 1.0, Some(1.0), None);
    assert_eq!(rank_contributors(vec![usual.clone()], ABOVE, MeasureUnit::Usd), []);
    assert_eq!(rank_contributors(Vec::new(), ABOVE, MeasureUnit::Usd), []);
    // The cause of a low value is who is missing.
    let other = part("user", "b", 0.0, Some(5.0), None);
    let culprits = rank_contributors(vec![usual, other], ContributorGoal::Change(ThresholdDirection::Below), MeasureUnit::Usd);
    assert_eq!(named(&culprits), [("b", Some(1.0))]);
    // Without history, it is unknown who is missing.
    assert_eq!(
        rank_contributors(vec![part("user", "a", 1.0, None, None)], ContributorGoal::Change(ThresholdDirection::Below), MeasureUnit::Usd),
        []
    );
}

#[test]
fn budget_contributors_are_the_largest_spenders() {
    let of = |user: &str, now: f64| part("user", user, now, None, None);
    let mut parts = vec![of("alice", 1.35), of("bob", 8.5), of("carol", 5.14), part("model", "m", 14.99, None, None)];
    parts.extend((0..25).map(|at| part("trace", &format!("t{at}"), 0.34, None, None)));
    let culprits = rank_contributors(parts, ContributorGoal::Spending, MeasureUnit::Usd);
    let shares: Vec<(&str, f64)> = named(&culprits).into_iter().map(|(key, share)| (key, (share.unwrap() * 100.0).round())).collect();
    assert_eq!(shares, [("bob", 57.0), ("carol", 34.0), ("m", 100.0)]);
    assert!(culprits.iter().all(|one| one.share_of == ShareOf::Total && one.usual.is_none()));
    // Also on a usual day.
    let usual = vec![part("user", "a", 7.0, Some(7.5), None), part("user", "b", 3.0, Some(3.0), None)];
    assert_eq!(named(&rank_contributors(usual, ContributorGoal::Spending, MeasureUnit::Usd)), [("a", Some(0.7)), ("b", Some(0.3))]);
    // A user who spends more than usual ranks before one who always spends most.
    let more = vec![part("user", "a", 7.0, Some(7.0), None), part("user", "b", 3.0, Some(0.1), None)];
    assert_eq!(named(&rank_contributors(more, ContributorGoal::Spending, MeasureUnit::Usd)), [("b", Some(0.3)), ("a", Some(0.7))]);
}

#[test]
fn recent_contributor_precedes_the_largest_spender() {
    let parts = |usual: Option<f64>| {
        vec![
            part("user", "alice", 7.0, usual, Some(0.0)),
            part("user", "bob", 3.0, usual, Some(3.0)),
            part("model", "m", 10.0, usual.map(|usual| usual * 2.0), Some(3.0)),
        ]
    };
    for (usual, goal) in [(None, ContributorGoal::Spending), (Some(0.0), ContributorGoal::Spending), (None, ABOVE), (Some(0.1), ABOVE)] {
        let culprits = rank_contributors(parts(usual), goal, MeasureUnit::Usd);
        let users: Vec<&str> = culprits.iter().filter(|one| one.dimension == "user").map(|one| one.key.as_deref().unwrap()).collect();
        assert_eq!(users, ["bob", "alice"], "{usual:?} {goal:?}");
    }
    let culprits = rank_contributors(parts(None), ContributorGoal::Spending, MeasureUnit::Usd);
    assert_eq!((culprits[0].key.as_deref(), culprits[0].share, culprits[0].since), (Some("bob"), Some(0.3), Some(3.0)));
}

#[test]
fn shares_of_a_dimension_do_not_exceed_one() {
    for seed in 0..2000 {
        let mut dice = StdRng::seed_from_u64(seed);
        let (with_usual, with_since) = (dice.random_bool(0.6), dice.random_bool(0.5));
        let mut parts = Vec::new();
        // Every property divides the same calls.
        let (mut now, mut usual) = (Vec::new(), Vec::new());
        for call in 0..dice.random_range(1..40) {
            let amount = dice.random_range(0.0..2.0);
            now.push((call, amount, dice.random_bool(0.3)));
            usual.push(dice.random_range(0.0..2.0));
        }
        for dimension in ["user", "model", "release", "trace"] {
            let keys = if dimension == "trace" { now.len() } else { dice.random_range(1..6) };
            for key in 0..keys {
                let mine = || now.iter().filter(move |(call, ..)| call % keys == key);
                let since = with_since.then(|| mine().filter(|(.., fresh)| *fresh).map(|(_, amount, _)| amount).sum());
                let usually = (with_usual && dimension != "trace")
                    .then(|| (0..now.len()).filter(|at| (at * 7 + 3) % keys == key).map(|at| usual[at]).sum());
                parts.push(part(dimension, &format!("{key}"), mine().map(|(_, amount, _)| amount).sum(), usually, since));
            }
        }
        for goal in [ContributorGoal::Spending, ABOVE, ContributorGoal::Change(ThresholdDirection::Below)] {
            let parts = parts
                .iter()
                .filter(|part| goal != ContributorGoal::Change(ThresholdDirection::Below) || part.dimension != "trace")
                .cloned()
                .collect();
            let culprits = rank_contributors(parts, goal, MeasureUnit::Usd);
            for dimension in ["user", "model", "release", "trace"] {
                let shares: Vec<f64> = culprits.iter().filter(|one| one.dimension == dimension).filter_map(|one| one.share).collect();
                assert!(
                    shares.iter().sum::<f64>() <= 1.0 + 1e-9 && shares.iter().all(|share| *share > 0.0),
                    "{seed} {goal:?} {culprits:#?}"
                );
            }
        }
    }
}
