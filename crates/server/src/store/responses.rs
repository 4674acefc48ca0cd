//! A bounded memory of recent calls by the provider's id of their answer, over all traces: where one is reported by two programs, the
//! second report finds the first.

use std::collections::{HashMap, VecDeque};

use hinomi_model::reports::{Report, same_call};

/// Test doubles give one id to many answers; of so many it is not looked which belong together.
const MOST_OF_ONE_ID: usize = 32;

/// Recent calls that are not known to be reported twice.
#[derive(Debug)]
pub(super) struct Responses {
    capacity: usize,
    /// By project and hash of the answer's id.
    reports: HashMap<(u64, u64), Vec<Report>>,
    /// The oldest first. A call that was found twice stands here until its turn comes.
    order: VecDeque<(u64, u64)>,
}

impl Responses {
    pub(super) fn new(capacity: usize) -> Responses {
        Responses { capacity, reports: HashMap::new(), order: VecDeque::new() }
    }

    /// Remembers a call, or what is now known of it.
    pub(super) fn note(&mut self, project: u64, report: Report) {
        let key = (project, report.response);
        let alike = self.reports.entry(key).or_default();
        if let Some(known) = alike.iter_mut().find(|known| is_same_span(known, &report)) {
            *known = report;
            return;
        }
        if alike.len() == MOST_OF_ONE_ID {
            alike.remove(0);
        }
        alike.push(report);
        self.order.push_back(key);
        while self.order.len() > self.capacity {
            let oldest = self.order.pop_front().unwrap_or_default();
            if let Some(alike) = self.reports.get_mut(&oldest) {
                // Each key stands in the order at least as often as it has calls.
                alike.drain(..1.min(alike.len()));
                if alike.is_empty() {
                    self.reports.remove(&oldest);
                }
            }
        }
    }

    /// The nearest other report of the same call: the program's own first, the gateway's second.
    pub(super) fn find(&self, project: u64, report: &Report) -> Option<(Report, Report)> {
        let alike = self.reports.get(&(project, report.response))?;
        let found = alike.iter().filter_map(|other| same_call(report, other));
        found.min_by_key(|(program, gateway)| program.distance_us(gateway)).map(|(program, gateway)| (*program, *gateway))
    }

    /// Forgets a call, since its other report was found.
    pub(super) fn remove(&mut self, project: u64, report: &Report) {
        if let Some(alike) = self.reports.get_mut(&(project, report.response)) {
            alike.retain(|known| !is_same_span(known, report));
        }
    }
}

fn is_same_span(one: &Report, other: &Report) -> bool {
    (one.trace_id, one.span_id) == (other.trace_id, other.span_id)
}

#[cfg(test)]
mod tests {
    use hinomi_model::counting::Node;
    use hinomi_model::id::{SpanId, TraceId};
    use hinomi_model::reports::of_trace;
    use hinomi_model::span::{Kind, Span, Usage};

    use super::*;

    fn report(trace: u128, scope: &str, response: &str) -> Report {
        let span = Span {
            trace_id: TraceId(trace),
            span_id: SpanId(trace as u64),
            kind: Kind::Llm,
            origin: Some(scope.into()),
            response_id: Some(response.into()),
            usage: Usage { input: Some(1), output: Some(2), ..Usage::default() },
            ..Span::default()
        };
        of_trace(span.trace_id, &[Node::of(&span)], |_| true)[0]
    }

    #[test]
    fn the_second_report_finds_the_first_until_it_is_forgotten() {
        let mut responses = Responses::new(3);
        responses.note(1, report(1, "openai", "r1"));
        let gateway = report(2, "litellm", "r1");
        assert_eq!(responses.find(1, &gateway).map(|(program, _)| program.trace_id.0), Some(1));
        assert_eq!(responses.find(2, &gateway), None, "another project's");
        responses.remove(1, &report(1, "openai", "r1"));
        assert_eq!(responses.find(1, &gateway), None);

        responses.note(1, report(1, "openai", "r1"));
        for trace in 3..6 {
            responses.note(1, report(trace, "openai", "others"));
        }
        assert_eq!(responses.find(1, &gateway), None, "pushed out by newer ones");
        assert_eq!(responses.order.len(), 3);
    }
}
