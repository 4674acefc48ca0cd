//! Envelopes as Sentry's SDK for Python sends them.

use serde_json::{json, Map, Value};

use super::trace::{span_names, Trace, AGENTS, MODELS, ROUTES, TOOLS};
use super::vocab::Vocab;
use super::{hex, Cfg};
use crate::rng::Rng;

const OPS: [&str; 6] = ["db.query", "gen_ai.chat", "gen_ai.execute_tool", "gen_ai.chat", "gen_ai.invoke_agent", "http.server"];

fn sentry_data(t: &Trace, k: usize) -> Map<String, Value> {
    let mut m = Map::new();
    m.insert("thread.id".into(), json!("140682484382592"));
    m.insert("thread.name".into(), json!("MainThread"));
    match k {
        0 => {
            m.insert("db.system".into(), json!("pgvector"));
            m.insert("db.query.text".into(), json!("SELECT id, content FROM docs ORDER BY emb <=> %s LIMIT 2"));
            m.insert("server.address".into(), json!("db-01"));
        }
        1 | 3 => {
            let l = &t.llm[if k == 1 { 0 } else { 1 }];
            let (model, p, _, _) = MODELS[l.model];
            m.insert("gen_ai.operation.name".into(), json!("chat"));
            m.insert("gen_ai.system".into(), json!(p));
            m.insert("gen_ai.request.model".into(), json!(model));
            m.insert("gen_ai.response.model".into(), json!(model));
            m.insert("gen_ai.response.id".into(), json!(l.resp_id));
            m.insert("gen_ai.request.temperature".into(), json!(0.2));
            m.insert("gen_ai.request.max_tokens".into(), json!(1024));
            m.insert("gen_ai.usage.input_tokens".into(), json!(l.tok_in));
            m.insert("gen_ai.usage.output_tokens".into(), json!(l.tok_out));
            m.insert("gen_ai.usage.total_tokens".into(), json!(l.tok_in + l.tok_out));
            m.insert("gen_ai.conversation.id".into(), json!(format!("sess-{:06}", t.session)));
            m.insert("gen_ai.request.messages".into(), json!(l.input));
            m.insert("gen_ai.response.text".into(), json!(l.output));
        }
        2 => {
            m.insert("gen_ai.operation.name".into(), json!("execute_tool"));
            m.insert("gen_ai.tool.name".into(), json!(TOOLS[t.tool]));
            m.insert("gen_ai.tool.input".into(), json!(t.tool_args));
            m.insert("gen_ai.tool.output".into(), json!(t.tool_out));
        }
        4 => {
            m.insert("gen_ai.operation.name".into(), json!("invoke_agent"));
            m.insert("gen_ai.agent.name".into(), json!(AGENTS[t.route % 4]));
            m.insert("gen_ai.conversation.id".into(), json!(format!("sess-{:06}", t.session)));
        }
        _ => {
            m.insert("http.response.status_code".into(), json!(if t.failed { 500 } else { 200 }));
        }
    }
    m
}

