//! Fields that a rule can map, their types and units.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use utoipa::ToSchema;

use super::MappedValueProblem;
use crate::normalize::attribute_names::SpanField;
use crate::span::names;
use crate::usage;

/// A field that a rule can map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MappableField {
    /// Name of the field in the rule file.
    pub name: &'static str,
    /// Type of the value.
    pub value_type: MappedValueType,
    /// Field of the table of attribute names.
    pub(super) span_field: SpanField,
}

/// Type of a mapped value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MappedValueType {
    /// Text.
    Text,
    /// Messages: a text, an object or a list in any form that Hinomi reads.
    Messages,
    /// Number of tokens or other units.
    Count,
    /// Amount of money in US dollars.
    Amount,
    /// Duration in seconds.
    Duration,
    /// Truth value.
    Flag,
}

names!(
    /// Unit in which the client sends a value.
    MappedValueUnit {
        /// As it is: a count, US dollars, or seconds.
        Plain = "plain",
        /// A thousand units.
        Thousand = "thousand",
        /// A million units.
        Million = "million",
        /// A hundredth of a US dollar.
        Cent = "cent",
        /// A thousandth of a US dollar.
        Mill = "mill",
        /// A millionth of a US dollar.
        MicroDollar = "micro_usd",
        /// A billionth of a US dollar.
        NanoDollar = "nano_usd",
        /// A thousandth of a second.
        Millisecond = "ms",
        /// A millionth of a second.
        Microsecond = "us",
        /// A billionth of a second.
        Nanosecond = "ns",
    }
);

use MappedValueType::{Amount, Count, Duration, Flag, Messages, Text};

/// Fields that a rule can map, by their names in the rule file.
pub const MAPPABLE_FIELDS: &[MappableField] = &[
    field("operation", Text, SpanField::Operation),
    field("provider", Text, SpanField::Provider),
    field("request_model", Text, SpanField::RequestModel),
    field("response_model", Text, SpanField::ResponseModel),
    field("response_id", Text, SpanField::ResponseId),
    field("service_tier", Text, SpanField::ServiceTier),
    field("system_instructions", Messages, SpanField::System),
    field("input_messages", Messages, SpanField::Input),
    field("output_messages", Messages, SpanField::Output),
    field("embedding_input", Messages, SpanField::EmbeddingInput),
    field("tool_definitions", Messages, SpanField::ToolDefinitions),
    field("tool_arguments", Messages, SpanField::ToolArguments),
    field("tool_result", Messages, SpanField::ToolResult),
    field("retrieval_query", Messages, SpanField::RetrievalQuery),
    field("retrieval_documents", Messages, SpanField::RetrievalDocuments),
    field("usage.input_tokens", Count, SpanField::InputTokens),
    field("usage.output_tokens", Count, SpanField::OutputTokens),
    field("usage.total_tokens", Count, SpanField::TotalTokens),
    field("usage.cache_read_tokens", Count, SpanField::CacheRead),
    field("usage.cache_write_tokens", Count, SpanField::CacheWrite),
    field("usage.cache_write_1h_tokens", Count, SpanField::CacheWrite1h),
    field("usage.reasoning_tokens", Count, SpanField::Reasoning),
    field("usage.input_audio_tokens", Count, SpanField::InputAudio),
    field("usage.output_audio_tokens", Count, SpanField::OutputAudio),
    field("usage.input_image_tokens", Count, SpanField::InputImage),
    field("usage.output_image_tokens", Count, SpanField::OutputImage),
    field("usage.web_searches", Count, SpanField::WebSearches),
    field("usage.characters", Count, SpanField::Characters),
    field("usage.audio_seconds", Duration, SpanField::AudioSeconds),
    field("usage.rerank_units", Count, SpanField::RerankUnits),
    field("client_cost", Amount, SpanField::ClientCost),
    field("session_id", Text, SpanField::Session),
    field("user_id", Text, SpanField::User),
    field("environment", Text, SpanField::Environment),
    field("release", Text, SpanField::Release),
    field("service", Text, SpanField::Service),
    field("pipeline", Text, SpanField::Pipeline),
    field("agent", Text, SpanField::Agent),
    field("tool", Text, SpanField::Tool),
    field("tool_call_id", Text, SpanField::ToolCallId),
    field("prompt", Text, SpanField::Prompt),
    field("prompt_version", Text, SpanField::PromptVersion),
    field("finish_reasons", Messages, SpanField::FinishReasons),
    field("streaming", Flag, SpanField::Streaming),
    field("time_to_first_token", Duration, SpanField::FirstTokenSeconds),
    field("error_type", Text, SpanField::ErrorType),
    field("error_message", Text, SpanField::StatusMessage),
];

const fn field(name: &'static str, value_type: MappedValueType, span_field: SpanField) -> MappableField {
    MappableField { name, value_type, span_field }
}

impl MappableField {
    /// Returns the field with this name.
    pub(super) fn from_name(name: &str) -> Option<&'static MappableField> {
        MAPPABLE_FIELDS.iter().find(|field| field.name == name)
    }
}

impl MappedValueType {
    /// Returns the units in which a value of the type can be sent; the first is the default.
    pub const fn units(self) -> &'static [MappedValueUnit] {
        use MappedValueUnit::*;
        match self {
            Count => &[Plain, Thousand, Million],
            Amount => &[Plain, Cent, Mill, MicroDollar, NanoDollar],
            Duration => &[Plain, Millisecond, Microsecond, Nanosecond],
            Text | Messages | Flag => &[Plain],
        }
    }

    /// Converts a value as sent to the unit of the field.
    pub(super) fn convert(self, value: &Value, unit: MappedValueUnit) -> Result<Value, MappedValueProblem> {
        match self {
            Messages => Ok(value.clone()),
            Text => match value {
                Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(value.clone()),
                _ => Err(MappedValueProblem::NotText),
            },
            Flag => match value {
                Value::Bool(_) => Ok(value.clone()),
                Value::String(text) if matches!(&*text.to_ascii_lowercase(), "true" | "false") => Ok(value.clone()),
                _ => Err(MappedValueProblem::NotFlag),
            },
            Count => {
                let count = usage::whole_count(number(value)? * unit.factor()).ok_or(MappedValueProblem::NotCount)?;
                Ok(Value::from(count))
            }
            Amount | Duration => {
                let number = Some(number(value)? / unit.divisor()).filter(|number| *number >= 0.0);
                number.and_then(Number::from_f64).map(Value::Number).ok_or(MappedValueProblem::NotNumber)
            }
        }
    }
}

fn number(value: &Value) -> Result<f64, MappedValueProblem> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().trim_matches('"').parse().ok(),
        _ => None,
    }
    .filter(|number| number.is_finite())
    .ok_or(MappedValueProblem::NotNumber)
}

impl MappedValueUnit {
    /// Returns the number of units that one unit as sent is.
    const fn factor(self) -> f64 {
        match self {
            MappedValueUnit::Thousand => 1e3,
            MappedValueUnit::Million => 1e6,
            _ => 1.0,
        }
    }

    /// Returns the number of units as sent that are one unit of the field. Dividing is exact where multiplying by a fraction is not.
    const fn divisor(self) -> f64 {
        match self {
            MappedValueUnit::Cent => 1e2,
            MappedValueUnit::Mill | MappedValueUnit::Millisecond => 1e3,
            MappedValueUnit::MicroDollar | MappedValueUnit::Microsecond => 1e6,
            MappedValueUnit::NanoDollar | MappedValueUnit::Nanosecond => 1e9,
            _ => 1.0,
        }
    }
}
