//! Totals of each user's spans per day. There are too many users to distinguish them in the hourly cells.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::builder::FastBuildHasher;
use super::duration_bins::DurationHistogram;
use super::{HOUR_US, RollupSums};

/// Microseconds per day.
pub const DAY_US: i64 = 24 * HOUR_US;

/// Maximum number of users per day; with more, their spans are read from the segment.
const MAX_USERS_PER_DAY: usize = 20_000;
/// Minimum number of spans per user; with fewer there is little to gain.
const MIN_SPANS_PER_USER: usize = 4;

/// Totals of a project's spans that start on one day.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UserRollupDay {
    /// Project of the spans.
    pub project: u64,
    /// Number of days since the Unix epoch.
    pub day: i64,
    /// Totals per user; `None` if there are too many users, or too few spans per user.
    pub users: Option<Vec<UserSums>>,
}

/// Totals of one user's spans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UserSums {
    /// Index of the user in the roll-up's texts.
    pub user: u32,
    /// Number of spans of any kind.
    pub spans: u64,
    /// Totals of the counted calls.
    pub calls: SpanSubtotal,
    /// Totals of the runs of pipelines.
    pub runs: SpanSubtotal,
    /// Totals of the calls whose tokens are estimated from their messages.
    pub estimated: RollupSums,
    /// Indices of the providers of calls, ascending; 0 for calls without one.
    pub providers: Vec<u32>,
}

/// Totals of some spans.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SpanSubtotal {
    /// Sums over the spans.
    pub sums: RollupSums,
    /// Number of failed spans.
    pub failed: u64,
    /// Durations of the spans.
    pub durations: DurationHistogram,
}

/// Fields of a span that are needed for the totals of a day.
#[derive(Debug, Clone, Copy)]
pub(super) struct UserRollupSpan<'a> {
    pub(super) user: u32,
    pub(super) provider: u32,
    pub(super) is_counted: bool,
    pub(super) is_call: bool,
    pub(super) is_estimated: bool,
    pub(super) is_run: bool,
    pub(super) failed: bool,
    pub(super) sums: &'a RollupSums,
    /// Bin of the duration, if the span has one.
    pub(super) bin: Option<u16>,
}

/// A day under construction.
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
        if self.users.len() > MAX_USERS_PER_DAY {
            return;
        }
        let user = self.users.entry(seen.user).or_default();
        user.sums.spans += 1;
        let part = |part: &mut SpanSubtotal, bins: &mut Vec<u16>| {
            part.sums.add_sums(seen.sums);
            part.failed += u64::from(seen.failed);
            bins.extend(seen.bin);
        };
        if seen.is_call {
            part(&mut user.sums.calls, &mut user.calls);
            if !user.sums.providers.contains(&seen.provider) {
                user.sums.providers.push(seen.provider);
            }
            if seen.is_estimated {
                user.sums.estimated.add_sums(seen.sums);
            }
        } else if seen.is_counted {
            user.sums.calls.sums.add_billed(seen.sums);
        }
        if seen.is_run {
            part(&mut user.sums.runs, &mut user.runs);
        }
    }

    pub(super) fn finish(self, project: u64, day: i64) -> UserRollupDay {
        let are_told = self.users.len() <= MAX_USERS_PER_DAY && self.users.len() * MIN_SPANS_PER_USER <= self.spans;
        let finished = |(user, growing): (u32, UserSumsBuilder)| {
            let mut sums = UserSums { user, ..growing.sums };
            sums.providers.sort_unstable();
            sums.calls.durations = DurationHistogram::from_bins(growing.calls);
            sums.runs.durations = DurationHistogram::from_bins(growing.runs);
            sums
        };
        let mut users = are_told.then(|| self.users.into_iter().map(finished).collect::<Vec<_>>());
        users.iter_mut().for_each(|users| users.sort_unstable_by_key(|sums| sums.user));
        UserRollupDay { project, day, users }
    }
}
