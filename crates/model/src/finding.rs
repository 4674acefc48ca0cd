//! Findings: the kind, severity, spans and explanation of what a signal found.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::SpanId;
use crate::money::Usd;
use crate::names;

names!(
    /// Detector that makes findings.
    FindingDetector {
        /// Signals of runs: faults that the spans of a run show.
        Signal = "signal",
    }
);

names!(
    /// Kind of a finding of the detector `signal`.
    FindingKind {
        /// The same tool call was repeated without a new result.
        ToolLoop = "tool_loop",
        /// Two agents handed over to each other again and again without new work.
        AgentPingPong = "agent_ping_pong",
        /// A tool failed, and the final answer does not mention the failure.
        ToolErrorIgnored = "tool_error_ignored",
        /// The same call failed many times.
        RetryStorm = "retry_storm",
        /// The last answer ended at a length limit.
        AnswerTruncated = "answer_truncated",
        /// The last answer has no content.
        AnswerEmpty = "answer_empty",
        /// The user asked the same question again.
        QuestionRepeated = "question_repeated",
        /// The model called a tool that its request did not offer.
        UnknownTool = "unknown_tool",
        /// The arguments of a tool call are invalid.
        BadToolArguments = "bad_tool_arguments",
        /// The run ended at a stated limit without an answer.
        RunLimit = "run_limit",
        /// The input of successive calls of one agent grew until it filled most of the context window.
        ContextGrowth = "context_growth",
        /// The answer is in another language than the last message of the user.
        WrongLanguage = "wrong_language",
        /// The final answer declines the whole request.
        Refusal = "refusal",
    }
);

names!(
    /// Severity of a finding. Later values are more severe.
    FindingSeverity {
        /// Worth knowing; often not a fault of the program.
        Info = "info",
        /// A fault that costs money or quality.
        Warning = "warning",
        /// The run did not do what it was started for.
        Critical = "critical",
    }
);

/// What a signal found in a trace or a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalFinding {
    /// Detector that made the finding.
    pub detector: FindingDetector,
    /// Kind of the finding.
    pub kind: FindingKind,
    /// Severity of the finding.
    pub severity: FindingSeverity,
    /// Confidence from 0 to 1. It orders findings and is not a calibrated probability.
    pub confidence: f64,
    /// IDs of the spans that triggered the finding, in order of time; at most [`SignalFinding::MAX_SPAN_IDS`], the first and the last ones.
    pub span_ids: Vec<SpanId>,
    /// LLM calls that the fault repeated without need. The wasted cost charges them to the finding. At most
    /// [`SignalFinding::MAX_WASTED_CALLS`] IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wasted_call_ids: Vec<SpanId>,
    /// Short excerpt of the text that shows the fault; it may contain text of users. At most [`SignalFinding::MAX_EVIDENCE_CHARACTERS`].
    pub evidence: Option<String>,
    /// Reason of the finding.
    pub explanation: FindingExplanation,
}

impl SignalFinding {
    /// Maximum number of span IDs of a finding.
    pub const MAX_SPAN_IDS: usize = 100;
    /// Maximum number of wasted calls of a finding.
    pub const MAX_WASTED_CALLS: usize = 10_000;
    /// Maximum number of characters of the evidence.
    pub const MAX_EVIDENCE_CHARACTERS: usize = 160;

    /// Returns a finding of a signal without evidence and wasted calls.
    pub fn new(severity: FindingSeverity, confidence: f64, mut span_ids: Vec<SpanId>, explanation: FindingExplanation) -> SignalFinding {
        if span_ids.len() > Self::MAX_SPAN_IDS {
            let half = Self::MAX_SPAN_IDS / 2;
            span_ids.drain(half..span_ids.len() - half);
        }
        let kind = explanation.kind();
        let (evidence, wasted_call_ids) = (None, Vec::new());
        SignalFinding { detector: FindingDetector::Signal, kind, severity, confidence, span_ids, wasted_call_ids, evidence, explanation }
    }

