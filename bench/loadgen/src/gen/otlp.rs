//! Spans as OpenTelemetry has them.

use super::trace::{span_names, Trace, AGENTS, MODELS, ROUTES, TOOLS};
use super::{Cfg, Dialect};
use crate::otlp::*;

pub(super) fn resource(c: &Cfg) -> Resource {
    let mut a = vec![
        kv("service.name", s(c.service.clone())),
        kv("service.version", s("1.4.2")),
        kv("deployment.environment.name", s("production")),
        kv("telemetry.sdk.language", s("python")),
        kv("telemetry.sdk.name", s("opentelemetry")),
        kv("telemetry.sdk.version", s("1.38.0")),
        kv("host.name", s("web-03")),
    ];
    if let Some(p) = &c.project_attr {
        a.push(kv("openinference.project.name", s(p.clone())));
    }
    Resource { attributes: a }
}

pub fn otlp_span(t: &Trace, k: usize, dia: Dialect) -> Span {
    let gen = dia != Dialect::OpenInference;
    let oi = dia != Dialect::GenAi;
    let mut a: Vec<KeyValue> = Vec::with_capacity(24);
    let sess = format!("sess-{:06}", t.session);
    a.push(kv("session.id", s(sess.clone())));
    a.push(kv("user.id", s(format!("user-{:04}", t.user))));
    match k {
        0 => {
            if gen {
                a.push(kv("gen_ai.operation.name", s("retrieval")));
                a.push(kv("gen_ai.data_source.id", s("kb-main")));
                a.push(kv("gen_ai.retrieval.query.text", s(t.query.clone())));
                a.push(kv("gen_ai.retrieval.documents", s(t.docs.clone())));
            }
            if oi {
                a.push(kv("openinference.span.kind", s("RETRIEVER")));
                a.push(kv("input.value", s(t.query.clone())));
                a.push(kv("output.value", s(t.docs.clone())));
                a.push(kv("output.mime_type", s("application/json")));
            }
        }
        1 | 3 => {
            let l = &t.llm[if k == 1 { 0 } else { 1 }];
            let (m, p, _, _) = MODELS[l.model];
            if gen {
                a.push(kv("gen_ai.operation.name", s("chat")));
                a.push(kv("gen_ai.provider.name", s(p)));
                a.push(kv("gen_ai.system", s(p)));
                a.push(kv("gen_ai.request.model", s(m)));
                a.push(kv("gen_ai.response.model", s(m)));
                a.push(kv("gen_ai.response.id", s(l.resp_id.clone())));
                a.push(kv("gen_ai.response.finish_reasons", arr(vec![s("stop")])));
                a.push(kv("gen_ai.request.temperature", d(0.2)));
                a.push(kv("gen_ai.request.max_tokens", i(1024)));
                a.push(kv("gen_ai.usage.input_tokens", i(l.tok_in as i64)));
                a.push(kv("gen_ai.usage.output_tokens", i(l.tok_out as i64)));
                a.push(kv("gen_ai.conversation.id", s(sess)));
                a.push(kv("gen_ai.input.messages", s(l.input.clone())));
                a.push(kv("gen_ai.output.messages", s(l.output.clone())));
            }
            if oi {
                a.push(kv("openinference.span.kind", s("LLM")));
                a.push(kv("llm.model_name", s(m)));
                a.push(kv("llm.provider", s(p)));
                a.push(kv("llm.system", s(p)));
                a.push(kv("llm.invocation_parameters", s(r#"{"temperature":0.2,"max_tokens":1024}"#)));
                a.push(kv("llm.token_count.prompt", i(l.tok_in as i64)));
                a.push(kv("llm.token_count.completion", i(l.tok_out as i64)));
                a.push(kv("llm.token_count.total", i((l.tok_in + l.tok_out) as i64)));
                a.push(kv("input.value", s(l.input.clone())));
                a.push(kv("input.mime_type", s("application/json")));
                a.push(kv("output.value", s(l.output.clone())));
                a.push(kv("output.mime_type", s("application/json")));
            }
            a.push(kv("server.address", s("api.example.com")));
            a.push(kv("server.port", i(443)));
        }
        2 => {
            if gen {
                a.push(kv("gen_ai.operation.name", s("execute_tool")));
                a.push(kv("gen_ai.tool.name", s(TOOLS[t.tool])));
                a.push(kv("gen_ai.tool.type", s("function")));
                a.push(kv("gen_ai.tool.call.arguments", s(t.tool_args.clone())));
                a.push(kv("gen_ai.tool.call.result", s(t.tool_out.clone())));
            }
            if oi {
                a.push(kv("openinference.span.kind", s("TOOL")));
                a.push(kv("tool.name", s(TOOLS[t.tool])));
                a.push(kv("input.value", s(t.tool_args.clone())));
                a.push(kv("output.value", s(t.tool_out.clone())));
            }
        }
        4 => {
            if gen {
                a.push(kv("gen_ai.operation.name", s("invoke_agent")));
                a.push(kv("gen_ai.agent.name", s(AGENTS[t.route % 4])));
                a.push(kv("gen_ai.agent.id", s(format!("asst_{}", t.route % 4))));
                a.push(kv("gen_ai.conversation.id", s(sess)));
            }
            if oi {
                a.push(kv("openinference.span.kind", s("AGENT")));
                a.push(kv("input.value", s(t.query.clone())));
            }
        }
        _ => {
            if oi {
                a.push(kv("openinference.span.kind", s("CHAIN")));
                a.push(kv("input.value", s(t.query.clone())));
            }
            a.push(kv("http.request.method", s("POST")));
            a.push(kv("http.route", s(&ROUTES[t.route][5..])));
            a.push(kv("http.response.status_code", i(if t.failed { 500 } else { 200 })));
            a.push(kv("url.scheme", s("https")));
            a.push(kv("network.protocol.version", s("1.1")));
        }
    }
    let err = t.failed && (k == 3 || k == 5);
    Span {
        trace_id: t.id.to_vec(),
        span_id: t.sid[k].to_vec(),
        parent_span_id: if t.parent[k] == usize::MAX { vec![] } else { t.sid[t.parent[k]].to_vec() },
        name: span_names(t)[k].clone(),
        kind: match k {
            5 => 2,
            1 | 3 => 3,
            _ => 1,
        },
        start_time_unix_nano: t.start[k],
        end_time_unix_nano: t.end[k],
        attributes: a,
        status: Some(if err {
            Status { message: "RateLimitError: 429 too many requests".into(), code: 2 }
        } else {
            Status { message: String::new(), code: 0 }
        }),
        flags: 0x101,
        ..Default::default()
    }
}
