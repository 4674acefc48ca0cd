//! What was generated, to compare with what a server shows.

use std::collections::{BTreeMap, BTreeSet};

use super::hex;
use super::trace::{Llm, Trace, MODELS, NEEDLE_EVERY};

#[derive(Default)]
pub struct Facts {
    pub traces: u64,
    pub llm_spans: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_usd: f64,
    pub needles: u64,
    pub error_spans: u64,
    pub per_model: BTreeMap<String, (u64, u64, u64)>,
    pub sample_trace_ids: Vec<String>,
    pub last_trace_id: String,
    pub sessions: BTreeSet<u64>,
}

pub(super) fn note(f: &mut Facts, t: &Trace, idx: u64) {
    note_trace(f, t, idx);
    t.llm.iter().for_each(|call| note_call(f, call));
}

pub(super) fn note_trace(f: &mut Facts, t: &Trace, idx: u64) {
    f.traces += 1;
    if idx % NEEDLE_EVERY == 7 {
        f.needles += 1;
    }
    if t.failed {
        f.error_spans += 1;
    }
    f.sessions.insert(t.session);
    f.last_trace_id = hex(&t.id);
}

pub(super) fn note_call(f: &mut Facts, l: &Llm) {
    let m = MODELS[l.model];
    f.llm_spans += 1;
    f.input_tokens += l.tok_in;
    f.output_tokens += l.tok_out;
    f.cost_usd += (l.tok_in as f64 * m.2 + l.tok_out as f64 * m.3) / 1e6;
    let e = f.per_model.entry(m.0.to_string()).or_default();
    e.0 += 1;
    e.1 += l.tok_in;
    e.2 += l.tok_out;
}