    /// Adds an excerpt of a text as evidence.
    pub fn with_evidence(mut self, text: &str) -> SignalFinding {
        let words = text[..text.floor_char_boundary(text.len().min(4 * Self::MAX_EVIDENCE_CHARACTERS))]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let mut excerpt: String = words.chars().take(Self::MAX_EVIDENCE_CHARACTERS).collect();
        if excerpt.len() < words.len() {
            excerpt.pop();
            excerpt.push('…');
        }
        self.evidence = (!excerpt.is_empty()).then_some(excerpt);
        self
    }

    /// Adds the LLM calls that the fault repeated.
    pub fn with_wasted_calls(mut self, mut calls: Vec<SpanId>) -> SignalFinding {
        calls.sort_unstable();
        calls.dedup();
        calls.truncate(Self::MAX_WASTED_CALLS);
        self.wasted_call_ids = calls;
        self
    }
}

/// What a detector or signal found.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Finding)]
pub struct FindingRecord {
    /// Detector that made the finding.
    pub detector: FindingDetector,
    /// Kind of the finding.
    pub kind: FindingKind,
    /// Severity of the finding.
    pub severity: FindingSeverity,
    /// Confidence from 0 to 1. It orders findings and is not a calibrated probability.
    pub confidence: f64,
    /// IDs of the spans that show the fault, in order of time: at most 100, the first and the last ones.
    pub span_ids: Vec<String>,
    /// Cost in US dollars that the fault wasted; each call is included in one finding.
    pub wasted_cost: f64,
    /// Short excerpt of the text that shows the fault; null if there is none, in lists, and if messages are hidden.
    #[schema(required)]
    pub evidence: Option<String>,
    /// Reason of the finding: one sentence in English.
    pub explanation: String,
    /// Reason of the finding as data.
    pub reason: FindingExplanation,
}

impl FindingRecord {
    /// Returns a finding of a signal as a record, with the cost that it wasted.
    pub fn of_signal(finding: SignalFinding, wasted_cost: Usd) -> FindingRecord {
        FindingRecord {
            detector: finding.detector,
            kind: finding.kind,
            severity: finding.severity,
            confidence: finding.confidence,
            span_ids: finding.span_ids.iter().map(ToString::to_string).collect(),
            wasted_cost: wasted_cost.dollars(),
            evidence: finding.evidence,
            explanation: finding.explanation.to_string(),
            reason: finding.explanation,
        }
    }
}

/// Way in which an answer was found to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TruncationSource {
    /// The finish reason.
    FinishReason,
    /// Output tokens equal to the limit of the request.
    TokenLimit,
}

/// Fault of the arguments of a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum ArgumentFault {
    /// The arguments are not valid JSON.
    InvalidJson,
    /// A required argument is missing.
    Missing {
        /// Path of the argument.
        argument: String,
    },
    /// An argument has another type than the schema of the tool allows.
    WrongType {
        /// Path of the argument.
        argument: String,
        /// Type in the schema.
        expected: String,
    },
    /// An argument is not among the values of the schema.
    NotAllowed {
        /// Path of the argument.
        argument: String,
    },
    /// The schema has no such argument.
    Unexpected {
        /// Path of the argument.
        argument: String,
    },
    /// The tool rejected the arguments.
    Rejected,
}

/// Limit at which a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunLimitKind {
    /// Turns of an agent.
    Turns,
    /// Iterations or steps.
    Iterations,
    /// Recursion of a graph.
    Recursion,
    /// Time.
    Time,
    /// A limit of requests, tool calls or tokens that the program set.
    Budget,
}

