//! Codex CLI. The end of a call is logged twice, once with token counts; requests are logged when their headers come, so that they are
//! no calls unless they failed. Its traces are the insides of the program and repeat what the records tell.

use super::{Family, Role};
use crate::names::{Dialect, Field};
use crate::usage::Convention;

pub(super) const FAMILY: Family = Family {
    prefix: "codex.",
    scope: "codex_otel",
    steps: &[
        ("codex.user_prompt", Role::Prompt),
        ("codex.sse_event response.completed", Role::CountedCall),
        ("codex.sse_event response.failed", Role::FailedCall),
        ("codex.sse_event", Role::Ignored),
        ("codex.websocket_event", Role::Ignored),
        ("codex.websocket_request", Role::Ignored),
        ("codex.websocket_connect", Role::Ignored),
        ("codex.startup_phase", Role::Ignored),
        ("codex.turn_ttft", Role::Ignored),
        ("codex.conversation_starts", Role::Step),
        ("codex.api_request", Role::Attempt),
        ("codex.tool_decision", Role::Step),
        ("codex.tool_result", Role::Tool),
    ],
    others: Role::Step,
    dialect: Dialect {
        names: &[
            ("model", Some(Field::RequestModel)),
            ("input_token_count", Some(Field::InputTokens)),
            ("output_token_count", Some(Field::OutputTokens)),
            ("cached_token_count", Some(Field::CacheRead)),
            ("cache_write_token_count", Some(Field::CacheWrite)),
            ("reasoning_token_count", Some(Field::Reasoning)),
            // Not tokens of tools, whatever its name.
            ("tool_token_count", Some(Field::TotalTokens)),
            ("ttft_ms", Some(Field::FirstTokenMillis)),
            ("prompt", Some(Field::Input)),
            ("tool_name", Some(Field::Tool)),
            ("call_id", Some(Field::ToolCallId)),
            ("arguments", Some(Field::ToolArguments)),
            ("output", Some(Field::ToolResult)),
            ("success", Some(Field::Success)),
            ("error.message", Some(Field::StatusMessage)),
            ("user.email", Some(Field::User)),
            ("user.account_id", Some(Field::User)),
            // The place in a tree of agents, of which the first is called `/root`.
            ("agent_name", None),
            ("env", Some(Field::Environment)),
        ],
        input: Convention::Inclusive,
        output: Convention::Inclusive,
    },
    prompt_id: None,
    // With its traces on, some records are written in spans of its insides, and those of its calls in none.
    one_trace: false,
    turn: "codex.session",
};