/// One sentry-python envelope: a transaction that is span `root` of the first trace, and below it these spans, each by its trace and
/// its place there. All are of the first trace: what was the root of another is a step of this one. The current SDK (2.75,
/// stream_gen_ai_spans on by default) takes the gen_ai.* children out of the transaction and sends them as one `span` item of version 2
/// in the same envelope; with inline=true it is the older shape, every child in the transaction's `spans`.
pub fn envelope_tx(ts: &[Trace], root: usize, children: &[(usize, usize)], c: &Cfg, inline: bool) -> Vec<u8> {
    let first = &ts[0];
    let tid = hex(&first.id);
    let title = span_names(first)[root].clone();
    let user = format!("user-{:04}", first.user);
    let seg = hex(&first.sid[root]);
    let mut r = Rng::new(u64::from_le_bytes(first.sid[if root == 5 { 0 } else { root }]));
    let eid = hex(&r.bytes::<16>());
    let status = |t: &Trace, k: usize| if t.failed && (k == 3 || k == 5) { "internal_error" } else { "ok" };
    let parent = |t: &Trace, k: usize| hex(if t.parent[k] == usize::MAX { &first.sid[5] } else { &t.sid[t.parent[k]] });
    let (mut spans, mut items) = (vec![], vec![]);
    for (of, k) in children {
        let (t, k) = (&ts[*of], *k);
        let name = &span_names(t)[k];
        let st = status(t, k);
        if inline || !OPS[k].starts_with("gen_ai") {
            spans.push(json!({"trace_id":tid,"span_id":hex(&t.sid[k]),"parent_span_id":parent(t, k),"same_process_as_parent":true,
                "op":OPS[k],"description":name,"start_timestamp":iso(t.start[k]),"timestamp":iso(t.end[k]),"status":st,"origin":"auto.ai.openai",
                "data":sentry_data(t,k)}));
        } else {
            let mut at = Map::new();
            let ty = |v: &Value| match v {
                Value::String(_) => "string",
                Value::Bool(_) => "boolean",
                Value::Number(n) if n.is_f64() => "double",
                _ => "integer",
            };
            at.insert("sentry.op".into(), json!({"value":OPS[k],"type":"string"}));
            at.insert("sentry.origin".into(), json!({"value":"auto.ai.openai","type":"string"}));
            for (kk, v) in sentry_data(t, k) {
                let tt = ty(&v);
                at.insert(kk, json!({"value":v,"type":tt}));
            }
            for (kk, v) in [
                ("user.id", user.as_str()),
                ("sentry.release", "shop@1.4.2"),
                ("sentry.environment", "production"),
                ("server.address", "web-03"),
                ("sentry.segment.name", title.as_str()),
                ("sentry.segment.id", seg.as_str()),
                ("sentry.sdk.name", "sentry.python"),
                ("sentry.sdk.version", "2.75.0"),
                ("process.runtime.name", "CPython"),
                ("process.runtime.version", "3.11.7"),
            ] {
                at.insert(kk.into(), json!({"value":v,"type":"string"}));
            }
            items.push(
                json!({"status":if st=="ok" {"ok"} else {"error"},"is_segment":false,"trace_id":tid,"span_id":hex(&t.sid[k]),"name":name,
                "start_timestamp":t.start[k] as f64/1e9,"end_timestamp":t.end[k] as f64/1e9,"parent_span_id":parent(t, k),"attributes":at}),
            );
        }
    }
    let (t, above) = (first, (root != 5).then(|| parent(first, root)));
    let ev = json!({"type":"transaction","transaction":title,"transaction_info":{"source":"route"},
        "contexts":{"trace":{"trace_id":tid,"span_id":seg,"parent_span_id":above,"op":OPS[root],"description":null,"origin":"auto.http.starlette",
            "status":status(t, root),"data":sentry_data(t,root)},"runtime":runtime()},
        "tags":{"tier":"pro"},"timestamp":iso(t.end[root]),"start_timestamp":iso(t.start[root]),"spans":spans,"measurements":{},"event_id":eid,
        "user":{"id":user},"extra":{"sys.argv":["serve.py"]},"request":{"url":"https://shop.example.com/chat","method":"POST","headers":{"host":"shop.example.com","user-agent":"Mozilla/5.0","accept":"*/*"}},
        "release":"shop@1.4.2","environment":"production","server_name":"web-03","sdk":sdk(),"platform":"python"})
    .to_string();
    let head = json!({"event_id":eid,"sent_at":sent_now(),"trace":{"trace_id":tid,"sample_rand":"0.177845","environment":"production","release":"shop@1.4.2",
        "public_key":c.public_key,"transaction":title,"sample_rate":"1.0","sampled":"true"}}).to_string();
    let mut o = Vec::with_capacity(ev.len() + 8000);
    o.extend_from_slice(head.as_bytes());
    o.extend_from_slice(
        format!("\n{{\"type\":\"transaction\",\"content_type\":\"application/json\",\"length\":{}}}\n", ev.len()).as_bytes(),
    );
    o.extend_from_slice(ev.as_bytes());
    o.push(b'\n');
    if !items.is_empty() {
        let it = json!({"version":2,"items":items}).to_string();
        o.extend_from_slice(
            format!(
                "{{\"item_count\":{},\"type\":\"span\",\"content_type\":\"application/vnd.sentry.items.span.v2+json\",\"length\":{}}}\n",
                items.len(),
                it.len()
            )
            .as_bytes(),
        );
        o.extend_from_slice(it.as_bytes());
        o.push(b'\n');
    }
    o
}

const ETYPES: [&str; 8] = [
    "RateLimitError",
    "TimeoutError",
    "ValueError",
    "KeyError",
    "ValidationError",
    "ConnectionError",
    "ContextLengthExceeded",
    "ToolExecutionError",
];