/// Reason of a finding: a code with its parameters, from which a sentence in any language can be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum FindingExplanation {
    /// The same tool call had the same result again and again.
    SameCallSameResult {
        /// Name of the tool.
        tool: String,
        /// Number of calls.
        calls: u64,
    },
    /// A tool failed in the same way with arguments that differ a little.
    SameFailure {
        /// Name of the tool.
        tool: String,
        /// Number of failed calls.
        calls: u64,
    },
    /// Two agents handed over to each other.
    PingPong {
        /// Agent that handed over first.
        first_agent: String,
        /// The other agent.
        second_agent: String,
        /// Number of handoffs in a row.
        handoffs: u64,
    },
    /// A tool failed, and the answer does not mention the failure.
    ErrorNotMentioned {
        /// Name of the tool.
        tool: String,
        /// Number of failed calls of the tool.
        failures: u64,
    },
    /// A model call failed many times.
    ModelRetries {
        /// Requested model, if known.
        #[schema(required)]
        model: Option<String>,
        /// Number of failed attempts.
        attempts: u64,
    },
    /// A tool call failed many times.
    ToolRetries {
        /// Name of the tool.
        tool: String,
        /// Number of failed attempts.
        attempts: u64,
    },
    /// The last answer ended at a length limit.
    Truncated {
        /// How the limit is known.
        source: TruncationSource,
        /// Output tokens, if known.
        #[schema(required)]
        output_tokens: Option<u64>,
    },
    /// The last answer has no content.
    Empty {
        /// Output tokens, if known.
        #[schema(required)]
        output_tokens: Option<u64>,
    },
    /// The user asked the same question again.
    AskedAgain {
        /// Number of user messages between the two questions, plus one.
        turns_later: u64,
        /// True if the words differ.
        reworded: bool,
    },
    /// The model called a tool that its request did not offer.
    NotOffered {
        /// Name of the tool.
        tool: String,
        /// Number of offered tools.
        offered: u64,
    },
    /// The arguments of a tool call are invalid.
    BadArguments {
        /// Name of the tool.
        tool: String,
        /// Fault of the arguments.
        #[serde(flatten)]
        fault: ArgumentFault,
        /// True if a later call of the tool succeeded.
        corrected: bool,
    },
    /// The run ended at a stated limit.
    LimitReached {
        /// Kind of the limit.
        limit: RunLimitKind,
        /// Number in the message, such as the maximum of turns, if there is one.
        #[schema(required)]
        maximum: Option<u64>,
    },
    /// The input of successive calls grew.
    Grew {
        /// Name of the agent, if known.
        #[schema(required)]
        agent: Option<String>,
        /// Input tokens of the first call.
        from_tokens: u64,
        /// Input tokens of the largest call.
        to_tokens: u64,
        /// Context window of the model in tokens, if known.
        #[schema(required)]
        window: Option<u64>,
    },
    /// The answer is in another language.
    OtherLanguage {
        /// Language of the user: ISO 639-3 code, or an ISO 15924 script code if only the script is known.
        asked: String,
        /// Language of the answer, in the same form.
        answered: String,
    },
    /// The answer declines the request.
    Declined {
        /// True if the finish reason reports the refusal; false if the words of the answer do.
        by_finish_reason: bool,
    },
}

impl FindingExplanation {
    /// Returns the kind of finding that the explanation belongs to.
    pub fn kind(&self) -> FindingKind {
        match self {
            FindingExplanation::SameCallSameResult { .. } | FindingExplanation::SameFailure { .. } => FindingKind::ToolLoop,
            FindingExplanation::PingPong { .. } => FindingKind::AgentPingPong,
            FindingExplanation::ErrorNotMentioned { .. } => FindingKind::ToolErrorIgnored,
            FindingExplanation::ModelRetries { .. } | FindingExplanation::ToolRetries { .. } => FindingKind::RetryStorm,
            FindingExplanation::Truncated { .. } => FindingKind::AnswerTruncated,
            FindingExplanation::Empty { .. } => FindingKind::AnswerEmpty,
            FindingExplanation::AskedAgain { .. } => FindingKind::QuestionRepeated,
            FindingExplanation::NotOffered { .. } => FindingKind::UnknownTool,
            FindingExplanation::BadArguments { .. } => FindingKind::BadToolArguments,
            FindingExplanation::LimitReached { .. } => FindingKind::RunLimit,
            FindingExplanation::Grew { .. } => FindingKind::ContextGrowth,
            FindingExplanation::OtherLanguage { .. } => FindingKind::WrongLanguage,
            FindingExplanation::Declined { .. } => FindingKind::Refusal,
        }
    }
}

