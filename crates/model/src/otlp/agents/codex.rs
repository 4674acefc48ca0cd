//! Codex CLI. The end of a call is logged twice, once with token counts. Requests are logged when the headers of the response arrive, so a
//! request is counted as a call only if it failed. Traces contain internals of the program and repeat the data of the log records.

use super::{AgentEventRole, AgentFamily};
use crate::normalize::attribute_names::{AttributeDialect, SpanField};
use crate::usage::TokenCountConvention;

pub(super) const FAMILY: AgentFamily = AgentFamily {
    prefix: "codex.",
    scope: "codex_otel",
    event_roles: &[
        ("codex.user_prompt", AgentEventRole::Prompt),
        ("codex.sse_event response.completed", AgentEventRole::CountedCall),
        ("codex.sse_event response.failed", AgentEventRole::FailedCall),
        ("codex.sse_event", AgentEventRole::Ignored),
        ("codex.websocket_event", AgentEventRole::Ignored),
        ("codex.websocket_request", AgentEventRole::Ignored),
        ("codex.websocket_connect", AgentEventRole::Ignored),
        ("codex.startup_phase", AgentEventRole::Ignored),
        ("codex.turn_ttft", AgentEventRole::Ignored),
        ("codex.conversation_starts", AgentEventRole::Step),
        ("codex.api_request", AgentEventRole::Attempt),
        ("codex.tool_decision", AgentEventRole::Step),
        ("codex.tool_result", AgentEventRole::Tool),
    ],
    other_role: AgentEventRole::Step,
    dialect: AttributeDialect {
        names: &[
            ("model", Some(SpanField::RequestModel)),
            ("input_token_count", Some(SpanField::InputTokens)),
            ("output_token_count", Some(SpanField::OutputTokens)),
            ("cached_token_count", Some(SpanField::CacheRead)),
            ("cache_write_token_count", Some(SpanField::CacheWrite)),
            ("reasoning_token_count", Some(SpanField::Reasoning)),
            // Total tokens and not tokens of tools, despite the name.
            ("tool_token_count", Some(SpanField::TotalTokens)),
            ("ttft_ms", Some(SpanField::FirstTokenMillis)),
            ("prompt", Some(SpanField::Input)),
            ("tool_name", Some(SpanField::Tool)),
            ("call_id", Some(SpanField::ToolCallId)),
            ("arguments", Some(SpanField::ToolArguments)),
            ("output", Some(SpanField::ToolResult)),
            ("success", Some(SpanField::Success)),
            ("error.message", Some(SpanField::StatusMessage)),
            ("user.email", Some(SpanField::User)),
            ("user.account_id", Some(SpanField::User)),
            // Position in a tree of agents, whose root is `/root`.
            ("agent_name", None),
            ("env", Some(SpanField::Environment)),
        ],
        input: TokenCountConvention::Inclusive,
        output: TokenCountConvention::Inclusive,
    },
    prompt_id: None,
    // If its traces are enabled, some records are written in spans of internals, and those of its calls in none.
    is_one_trace: false,
    turn_span_name: "codex.session",
};
