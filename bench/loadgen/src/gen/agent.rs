//! Conversations of agents, which repeat their history.

use serde_json::{json, Value};

use super::facts::{note_call, Facts};
use super::trace::{Llm, AGENTS, MODELS, TOOLS};
use super::vocab::Vocab;
use super::{hex, Cfg};
use crate::otlp::*;
use crate::rng::Rng;

/// Spans of an agent's run on average: 8 to 24 calls, a use of a tool after each but the last, the run itself.
pub(super) const SPANS_PER_RUN: u64 = 32;

/// The run of an agent: its calls each carry all that was said before, as the APIs of providers want it.
pub(super) fn agent_run(v: &Vocab, c: &Cfg, idx: u64, n: u64, f: &mut Facts) -> Vec<Span> {
    let mut r = Rng::new(c.seed.wrapping_mul(0x1000_0003).wrapping_add(idx));
    let mut trace_id = r.bytes::<16>();
    trace_id[0] |= 1;
    let root = r.bytes::<8>();
    let began = (c.t_end - c.spread_s) * 1_000_000_000 + ((c.spread_s as u128 * 1_000_000_000 * idx as u128) / n.max(1) as u128) as u64;
    let user = r.below(500);
    let session = user * 20 + r.below(20);
    let who = [kv("session.id", s(format!("sess-{session:06}"))), kv("user.id", s(format!("user-{user:04}")))];
    let agent = r.below(4) as usize;
    let model = r.below(5) as usize;
    let (m, p, _, _) = MODELS[model];
    let system: String = (0..5).map(|part| v.systems[(agent * 5 + part) % 20].as_str()).collect::<Vec<_>>().join("\n");
    let message = |role: &str, part: Value| json!({"role": role, "parts": [part]});
    let mut history = vec![
        message("system", json!({"type": "text", "content": system})),
        message("user", json!({"type": "text", "content": v.text(&mut r, 300)})),
    ];
    let calls = 8 + r.below(17);
    let mut at = began;
    let mut spans = vec![];
    let span = |id: [u8; 8], parent: Vec<u8>, name: String, kind, start, end, attributes| Span {
        trace_id: trace_id.to_vec(),
        span_id: id.to_vec(),
        parent_span_id: parent,
        name,
        kind,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        status: Some(Status { message: String::new(), code: 0 }),
        flags: 0x101,
        ..Default::default()
    };
    for call in 1..=calls {
        let tool = TOOLS[r.below(8) as usize];
        let arguments = json!({"path": format!("src/{:04x}.rs", r.below(65536)), "q": v.text(&mut r, 60)});
        let id = format!("call_{:012x}", r.next() >> 16);
        let part = match call < calls {
            true => json!({"type": "tool_call", "id": id, "name": tool, "arguments": arguments}),
            false => json!({"type": "text", "content": v.text(&mut r, 700)}),
        };
        let said = message("assistant", part);
        let input = Value::from(history.clone()).to_string();
        let output = json!([said]).to_string();
        let took = 400_000_000 + r.below(2_000_000_000);
        let l = Llm {
            model,
            tok_in: (input.len() / 4) as u64,
            tok_out: (output.len() / 4) as u64,
            input,
            output,
            resp_id: format!("resp_{:016x}", r.next()),
        };
        note_call(f, &l);
        let mut a = who.to_vec();
        a.extend([
            kv("gen_ai.operation.name", s("chat")),
            kv("gen_ai.provider.name", s(p)),
            kv("gen_ai.request.model", s(m)),
            kv("gen_ai.response.model", s(m)),
            kv("gen_ai.response.id", s(l.resp_id)),
            kv("gen_ai.usage.input_tokens", i(l.tok_in as i64)),
            kv("gen_ai.usage.output_tokens", i(l.tok_out as i64)),
            kv("gen_ai.input.messages", s(l.input)),
            kv("gen_ai.output.messages", s(l.output)),
        ]);
        spans.push(span(r.bytes::<8>(), root.to_vec(), format!("chat {m}"), 3, at, at + took, a));
        at += took + 1_000_000;
        history.push(said);
        if call < calls {
            let result = v.text(&mut r, 700);
            let took = 5_000_000 + r.below(300_000_000);
            let mut a = who.to_vec();
            a.extend([
                kv("gen_ai.operation.name", s("execute_tool")),
                kv("gen_ai.tool.name", s(tool)),
                kv("gen_ai.tool.call.id", s(id.clone())),
                kv("gen_ai.tool.call.arguments", s(arguments.to_string())),
                kv("gen_ai.tool.call.result", s(result.clone())),
            ]);
            spans.push(span(r.bytes::<8>(), root.to_vec(), format!("execute_tool {tool}"), 1, at, at + took, a));
            at += took + 1_000_000;
            history.push(message("tool", json!({"type": "tool_call_response", "id": id, "response": result})));
        }
    }
    let mut a = who.to_vec();
    a.extend([kv("gen_ai.operation.name", s("invoke_agent")), kv("gen_ai.agent.name", s(AGENTS[agent]))]);
    spans.push(span(root, vec![], format!("invoke_agent {}", AGENTS[agent]), 1, began, at, a));
    f.traces += 1;
    f.sessions.insert(session);
    f.last_trace_id = hex(&trace_id);
    spans
}
