//! A bounded in-memory index of recent calls across all traces, by the provider's response ID or by their messages. If a call is reported
//! more than once, each report finds the earlier reports.

use std::collections::{HashMap, VecDeque};

use hinomi_model::dedup::duplicate_reports::{CallReport, has_same_messages, is_same_call};

/// Maximum number of calls with one ID. Mock providers give one ID to many responses; beyond this number they are not compared.
const MAX_CALLS_PER_ID: usize = 32;

/// The reports of one call: never empty, each from a different trace.
type CallReports = Vec<CallReport>;

/// The key of an index of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallIndexKind {
    /// The provider's response ID.
    Id,
    /// The input and output messages.
    Texts,
}

/// Recent calls that have a response ID, or messages.
#[derive(Debug)]
pub(crate) struct RecentCallIndex {
    key_kind: CallIndexKind,
    capacity: usize,
    /// Calls by project and hash. The hashed values come from clients, and another client of the same project can send the same value
    /// ([`hinomi_model::dedup::duplicate_reports`]).
    calls: HashMap<(u64, u64), Vec<CallReports>>,
    /// Keys in the order in which calls were added, oldest first. A key stays here after its report was removed, until it is evicted.
    order: VecDeque<(u64, u64)>,
    /// Number of calls that were evicted: a later report of one is not recognized.
    evicted: u64,
}

impl RecentCallIndex {
    pub(crate) fn new(key_kind: CallIndexKind, capacity: usize) -> RecentCallIndex {
        RecentCallIndex { key_kind, capacity, calls: HashMap::new(), order: VecDeque::new(), evicted: 0 }
    }

    /// Adds or updates a report. If the call has other reports, and something has changed or `even_if_unchanged` is true, returns all
    /// reports of the call.
    pub(crate) fn add_report(&mut self, project: u64, report: CallReport, even_if_unchanged: bool) -> Option<CallReports> {
        let key = (project, self.key(&report)?);
        let by = self.key_kind;
        let calls = self.calls.entry(key).or_default();
        let mut is_new = true;
        if let Some(at) = calls.iter().position(|call| call.iter().any(|known| known.is_of_span(&report))) {
            if calls[at].len() > 1 {
                let known = calls[at].iter_mut().find(|known| known.is_of_span(&report))?;
                let changed = *known != report;
                *known = report;
                return (changed || even_if_unchanged).then(|| calls[at].clone());
            }
            // It was the only report of its call; with the new data it may match another call.
            calls.remove(at);
            is_new = false;
        }
        let stands = |call: &&mut CallReports| match report.counted_elsewhere {
            Some(other) => call.iter().any(|known| (known.trace_id, known.span_id) == other),
            None => call
                .iter()
                .all(|known| if by == CallIndexKind::Id { is_same_call(known, &report) } else { has_same_messages(known, &report) }),
        };
        let distance = |call: &&mut CallReports| call.iter().map(|known| known.distance_us(&report)).min();
        let call = match calls.iter_mut().filter(stands).min_by_key(distance) {
            Some(call) => {
                call.push(report);
                call.clone()
            }
            // The report that is counted instead is forgotten: no other may be counted in its place.
            None if report.counted_elsewhere.is_some() => Vec::new(),
            None => {
                if calls.len() >= MAX_CALLS_PER_ID {
                    calls.remove(0);
                }
                calls.push(vec![report]);
                Vec::new()
            }
        };
        if calls.is_empty() {
            self.calls.remove(&key);
        } else if is_new {
            self.order.push_back(key);
            self.evict_oldest();
        }
        (call.len() > 1).then_some(call)
    }

    fn key(&self, report: &CallReport) -> Option<u64> {
        match self.key_kind {
            CallIndexKind::Id => report.response,
            CallIndexKind::Texts => report.texts,
        }
    }

