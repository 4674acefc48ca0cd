//! A trace of six spans, independent of how it is sent.

use serde_json::json;

use super::vocab::Vocab;
use super::Cfg;
use crate::rng::Rng;

pub const SPANS_PER_TRACE: u64 = 6;

pub const MODELS: [(&str, &str, f64, f64); 5] = [
    // name, provider, USD per million input tokens, per million output tokens
    ("gpt-4o", "openai", 2.5, 10.0),
    ("gpt-4o-mini", "openai", 0.15, 0.6),
    ("gpt-4.1", "openai", 2.0, 8.0),
    ("claude-sonnet-4-20250514", "anthropic", 3.0, 15.0),
    ("gemini-2.0-flash", "google", 0.1, 0.4),
];

/// A word that occurs in the input messages of the first LLM span of one trace in NEEDLE_EVERY.
pub const NEEDLE: &str = "zebrafishquokka";
pub const NEEDLE_EVERY: u64 = 1000;

pub const ROUTES: [&str; 6] =
    ["POST /chat", "POST /assist", "POST /summarise", "POST /tickets/{id}/reply", "POST /search", "POST /agents/run"];
pub const TOOLS: [&str; 8] =
    ["search_orders", "get_weather", "lookup_customer", "create_ticket", "run_sql", "send_email", "fetch_url", "calc_refund"];
pub const AGENTS: [&str; 4] = ["support-agent", "research-agent", "sales-agent", "ops-agent"];

pub struct Llm {
    pub model: usize,
    pub input: String,
    pub output: String,
    pub tok_in: u64,
    pub tok_out: u64,
    pub resp_id: String,
}

/// One generated trace, independent of the wire format.
pub struct Trace {
    pub id: [u8; 16],
    /// retriever, llm1, tool, llm2, agent, root: the order in which they end
    pub sid: [[u8; 8]; 6],
    pub parent: [usize; 6],
    pub start: [u64; 6],
    pub end: [u64; 6],
    pub user: u64,
    pub session: u64,
    pub failed: bool,
    pub llm: [Llm; 2],
    pub route: usize,
    pub tool: usize,
    pub tool_args: String,
    pub tool_out: String,
    pub query: String,
    pub docs: String,
}

pub fn trace(v: &Vocab, c: &Cfg, idx: u64, n: u64) -> Trace {
    let mut r = Rng::new(c.seed.wrapping_mul(0x1000_0001).wrapping_add(idx));
    let mut id = r.bytes::<16>();
    id[0] |= 1;
    let mut sid = [[0u8; 8]; 6];
    for s in sid.iter_mut() {
        *s = r.bytes::<8>();
        s[0] |= 1;
    }
    let base = (c.t_end - c.spread_s) * 1_000_000_000 + ((c.spread_s as u128 * 1_000_000_000 * idx as u128) / n.max(1) as u128) as u64;
    let ms = 1_000_000u64;
    let lat = |r: &mut Rng, lo: f64, sp: f64| -> u64 { ((lo + sp * (-(1.0 - r.f()).ln())) * 1e6) as u64 };
    let (d0, d1, d2, d3) = (lat(&mut r, 8.0, 30.0), lat(&mut r, 300.0, 900.0), lat(&mut r, 5.0, 80.0), lat(&mut r, 300.0, 1200.0));
    let root0 = base;
    let ag0 = root0 + 2 * ms;
    let r0 = ag0 + ms;
    let l1 = r0 + d0 + ms;
    let t0 = l1 + d1 + ms;
    let l2 = t0 + d2 + ms;
    let ae = l2 + d3 + ms;
    let user = r.below(500);
    let session = user * 20 + r.below(20);
    let mk = |k: u64, r: &mut Rng| -> Llm {
        let model = r.below(5) as usize;
        let sys = &v.systems[r.below(20) as usize];
        let mut usr = v.text(r, 900);
        if k == 0 && idx % NEEDLE_EVERY == 7 {
            usr = format!("{usr} {NEEDLE} ");
        }
        let input = json!([
            {"role":"system","parts":[{"type":"text","content":sys}]},
            {"role":"user","parts":[{"type":"text","content":usr}]}
        ])
        .to_string();
        let output = json!([{"role":"assistant","parts":[{"type":"text","content":v.text(r, 920)}],"finish_reason":"stop"}]).to_string();
        let tok_in = (input.len() / 4) as u64 + r.below(40);
        let tok_out = (output.len() / 4) as u64 + r.below(40);
        Llm { model, input, output, tok_in, tok_out, resp_id: format!("chatcmpl-{:016x}", r.next()) }
    };
    let llm = [mk(0, &mut r), mk(1, &mut r)];
    Trace {
        id,
        sid,
        parent: [4, 4, 4, 4, 5, usize::MAX],
        start: [r0, l1, t0, l2, ag0, root0],
        end: [r0 + d0, l1 + d1, t0 + d2, l2 + d3, ae, ae + ms],
        user,
        session,
        failed: r.below(50) == 0,
        llm,
        route: r.below(6) as usize,
        tool: r.below(8) as usize,
        tool_args: json!({"id": format!("ord-{:08x}", r.next() as u32), "limit": 5 + r.below(20), "q": v.text(&mut r, 40)}).to_string(),
        tool_out: json!({"rows":[v.text(&mut r, 60), v.text(&mut r, 60)],"ok":true}).to_string(),
        query: v.text(&mut r, 70),
        docs: json!([{"id": format!("doc-{}", r.below(5000)), "score": 0.91, "content": v.text(&mut r, 180)}, {"id": format!("doc-{}", r.below(5000)), "score": 0.87, "content": v.text(&mut r, 180)}]).to_string(),
    }
}

pub fn span_names(t: &Trace) -> [String; 6] {
    [
        "retrieve kb".into(),
        format!("chat {}", MODELS[t.llm[0].model].0),
        format!("execute_tool {}", TOOLS[t.tool]),
        format!("chat {}", MODELS[t.llm[1].model].0),
        format!("invoke_agent {}", AGENTS[t.route % 4]),
        ROUTES[t.route].into(),
    ]
}
