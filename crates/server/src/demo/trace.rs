//! Building one trace: spans that open and close along a clock.

use serde_json::{Map, Value};

use super::random::DemoRng;
use super::texts::{self, TextSlots};

/// Which SDK reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemoSdk {
    /// sentry-python 2.75: a transaction beside a container of the AI spans.
    Python,
    /// sentry-javascript 11 for Node: one container of all spans.
    Node,
}

/// What holds for a whole trace.
#[derive(Debug, Clone)]
pub(super) struct DemoTraceSettings {
    pub(super) sdk: DemoSdk,
    /// Name and op of the root.
    pub(super) transaction: &'static str,
    pub(super) op: &'static str,
    pub(super) server: &'static str,
    pub(super) release: String,
    pub(super) environment: &'static str,
    pub(super) user: Option<&'static str>,
    pub(super) session: Option<String>,
    pub(super) tags: Vec<(&'static str, String)>,
}

/// A span, by its place in the trace. The root is 0.
pub(super) type DemoSpanIndex = usize;

/// The root of each trace.
pub(super) const ROOT: DemoSpanIndex = 0;

#[derive(Debug)]
pub(super) struct DemoSpan {
    pub(super) id: String,
    pub(super) parent: Option<String>,
    pub(super) op: &'static str,
    pub(super) name: String,
    pub(super) origin: &'static str,
    pub(super) start_us: i64,
    pub(super) end_us: i64,
    /// Sentry's word for how it ended, where it did not end well.
    pub(super) failed: Option<&'static str>,
    pub(super) data: Map<String, Value>,
}

/// An error, caught or not, in a span.
#[derive(Debug)]
pub(super) struct DemoFailure {
    pub(super) id: String,
    pub(super) at: DemoSpanIndex,
    pub(super) time_us: i64,
    /// Its entry in the texts.
    pub(super) what: &'static Value,
    /// What it says.
    pub(super) value: String,
}

/// What happens beside other steps.
pub(super) type DemoTraceStep<'a> = Box<dyn FnOnce(&mut DemoTrace) + 'a>;

/// A trace that grows.
#[derive(Debug)]
pub(super) struct DemoTrace {
    pub(super) dice: DemoRng,
    pub(super) setting: DemoTraceSettings,
    pub(super) id: String,
    pub(super) spans: Vec<DemoSpan>,
    pub(super) failures: Vec<DemoFailure>,
    now_us: i64,
}

impl DemoTrace {
    pub(super) fn start(setting: DemoTraceSettings, mut dice: DemoRng, at_us: i64) -> DemoTrace {
        let id = dice.hex(32);
        let root = DemoSpan {
            id: dice.hex(16),
            parent: None,
            op: setting.op,
            name: setting.transaction.to_owned(),
            origin: "manual",
            start_us: at_us,
            end_us: at_us,
            failed: None,
            data: Map::new(),
        };
        DemoTrace { dice, setting, id, spans: vec![root], failures: Vec::new(), now_us: at_us }
    }

    /// Opens a span below another.
    pub(super) fn open(&mut self, parent: DemoSpanIndex, op: &'static str, name: impl Into<String>, origin: &'static str) -> DemoSpanIndex {
        // Between one step and the next a program does something of its own.
        self.now_us += self.dice.between(150, 2_400);
        let span = DemoSpan {
            id: self.dice.hex(16),
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

    /// Lets time pass.
    pub(super) fn wait(&mut self, ms: i64) {
        self.now_us += ms * 1_000 + self.dice.between(0, 999);
    }

    /// Ends a span now.
    pub(super) fn close(&mut self, at: DemoSpanIndex) {
        self.spans[at].end_us = self.now_us;
        self.now_us += self.dice.between(40, 400);
    }

    /// A span without anything below it.
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

    /// Runs steps side by side: each starts now, and time goes on when the last of them is done.
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

    /// How a span ended, where not well: a status of Sentry's.
    pub(super) fn fail(&mut self, at: DemoSpanIndex, status: &'static str) {
        self.spans[at].failed = Some(status);
    }

    /// An error in a span, now.
    pub(super) fn error(&mut self, at: DemoSpanIndex, what: &str, slots: &TextSlots) {
        let what = &texts::of("failures")[what];
        let value = slots.fill(texts::text(&what["value"]));
        let id = self.dice.hex(32);
        self.failures.push(DemoFailure { id, at, time_us: self.now_us, what, value });
    }

    /// Ends the trace.
    pub(super) fn finish(mut self) -> DemoTrace {
        self.close(ROOT);
        self
    }

    pub(super) fn root(&self) -> &DemoSpan {
        &self.spans[ROOT]
    }
}
