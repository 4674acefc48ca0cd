//! Seeded payload generation. Everything that a run sends is derived from (seed, trace index), so
//! the same command makes the same bytes, apart from the time base.

mod agent;
mod envelope;
mod facts;
mod otlp;
mod trace;
mod vocab;

use std::io::Write;

use bytes::Bytes;
use flate2::{write::GzEncoder, Compression};
use prost::Message;

use self::agent::{agent_run, SPANS_PER_RUN};
use self::envelope::{envelope_err, envelope_tx};
pub use self::facts::Facts;
use self::facts::{note, note_call, note_trace};
use self::otlp::{otlp_span, resource};
pub use self::trace::*;
use self::vocab::Vocab;
use crate::otlp::*;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    Otlp,
    /// The same over gRPC.
    Grpc,
    Tx,
    TxInline,
    Err,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Dialect {
    GenAi,
    OpenInference,
    Both,
}

#[derive(Clone)]
pub struct Cfg {
    pub mode: Mode,
    pub dialect: Dialect,
    pub spans: u64,
    pub batch: u64,
    pub seed: u64,
    pub gzip: Option<u32>,
    /// unix seconds at which the newest trace starts
    pub t_end: u64,
    /// traces are spread evenly over this many seconds before t_end
    pub spread_s: u64,
    pub service: String,
    pub public_key: String,
    pub project_attr: Option<String>,
    /// send the root first and the children after it; an exporter does the opposite
    pub root_first: bool,
    /// OTLP: every so many-th trace is the run of an agent, each of whose calls repeats the whole conversation; 0 for none
    pub agents: u64,
}

pub struct Req {
    pub body: Bytes,
    pub spans: u32,
    pub raw_len: u32,
}

/// Build every request of a run. OTLP: the span stream of consecutive traces (children first) is cut
/// into requests of `batch` spans, so a batch that is no multiple of 6 splits traces over requests. Envelopes: one trace of `batch`
/// spans each; with a batch of 1 each span comes as a transaction by itself, as from services that call one another.
pub fn build(c: &Cfg) -> (Vec<Req>, Facts) {
    let v = Vocab::new();
    let mut f = Facts::default();
    let mut out = vec![];
    match c.mode {
        Mode::Otlp | Mode::Grpc => {
            let n = match c.agents {
                0 => c.spans.div_ceil(SPANS_PER_TRACE),
                every => (c.spans * every).div_ceil(SPANS_PER_RUN + SPANS_PER_TRACE * (every - 1)),
            };
            let every = (n / 100).max(1);
            let mut cur: Vec<Span> = Vec::with_capacity(c.batch as usize);
            let res = resource(c);
            let flush = |cur: &mut Vec<Span>, out: &mut Vec<Req>| {
                let k = cur.len() as u64;
                if k == 0 {
                    return;
                }
                let m = ExportTraceServiceRequest {
                    resource_spans: vec![ResourceSpans {
                        resource: Some(res.clone()),
                        scope_spans: vec![ScopeSpans {
                            scope: Some(Scope { name: "opentelemetry.instrumentation.openai_v2".into(), version: "2.3b0".into() }),
                            spans: std::mem::take(cur),
                        }],
                        schema_url: String::new(),
                    }],
                };
                out.push(pack(m.encode_to_vec(), k, c));
            };
            for idx in 0..n {
                if c.agents > 0 && idx % c.agents == 0 {
                    let run = agent_run(&v, c, idx, n, &mut f);
                    if idx % every == 0 {
                        f.sample_trace_ids.push(hex(&run[0].trace_id));
                    }
                    for span in run {
                        cur.push(span);
                        if cur.len() as u64 >= c.batch {
                            flush(&mut cur, &mut out);
                        }
                    }
                    continue;
                }
                let t = trace(&v, c, idx, n);
                note(&mut f, &t, idx);
                if idx % every == 0 {
                    f.sample_trace_ids.push(hex(&t.id));
                }
                for j in 0..6 {
                    let k = if c.root_first { 5 - j } else { j };
                    cur.push(otlp_span(&t, k, c.dialect));
                    if cur.len() as u64 >= c.batch {
                        flush(&mut cur, &mut out);
                    }
                }
            }
            flush(&mut cur, &mut out);
        }
        Mode::Tx | Mode::TxInline => {
            let batch = c.batch.max(1);
            let n = c.spans.div_ceil(SPANS_PER_TRACE.max(batch));
            let every = (n / 100).max(1);
            let inline = c.mode == Mode::TxInline;
            let each = batch.div_ceil(SPANS_PER_TRACE);
            for idx in 0..n {
                let ts: Vec<Trace> = (idx * each..(idx + 1) * each).map(|idx| trace(&v, c, idx, n * each)).collect();
                note_trace(&mut f, &ts[0], idx);
                if idx % every == 0 {
                    f.sample_trace_ids.push(hex(&ts[0].id));
                }
                if batch == 1 {
                    ts[0].llm.iter().for_each(|call| note_call(&mut f, call));
                    out.extend((0..6).map(|k| pack(envelope_tx(&ts, k, &[], c, inline), 1, c)));
                    continue;
                }
                let all = (0..ts.len()).flat_map(|of| (0..6).map(move |k| (of, k))).filter(|place| *place != (0, 5));
                let children: Vec<(usize, usize)> = all.take(batch as usize - 1).collect();
                for (of, k) in &children {
                    if let 1 | 3 = k {
                        note_call(&mut f, &ts[*of].llm[k / 2]);
                    }
                }
                out.push(pack(envelope_tx(&ts, 5, &children, c, inline), batch, c));
            }
        }
        Mode::Err => {
            for idx in 0..c.spans {
                out.push(pack(envelope_err(&v, c, idx, c.spans), 1, c));
            }
        }
    }
    (out, f)
}

fn gz(b: &[u8], lvl: u32) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::with_capacity(b.len() / 3), Compression::new(lvl));
    e.write_all(b).unwrap();
    e.finish().unwrap()
}

fn pack(b: Vec<u8>, spans: u64, c: &Cfg) -> Req {
    let raw_len = b.len() as u32;
    let mut body = match c.gzip {
        Some(l) => gz(&b, l),
        None => b,
    };
    if c.mode == Mode::Grpc {
        let mut framed = vec![c.gzip.is_some() as u8];
        framed.extend_from_slice(&(body.len() as u32).to_be_bytes());
        framed.append(&mut body);
        body = framed;
    }
    Req { body: Bytes::from(body), spans: spans as u32, raw_len }
}

pub fn hex(b: &[u8]) -> String {
    let mut s = String::with_capacity(b.len() * 2);
    for x in b {
        s.push(char::from_digit((x >> 4) as u32, 16).unwrap());
        s.push(char::from_digit((x & 15) as u32, 16).unwrap());
    }
    s
}