    fn evict_oldest(&mut self) {
        while self.order.len() > self.capacity {
            let oldest = self.order.pop_front().unwrap_or_default();
            if let Some(calls) = self.calls.get_mut(&oldest) {
                // A call is evicted as a whole, or its remaining reports would be counted again. Each key occurs in the order at least as
                // often as it has calls.
                self.evicted += calls.drain(..1.min(calls.len())).len() as u64;
                if calls.is_empty() {
                    self.calls.remove(&oldest);
                }
            }
        }
    }

    /// Returns the number of calls that were evicted.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) {
        self.calls.clear();
        self.order.clear();
    }

    /// Removes a report because its span is no longer stored or is excluded by its own trace.
    pub(crate) fn remove_report(&mut self, project: u64, report: &CallReport) {
        let Some(key) = self.key(report).map(|hash| (project, hash)) else { return };
        if let Some(calls) = self.calls.get_mut(&key) {
            for call in calls.iter_mut() {
                call.retain(|known| !known.is_of_span(report));
            }
            calls.retain(|call| !call.is_empty());
            if calls.is_empty() {
                self.calls.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hinomi_model::dedup::SpanNode;
    use hinomi_model::dedup::duplicate_reports::{exclude_for, of_trace};
    use hinomi_model::id::{SpanId, TraceId};
    use hinomi_model::span::{Span, SpanType, Usage};

    use super::*;

    fn report(trace: u128, scope: &str, response: &str) -> CallReport {
        let span = call(trace, scope, response);
        of_trace(span.trace_id, &[SpanNode::of(&span)], |_| true)[0]
    }

    fn call(trace: u128, scope: &str, response: &str) -> Span {
        Span {
            trace_id: TraceId(trace),
            span_id: SpanId(trace as u64),
            kind: SpanType::Llm,
            origin: Some(scope.into()),
            response_id: Some(response.into()),
            usage: Usage { input: Some(1), output: Some(2), ..Usage::default() },
            ..Span::default()
        }
    }

    fn traces(call: Option<CallReports>) -> Vec<u128> {
        call.into_iter().flatten().map(|report| report.trace_id.0).collect()
    }

    #[test]
    fn report_finds_earlier_reports_until_eviction() {
        let mut responses = RecentCallIndex::new(CallIndexKind::Id, 4);
        assert_eq!(responses.add_report(1, report(1, "openai", "r1"), false), None);
        let gateway = report(2, "litellm", "r1");
        assert_eq!(responses.add_report(2, gateway, false), None, "another project's");
        assert_eq!(traces(responses.add_report(1, gateway, false)), [1, 2]);
        assert_eq!(responses.add_report(1, gateway, false), None, "nothing new");
        assert_eq!(traces(responses.add_report(1, gateway, true)), [1, 2]);
        assert_eq!(traces(responses.add_report(1, report(3, "portkey", "r1"), false)), [1, 2, 3]);
        responses.remove_report(1, &report(1, "openai", "r1"));
        assert_eq!(traces(responses.add_report(1, gateway, true)), [2, 3]);

        for trace in 4..8 {
            assert_eq!(responses.add_report(1, report(trace, "openai", "others"), false), None);
        }
        assert_eq!(responses.add_report(1, gateway, false), None, "pushed out by newer ones");
        assert_eq!((responses.order.len(), responses.evicted()), (4, 3));
    }

    #[test]
    fn excluded_report_is_listed_with_its_counted_call_only() {
        let mut responses = RecentCallIndex::new(CallIndexKind::Id, 4);
        let left = |trace| {
            let mut span = call(trace, "litellm", "r1");
            exclude_for(&mut span, &report(1, "openai", "r1"));
            of_trace(span.trace_id, &[SpanNode::of(&span)], |_| false)[0]
        };
        assert_eq!(responses.add_report(1, left(2), false), None);
        assert!(responses.calls.is_empty() && responses.order.is_empty());
        assert_eq!(responses.add_report(1, report(1, "openai", "r1"), false), None);
        assert_eq!(traces(responses.add_report(1, left(2), false)), [1, 2]);
    }
}