/// An error event as sentry-python sends it: 12 frames with source context and a few locals.
pub fn envelope_err(v: &Vocab, c: &Cfg, idx: u64, n: u64) -> Vec<u8> {
    let mut r = Rng::new(c.seed.wrapping_mul(0x1000_0001).wrapping_add(idx) ^ 0xE44_0000_0000_0000);
    let eid = hex(&r.bytes::<16>());
    let tid = hex(&r.bytes::<16>());
    let ts = (c.t_end - c.spread_s) * 1_000_000_000 + ((c.spread_s as u128 * 1_000_000_000 * idx as u128) / n.max(1) as u128) as u64;
    let group = r.below(64); // 64 issues
    let mut g = Rng::new(group);
    let frames: Vec<Value> = (0..12)
        .map(|k| {
            let ln = 10 + g.below(400);
            let l = |g: &mut Rng, n: u64| (0..n).map(|_| format!("    {}", v.text(g, 34))).collect::<Vec<_>>();
            let file = ["app/api.py", "app/agents/run.py", "app/llm/client.py", "site-packages/openai/_base_client.py", "site-packages/starlette/routing.py"][(k + group as usize) % 5];
            json!({"filename":file,"abs_path":format!("/srv/{file}"),"function":format!("fn_{}_{}",group,k),"module":file.replace('/',".").trim_end_matches(".py"),
                "lineno":ln,"pre_context":l(&mut g,5),"context_line":format!("    return {}",v.text(&mut g,28)),"post_context":l(&mut g,5),
                "vars":{"self":format!("<Client object at 0x{:012x}>",r.next()>>16),"attempt":"2","prompt":format!("'{}'",v.text(&mut r,60))},"in_app":k%3!=2})
        })
        .collect();
    let et = ETYPES[(group % 8) as usize];
    let ev = json!({"level":"error","exception":{"values":[{"mechanism":{"type":"starlette","handled":false},"module":"app.errors","type":et,
        "value":format!("{et} while calling {}: {}",MODELS[(group%5) as usize].0,v.text(&mut g,40)),"stacktrace":{"frames":frames}}]},
        "event_id":eid,"timestamp":iso(ts),"contexts":{"trace":{"trace_id":tid,"span_id":hex(&r.bytes::<8>()),"parent_span_id":null},"runtime":runtime()},
        "user":{"id":format!("user-{:04}",r.below(500))},"transaction":ROUTES[(group%6) as usize],"transaction_info":{"source":"route"},
        "breadcrumbs":{"values":[{"ty":"log","level":"info","category":"httpx","message":"HTTP Request: POST /v1/chat/completions 429","timestamp":iso(ts-1_000_000)}]},
        "extra":{"sys.argv":["serve.py"]},
        "modules":{"urllib3":"2.8.0","pydantic_core":"2.50.4","annotated-types":"0.8.0","pip":"23.2.1","setuptools":"65.5.0","sentry-sdk":"2.75.0","sniffio":"1.3.1","pydantic":"2.14.3","idna":"3.20","certifi":"2026.10.18","openai":"3.54.0","anyio":"4.16.0","h11":"0.16.0","typing_extensions":"4.16.0","jiter":"0.19.0","starlette":"1.2.0","fastapi":"0.140.0"},
        "request":{"url":"https://shop.example.com/chat","method":"POST","headers":{"host":"shop.example.com","user-agent":"Mozilla/5.0","accept":"*/*"}},
        "release":"shop@1.4.2","environment":"production","server_name":"web-03","sdk":sdk(),"platform":"python"}).to_string();
    let head = json!({"event_id":eid,"sent_at":sent_now(),"trace":{"trace_id":tid,"environment":"production","release":"shop@1.4.2","public_key":c.public_key,"sample_rate":"1.0"}}).to_string();
    let mut o = Vec::with_capacity(ev.len() + 512);
    o.extend_from_slice(head.as_bytes());
    o.extend_from_slice(format!("\n{{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":{}}}\n", ev.len()).as_bytes());
    o.extend_from_slice(ev.as_bytes());
    o.push(b'\n');
    o
}

fn sdk() -> Value {
    json!({"name":"sentry.python","version":"2.75.0","packages":[{"name":"pypi:sentry-sdk","version":"2.75.0"}],
        "integrations":["argv","atexit","dedupe","excepthook","fastapi","httpx2","logging","modules","openai","starlette","stdlib","threading"]})
}

fn runtime() -> Value {
    json!({"name":"CPython","version":"3.11.7","build":"3.11.7 (main, May  9 2026, 07:35:25) [GCC 12.2.0]"})
}

/// The time of sending. Spans may lie days back (`--t-end`, `--spread-s`): a `sent_at` as old as they are would look like a wrong clock.
fn sent_now() -> String {
    iso(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64)
}

fn iso(ns: u64) -> String {
    // civil-from-days, good for any date of interest
    let secs = ns / 1_000_000_000;
    let (days, sod) = (secs / 86400, secs % 86400);
    let z = days as i64 + 719468;
    let era = z.div_euclid(146097);
    let doe = z.rem_euclid(146097);
    let yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let d = doy - (153 * mp + 2) / 5 + 1;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    let y = yoe + era * 400 + (m <= 2) as i64;
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}.{:06}Z", sod / 3600, sod / 60 % 60, sod % 60, ns % 1_000_000_000 / 1000)
}
