//! Builds one trace: spans that open and close along a clock.

use serde_json::{Map, Value};

use super::random::DemoRng;
use super::texts::{self, TextSlots};

/// SDK that reports a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemoSdk {
    /// sentry-python 2.75: a transaction and a separate container of the AI spans.
    Python,
    /// sentry-javascript 11 for Node: one container of all spans.
    Node,
}

/// Settings of a whole trace.
#[derive(Debug, Clone)]
pub(super) struct DemoTraceSettings {
    pub(super) sdk: DemoSdk,
    /// Name and op of the root span.
    pub(super) transaction: &'static str,
    pub(super) op: &'static str,
    pub(super) server: &'static str,
    pub(super) release: String,
    pub(super) environment: &'static str,
    pub(super) user: Option<&'static str>,
    pub(super) session: Option<String>,
    pub(super) tags: Vec<(&'static str, String)>,
}

/// Index of a span in the trace. The root span has index 0.
pub(super) type DemoSpanIndex = usize;

/// Root span of each trace.
pub(super) const ROOT_SPAN_INDEX: DemoSpanIndex = 0;

#[derive(Debug)]
pub(super) struct DemoSpan {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) op: &'static str,
    pub(super) name: String,
    pub(super) origin: &'static str,
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    /// Sentry's status if the span failed.
    pub(super) failed: Option<&'static str>,
    pub(super) data: Map<String, Value>,
}

/// An error in a span, handled or not.
#[derive(Debug)]
pub(super) struct DemoFailure {
    pub(super) id: String,
    pub(super) at: DemoSpanIndex,
    pub(super) time_us: i64,
    /// Entry of the error in the texts.
    pub(super) what: &'static Value,
    /// Message of the error.
    pub(super) value: String,
}

/// A step that runs concurrently with others.
pub(super) type DemoTraceStep<'a> = Box<dyn FnOnce(&mut DemoTrace) + 'a>;

/// A trace that is being built.
#[derive(Debug)]
pub(super) struct DemoTrace {
    pub(super) rng: DemoRng,
    pub(super) setting: DemoTraceSettings,
    pub(super) id: String,
    pub(super) spans: Vec<DemoSpan>,
    pub(super) failures: Vec<DemoFailure>,
    now_us: i64,
}

impl DemoTrace {
    pub(super) fn start(setting: DemoTraceSettings, mut rng: DemoRng, at_us: i64) -> DemoTrace {
        let id = rng.hex(32);
        let root = DemoSpan {
            id: rng.hex(16),
            parent: None,
            op: setting.op,
            name: setting.transaction.to_owned(),
            origin: "manual",
            start_us: at_us,
            end_us: at_us,
            failed: None,
            data: Map::new(),
        };
        DemoTrace { rng, setting, id, spans: vec![root], failures: Vec::new(), now_us: at_us }
    }

    /// Opens a span below another.
    pub(super) fn open(&mut self, parent: DemoSpanIndex, op: &'static str, name: impl Into<String>, origin: &'static str) -> DemoSpanIndex {
        // Programs do other work between their steps.
        self.now_us += self.rng.between(150, 2_400);
        let span = DemoSpan {
            id: self.rng.hex(16),
            parent: Some(self.spans[parent].id.clone()),
            op,
            name: name.into(),
            origin,
            start_us: self.now_us,
            end_us: self.now_us,
            failed: None,
            data: Map::new(),
        };
        self.spans.push(span);
        self.spans.len() - 1
    }

    /// Advances the clock.
    pub(super) fn wait(&mut self, ms: i64) {
        self.now_us += ms * 1_000 + self.rng.between(0, 999);
    }

    /// Ends a span now.
    pub(super) fn close(&mut self, at: DemoSpanIndex) {
        self.spans[at].end_us = self.now_us;
        self.now_us += self.rng.between(40, 400);
    }

    /// Adds a span without children.
    pub(super) fn leaf(
        &mut self,
        parent: DemoSpanIndex,
        op: &'static str,
        name: impl Into<String>,
        origin: &'static str,
        ms: i64,
    ) -> DemoSpanIndex {
        let at = self.open(parent, op, name, origin);
        self.wait(ms);
        self.close(at);
        at
    }

    /// Runs steps concurrently: each step starts now, and the clock continues at the end of the last step.
    pub(super) fn together(&mut self, steps: Vec<DemoTraceStep<'_>>) {
        let (start, mut end) = (self.now_us, self.now_us);
        for step in steps {
            self.now_us = start;
            step(self);
            end = end.max(self.now_us);
        }
        self.now_us = end;
    }

    pub(super) fn set(&mut self, at: DemoSpanIndex, key: &str, value: impl Into<Value>) {
        self.spans[at].data.insert(key.to_owned(), value.into());
    }

    /// Sets the status of a failed span, in Sentry's terms.
    pub(super) fn fail(&mut self, at: DemoSpanIndex, status: &'static str) {
        self.spans[at].failed = Some(status);
    }

    /// Adds an error to a span, now.
    pub(super) fn error(&mut self, at: DemoSpanIndex, what: &str, slots: &TextSlots) {
        let what = &texts::of("failures")[what];
        let value = slots.fill(texts::text(&what["value"]));
        let id = self.rng.hex(32);
        self.failures.push(DemoFailure { id, at, time_us: self.now_us, what, value });
    }

    /// Ends the trace.
    pub(super) fn finish(mut self) -> DemoTrace {
        self.close(ROOT_SPAN_INDEX);
        self
    }

    pub(super) fn root(&self) -> &DemoSpan {
        &self.spans[ROOT_SPAN_INDEX]
    }
}
