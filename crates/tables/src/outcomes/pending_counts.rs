//! Counts in memory, whose number is limited regardless of what clients send.

use std::collections::{HashMap, HashSet};

use hinomi_model::outcome::Outcome;
use hinomi_model::outcome_reason::OutcomeReason;

use super::{MINUTE_US, OutcomeSource, SERVER_PROJECT, hints};

/// Maximum number of classes of outcomes per project and minute; all others are counted with the reason `other`, without key and SDK.
const MAX_CLASSES_PER_MINUTE: usize = 300;
/// Maximum number of counts that wait while the database cannot be written; all others are added to one minute as `other`.
const MAX_PENDING_COUNTS: usize = 10_000;
/// Maximum length of reason, key and SDK; `MAX_DETAIL_LENGTH` is that of details, in characters.
const MAX_NAME_LENGTH: usize = 64;
const MAX_DETAIL_LENGTH: usize = 300;
/// Maximum count per minute. A client can report any number, and sums must not overflow.
pub(super) const MAX_COUNT_PER_MINUTE: u64 = 1_000_000_000_000;

/// Class of an outcome.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct OutcomeClass {
    pub(super) outcome: String,
    pub(super) reason: String,
    pub(super) category: String,
    /// Ingest key; empty if there was none.
    pub(super) key: String,
    /// Name and version of the SDK; empty if unknown.
    pub(super) sdk: String,
}

/// Items that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct OutcomeKey {
    pub(super) project: u64,
    /// Minutes since the Unix epoch.
    pub(super) minute: i64,
    pub(super) class: OutcomeClass,
}

/// A count of items.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct OutcomeCount {
    pub(super) quantity: u64,
    /// Time of the newest item in microseconds since the Unix epoch.
    pub(super) last_us: i64,
    /// Newest detail for a person, with its time.
    pub(super) detail: Option<(i64, String)>,
}

impl OutcomeCount {
    pub(super) fn add(&mut self, other: &OutcomeCount) {
        self.quantity = self.quantity.saturating_add(other.quantity);
        self.last_us = self.last_us.max(other.last_us);
        let newer = other.detail.iter().find(|(at, _)| self.detail.as_ref().is_none_or(|(own, _)| at >= own));
        if let Some(newer) = newer {
            self.detail = Some(newer.clone());
        }
    }
}

/// Counts that are not written yet.
#[derive(Debug, Default)]
pub(super) struct OutcomeTally {
    counts: HashMap<OutcomeKey, OutcomeCount>,
    /// Minute of `separate_classes`.
    minute: i64,
    /// Classes of each project in this minute, including those already written.
    separate_classes: HashMap<u64, HashSet<OutcomeClass>>,
    /// Number of counts that are being written and may be put back.
    being_written: usize,
    /// Minute to which everything is added while too many counts wait, until a write succeeds.
    overflow: Option<i64>,
}

impl OutcomeTally {
    pub(super) fn count(&mut self, now_us: i64, project: u64, from: OutcomeSource, outcome: &Outcome) {
        let mut class = OutcomeClass {
            outcome: outcome.kind.as_str().to_owned(),
            reason: snake_case(&outcome.reason),
            category: outcome.category.as_str().to_owned(),
            key: from.key.unwrap_or_default().chars().take(MAX_NAME_LENGTH).collect(),
            sdk: hints::sanitize(from.sdk.unwrap_or_default()).chars().take(MAX_NAME_LENGTH).collect(),
        };
        if project == SERVER_PROJECT {
            (class.key, class.sdk) = (String::new(), String::new());
        }
        let this_minute = now_us.div_euclid(MINUTE_US);
        if this_minute != self.minute {
            self.minute = this_minute;
            self.separate_classes.clear();
        }
        let mut minute = minute_of(project, now_us);
        if self.counts.len() + self.being_written >= MAX_PENDING_COUNTS {
            minute = *self.overflow.get_or_insert(minute);
            class = class.with_other_reason();
        } else {
            let told_apart = self.separate_classes.entry(project).or_default();
            if told_apart.len() < MAX_CLASSES_PER_MINUTE {
                told_apart.insert(class.clone());
            } else if !told_apart.contains(&class) {
                class = class.with_other_reason();
            }
        }
        let detail = outcome.detail.as_ref().map(|text| (now_us, text.chars().take(MAX_DETAIL_LENGTH).collect()));
        let one = OutcomeCount { quantity: outcome.quantity.min(MAX_COUNT_PER_MINUTE), last_us: now_us, detail };
        self.counts.entry(OutcomeKey { project, minute, class }).or_default().add(&one);
    }

    pub(super) fn counts(&self) -> &HashMap<OutcomeKey, OutcomeCount> {
        &self.counts
    }

    /// Takes all counts for writing. [`confirm_written`](OutcomeTally::confirm_written) or [`restore_pending`](OutcomeTally::restore_pending) must follow.
    pub(super) fn take_pending(&mut self) -> HashMap<OutcomeKey, OutcomeCount> {
        self.being_written = self.counts.len();
        std::mem::take(&mut self.counts)
    }

    /// Records that the counts that were taken have been written.
    pub(super) fn confirm_written(&mut self) {
        self.being_written = 0;
        self.overflow = None;
    }

    /// Puts back counts that could not be written.
    pub(super) fn restore_pending(&mut self, counts: HashMap<OutcomeKey, OutcomeCount>) {
        self.being_written = 0;
        let since = std::mem::replace(&mut self.counts, counts);
        for (which, count) in since {
            self.counts.entry(which).or_default().add(&count);
        }
    }
}