impl fmt::Display for ArgumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArgumentFault::InvalidJson => f.write_str("that are not valid JSON"),
            ArgumentFault::Missing { argument } => write!(f, "without the required \"{argument}\""),
            ArgumentFault::WrongType { argument, expected } => write!(f, "in which \"{argument}\" is not of type {expected}"),
            ArgumentFault::NotAllowed { argument } => write!(f, "in which \"{argument}\" has a value that the schema does not allow"),
            ArgumentFault::Unexpected { argument } => write!(f, "with \"{argument}\", which the schema does not define"),
            ArgumentFault::Rejected => f.write_str("that the tool rejected as invalid"),
        }
    }
}

impl fmt::Display for RunLimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunLimitKind::Turns => "limit of turns",
            RunLimitKind::Iterations => "limit of iterations",
            RunLimitKind::Recursion => "recursion limit",
            RunLimitKind::Time => "time limit",
            RunLimitKind::Budget => "usage limit",
        })
    }
}

impl fmt::Display for FindingExplanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FindingExplanation::SameCallSameResult { tool, calls } => {
                write!(f, "The tool \"{tool}\" was called {calls} times with equal arguments and returned the same result.")
            }
            FindingExplanation::SameFailure { tool, calls } => {
                write!(f, "The tool \"{tool}\" failed {calls} times in the same way with similar arguments.")
            }
            FindingExplanation::PingPong { first_agent, second_agent, handoffs } => {
                write!(
                    f,
                    "The agents \"{first_agent}\" and \"{second_agent}\" handed over to each other {handoffs} times without new work."
                )
            }
            FindingExplanation::ErrorNotMentioned { tool, .. } => {
                write!(f, "The tool \"{tool}\" failed, and the final answer neither mentions the failure nor asks the user.")
            }
            FindingExplanation::ModelRetries { model: Some(model), attempts } => {
                write!(f, "The same call of the model \"{model}\" failed {attempts} times.")
            }
            FindingExplanation::ModelRetries { model: None, attempts } => write!(f, "The same model call failed {attempts} times."),
            FindingExplanation::ToolRetries { tool, attempts } => {
                write!(f, "The same call of the tool \"{tool}\" failed {attempts} times.")
            }
            FindingExplanation::Truncated { source: TruncationSource::FinishReason, .. } => {
                f.write_str("The last answer ended at a length limit and was not continued.")
            }
            FindingExplanation::Truncated { source: TruncationSource::TokenLimit, output_tokens } => {
                let tokens = output_tokens.unwrap_or_default();
                write!(f, "The last answer used all {tokens} output tokens that the request allowed and was not continued.")
            }
            FindingExplanation::Empty { .. } => f.write_str("The last answer has neither text nor a tool call nor other content."),
            FindingExplanation::AskedAgain { turns_later, reworded } => {
                let words = if *reworded { "in other words" } else { "in the same words" };
                write!(f, "The user asked the same question again {turns_later} turns later, {words}.")
            }
            FindingExplanation::NotOffered { tool, offered } => {
                write!(f, "The model called the tool \"{tool}\", which is not among the {offered} tools of its request.")
            }
            FindingExplanation::BadArguments { tool, fault, corrected } => {
                let later = if *corrected { "; a later call succeeded" } else { "" };
                write!(f, "The model called the tool \"{tool}\" with arguments {fault}{later}.")
            }
            FindingExplanation::LimitReached { limit, maximum: Some(maximum) } => {
                write!(f, "The run ended at its {limit} ({maximum}) without an answer.")
            }
            FindingExplanation::LimitReached { limit, maximum: None } => write!(f, "The run ended at its {limit} without an answer."),
            FindingExplanation::Grew { from_tokens, to_tokens, .. } => {
                write!(f, "The input of successive calls grew from {from_tokens} to {to_tokens} tokens.")
            }
            FindingExplanation::OtherLanguage { asked, answered } => {
                write!(f, "The user wrote in the language \"{asked}\", and the answer is in \"{answered}\".")
            }
            FindingExplanation::Declined { by_finish_reason: true } => f.write_str("The model reported that it declined the request."),
            FindingExplanation::Declined { by_finish_reason: false } => f.write_str("The final answer declines the request as a whole."),
        }
    }
}
