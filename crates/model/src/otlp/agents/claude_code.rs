//! Claude Code. Its events have bare names in `event.name` and whole ones as the body; its traces (a beta) report the same calls once
//! more, with the same request ids.

use super::{Family, Role};
use crate::names::{Dialect, Field};
use crate::usage::Convention;

pub(super) const FAMILY: Family = Family {
    prefix: "claude_code.",
    scope: "com.anthropic.claude_code",
    steps: &[
        // Events
        ("claude_code.user_prompt", Role::Prompt),
        ("claude_code.assistant_response", Role::Answer),
        ("claude_code.api_request", Role::Call),
        ("claude_code.api_error", Role::FailedCall),
        ("claude_code.tool_result", Role::Tool),
        ("claude_code.tool_decision", Role::Step),
        ("claude_code.auth", Role::Ignored),
        ("claude_code.managed_settings_resolved", Role::Ignored),
        ("claude_code.plugin_installed", Role::Ignored),
        ("claude_code.plugin_loaded", Role::Ignored),
        ("claude_code.hook_registered", Role::Ignored),
        ("claude_code.hook_plugin_metrics", Role::Ignored),
        ("claude_code.feedback_survey", Role::Ignored),
        // Spans
        ("claude_code.interaction", Role::Agent),
        ("claude_code.llm_request", Role::Call),
        ("claude_code.tool", Role::Tool),
        // The part of the tool's span that is no waiting.
        ("claude_code.tool.execution", Role::Step),
        ("claude_code.tool.blocked_on_user", Role::Step),
        ("claude_code.hook", Role::Step),
    ],
    others: Role::Step,
    dialect: Dialect {
        names: &[
            ("model", Some(Field::RequestModel)),
            ("request_id", Some(Field::ResponseId)),
            ("input_tokens", Some(Field::InputTokens)),
            ("output_tokens", Some(Field::OutputTokens)),
            ("cache_read_tokens", Some(Field::CacheRead)),
            ("cache_creation_tokens", Some(Field::CacheWrite)),
            ("cache_creation_1h_tokens", Some(Field::CacheWrite1h)),
            // The account, where the developer is signed in; else `user.id` tells one installation from another.
            ("user.email", Some(Field::User)),
            ("ttft_ms", Some(Field::FirstTokenMillis)),
            ("stop_reason", Some(Field::FinishReasons)),
            ("prompt", Some(Field::Input)),
            ("user_prompt", Some(Field::Input)),
            ("response", Some(Field::Output)),
            ("tool_name", Some(Field::Tool)),
            ("tool_use_id", Some(Field::ToolCallId)),
            ("tool_input", Some(Field::ToolArguments)),
            ("tool_parameters", Some(Field::ToolArguments)),
            ("full_command", Some(Field::ToolArguments)),
            ("success", Some(Field::Success)),
            ("error", Some(Field::StatusMessage)),
            ("error_type", Some(Field::ErrorType)),
            ("status_code", Some(Field::HttpStatus)),
            // One turn of the user, and no template of prompts as elsewhere.
            ("prompt.id", None),
        ],
        // As Anthropic counts: cached input stands beside the input.
        input: Convention::Exclusive,
        output: Convention::Inclusive,
    },
    prompt_id: Some("prompt.id"),
    one_trace: true,
    turn: "claude_code.interaction",
};