impl OutcomeClass {
    /// Returns the class for items that are not counted separately.
    fn with_other_reason(self) -> OutcomeClass {
        OutcomeClass { reason: OutcomeReason::Other.as_str().to_owned(), key: String::new(), sdk: String::new(), ..self }
    }
}

/// Returns the minute under which a time is counted; for the server the first minute of the hour.
pub(super) fn minute_of(project: u64, us: i64) -> i64 {
    let minute = us.div_euclid(MINUTE_US);
    if project == SERVER_PROJECT { minute - minute.rem_euclid(60) } else { minute }
}

/// Converts a reason to snake case: a client's reason may be any text.
fn snake_case(reason: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let name: String = reason.trim().chars().take(MAX_NAME_LENGTH).map(plain).collect();
    if name.is_empty() { OutcomeReason::Unknown.as_str().to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use hinomi_model::outcome::OutcomeCategory;

    use super::*;

    fn dropped(reason: &str) -> Outcome {
        let detail = format!("said {reason}");
        Outcome { reason: reason.to_owned(), ..Outcome::dropped(OutcomeCategory::Span, OutcomeReason::Other, detail) }
    }

    fn sum_of(tally: &OutcomeTally) -> u64 {
        tally.counts.values().map(|count| count.quantity).sum()
    }

    #[test]
    fn strange_reasons_are_limited_and_sanitized() {
        let mut tally = OutcomeTally::default();
        for number in 0..5_000 {
            tally.count(number, 1, OutcomeSource { key: Some(&"k".repeat(1000)), sdk: Some("s\n1") }, &dropped(&format!("Très {number}")));
            // It makes no difference whether counts have been written meanwhile.
            if number == 150 {
                assert_eq!(tally.take_pending().len(), 151);
            }
        }
        assert_eq!(tally.counts.len(), MAX_CLASSES_PER_MINUTE - 151 + 1);
        assert_eq!(sum_of(&tally), 5_000 - 151);
        assert!(tally.counts.keys().all(|which| which.class.reason == "other" || which.class.reason.starts_with("tr_s_")));
        assert!(tally.counts.keys().all(|which| which.class.key.len() <= MAX_NAME_LENGTH));
        tally.count(0, 2, OutcomeSource::default(), &dropped("another_project"));
        tally.count(MINUTE_US, 1, OutcomeSource::default(), &dropped("another_minute"));
        tally.count(MINUTE_US, 1, OutcomeSource::default(), &dropped(" \n"));
        for reason in ["another_project", "another_minute", "unknown"] {
            assert!(tally.counts.keys().any(|which| which.class.reason == reason), "{reason}");
        }
    }

    #[test]
    fn unwritten_counts_are_bounded() {
        let mut tally = OutcomeTally::default();
        let mut number = 0;
        let mut count = |tally: &mut OutcomeTally| {
            number += 1;
            tally.count(number * MINUTE_US, 1, OutcomeSource { key: Some("k"), sdk: None }, &dropped("too_old"));
        };
        for _ in 0..20_000 {
            count(&mut tally);
            let taken = tally.take_pending();
            count(&mut tally);
            tally.restore_pending(taken);
        }
        assert_eq!(sum_of(&tally), 40_000);
        assert!(tally.counts.len() <= MAX_PENDING_COUNTS + 1, "{}", tally.counts.len());
        tally.take_pending();
        tally.confirm_written();
        count(&mut tally);
        assert!(tally.counts.keys().all(|which| which.class.reason == "too_old"));
    }

    #[test]
    fn unidentified_senders_are_counted_per_hour_and_reason() {
        let mut tally = OutcomeTally::default();
        for number in 0..50_000 {
            let by = OutcomeSource { key: Some(&format!("{number:032x}")), sdk: Some(&format!("evil {number}")) };
            tally.count(number * 100_000, SERVER_PROJECT, by, &dropped(["unknown_key", "missing_key"][number as usize % 2]));
        }
        tally.count(0, 1, OutcomeSource { key: Some("k"), sdk: Some("sentry.python 2.75.0") }, &dropped("too_old"));
        // 5,000 seconds: two hours.
        let of_server: Vec<_> = tally.counts.iter().filter(|(which, _)| which.project == SERVER_PROJECT).collect();
        assert_eq!(of_server.len(), 4);
        assert_eq!(of_server.iter().map(|(_, count)| count.quantity).sum::<u64>(), 50_000);
        assert!(of_server.iter().all(|(which, _)| which.class.key.is_empty() && which.class.sdk.is_empty() && which.minute % 60 == 0));
        let of_project: Vec<_> = tally.counts.keys().filter(|which| which.project == 1).map(|which| which.class.reason.as_str()).collect();
        assert_eq!(of_project, ["too_old"]);
    }

    #[test]
    fn latest_detail_is_kept() {
        let mut tally = OutcomeTally::default();
        tally.count(1, 1, OutcomeSource::default(), &dropped("a"));
        tally.count(3, 1, OutcomeSource::default(), &Outcome { detail: Some("third ".repeat(1000)), ..dropped("a") });
        tally.count(2, 1, OutcomeSource::default(), &Outcome { detail: Some("second".into()), ..dropped("a") });
        tally.count(4, 1, OutcomeSource::default(), &Outcome { detail: None, quantity: u64::MAX, ..dropped("a") });
        let count = tally.counts.values().next().unwrap();
        assert_eq!((count.quantity, count.last_us), (MAX_COUNT_PER_MINUTE + 3, 4));
        let (at, text) = count.detail.as_ref().unwrap();
        assert_eq!((*at, text.len()), (3, MAX_DETAIL_LENGTH));
    }
}
