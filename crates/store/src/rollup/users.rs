//! What the spans of each end user add up to, day by day. Users are too many to be told apart in the cells of hours.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::builder::FastBuildHasher;
use super::duration_bins::DurationHistogram;
use super::{HOUR_US, RollupSums};

/// Microseconds in a day.
pub const DAY_US: i64 = 24 * HOUR_US;

/// Users of a day at most; where there are more, their spans are read.
const MOST: usize = 20_000;
/// With fewer spans for each user there is little to gain.
const SPANS_PER_USER: usize = 4;

/// The spans of a project that start on one day.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UserRollupDay {
    /// The project.
    pub project: u64,
    /// Days since the Unix epoch.
    pub day: i64,
    /// By user; `None` where there are too many.
    pub users: Option<Vec<UserSums>>,
}

/// The spans of one user.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UserSums {
    /// The place of the user among the roll-up's texts.
    pub user: u32,
    /// How many spans there are, of any kind.
    pub spans: u64,
    /// The calls that count.
    pub calls: SpanSubtotal,
    /// Runs of pipelines.
    pub runs: SpanSubtotal,
    /// Calls whose tokens were counted from texts.
    pub estimated: RollupSums,
    /// Places of the providers of calls, rising; 0 for those without one.
    pub providers: Vec<u32>,
}

/// Some of a user's spans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpanSubtotal {
    /// What they add up to.
    pub sums: RollupSums,
    /// How many of them failed.
    pub failed: u64,
    /// How long they took.
    pub durations: DurationHistogram,
}

/// What is to be known of a span.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserRollupSpan<'a> {
    pub(super) user: u32,
    pub(super) provider: u32,
    pub(super) is_call: bool,
    pub(super) is_estimated: bool,
    pub(super) is_run: bool,
    pub(super) failed: bool,
    pub(super) sums: &'a RollupSums,
    /// The bin of its duration.
    pub(super) bin: u16,
}

/// A day that grows.
#[derive(Debug, Default)]
pub(super) struct UserRollupDayBuilder {
    spans: usize,
    users: HashMap<u32, UserSumsBuilder, FastBuildHasher>,
}

#[derive(Debug, Default)]
struct UserSumsBuilder {
    sums: UserSums,
    calls: Vec<u16>,
    runs: Vec<u16>,
}

impl UserRollupDayBuilder {
    pub(super) fn add(&mut self, seen: UserRollupSpan) {
        self.spans += 1;
        if self.users.len() > MOST {
            return;
        }
        let user = self.users.entry(seen.user).or_default();
        user.sums.spans += 1;
        let part = |part: &mut SpanSubtotal, bins: &mut Vec<u16>| {
            part.sums.add(seen.sums);
            part.failed += u64::from(seen.failed);
            bins.push(seen.bin);
        };
        if seen.is_call {
            part(&mut user.sums.calls, &mut user.calls);
            if !user.sums.providers.contains(&seen.provider) {
                user.sums.providers.push(seen.provider);
            }
            if seen.is_estimated {
                user.sums.estimated.add(seen.sums);
            }
        }
        if seen.is_run {
            part(&mut user.sums.runs, &mut user.runs);
        }
    }

    pub(super) fn finish(self, project: u64, day: i64) -> UserRollupDay {
        let are_told = self.users.len() <= MOST && self.users.len() * SPANS_PER_USER <= self.spans;
        let finished = |(user, growing): (u32, UserSumsBuilder)| {
            let mut sums = UserSums { user, ..growing.sums };
            sums.providers.sort_unstable();
            sums.calls.durations = DurationHistogram::of(growing.calls);
            sums.runs.durations = DurationHistogram::of(growing.runs);
            sums
        };
        let mut users = are_told.then(|| self.users.into_iter().map(finished).collect::<Vec<_>>());
        users.iter_mut().for_each(|users| users.sort_unstable_by_key(|sums| sums.user));
        UserRollupDay { project, day, users }
    }
}
