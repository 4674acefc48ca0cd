//! Gemini CLI. A call is a record and a span; only the record has all tokens. Each span of a call or a tool is a trace of its own, so
//! that the records of a prompt stand together apart from them.

use super::{Family, Role};
use crate::names::{Dialect, Field};
use crate::usage::Convention;

pub(super) const FAMILY: Family = Family {
    prefix: "gemini_cli.",
    scope: "gemini-cli",
    steps: &[
        ("gemini_cli.user_prompt", Role::Prompt),
        ("gemini_cli.api_response", Role::Call),
        ("gemini_cli.api_error", Role::FailedCall),
        ("gemini_cli.api_request", Role::Step),
        ("gemini_cli.tool_call", Role::Tool),
        ("gemini_cli.config", Role::Ignored),
        ("gemini_cli.startup_stats", Role::Ignored),
        ("gemini_cli.extension_install", Role::Ignored),
        ("gemini_cli.extension_uninstall", Role::Ignored),
        ("gemini_cli.extension_enable", Role::Ignored),
        ("gemini_cli.extension_disable", Role::Ignored),
        ("gemini_cli.extension_update", Role::Ignored),
        ("gemini_cli.ide_connection", Role::Ignored),
        // Spans
        ("llm_call", Role::Repeat),
        ("tool_call", Role::Tool),
        ("schedule_tool_calls", Role::Step),
    ],
    others: Role::Step,
    dialect: Dialect {
        names: &[
            ("model", Some(Field::RequestModel)),
            ("input_token_count", Some(Field::InputTokens)),
            ("output_token_count", Some(Field::OutputTokens)),
            ("cached_content_token_count", Some(Field::CacheRead)),
            ("thoughts_token_count", Some(Field::Reasoning)),
            ("total_token_count", Some(Field::TotalTokens)),
            ("finish_reasons", Some(Field::FinishReasons)),
            ("prompt", Some(Field::Input)),
            ("request_text", Some(Field::Input)),
            ("response_text", Some(Field::Output)),
            ("function_name", Some(Field::Tool)),
            ("function_args", Some(Field::ToolArguments)),
            ("success", Some(Field::Success)),
            ("error", Some(Field::StatusMessage)),
            ("error_type", Some(Field::ErrorType)),
            ("status_code", Some(Field::HttpStatus)),
            ("gen_ai.tool.call_id", Some(Field::ToolCallId)),
            // One turn of the user, and no template of prompts as elsewhere.
            ("gen_ai.prompt.name", None),
            // The version of Node.
            ("service.version", None),
            ("user.email", Some(Field::User)),
        ],
        // As Google counts: cached input is in the input, thoughts stand beside the output.
        input: Convention::Inclusive,
        output: Convention::Exclusive,
    },
    prompt_id: Some("prompt_id"),
    one_trace: false,
    turn: "gemini_cli.prompt",
};
