//! Calls of models and tools, with the attributes that each instrumentation writes.

use serde_json::{Value, json};

use super::texts::{TextSlots, tokens};
use super::trace::{DemoSdk, DemoSpanIndex, DemoTrace};

/// A model as its provider serves it.
#[derive(Debug)]
pub(super) struct DemoModel {
    /// Requested model.
    pub(super) requested: &'static str,
    /// Answering model.
    pub(super) answering: &'static str,
    /// URL of the provider.
    host: &'static str,
    /// Time to the first token in milliseconds, and the speed from then on in tokens per second.
    first_ms: i64,
    speed: u64,
    /// Largest number of reasoning tokens before an answer.
    max_reasoning_tokens: i64,
    /// Smallest prompt that the provider caches, in tokens.
    cache_from: u64,
}

pub(super) const GPT_4O: DemoModel = openai("gpt-4o", "gpt-4o-2024-08-06", 520, 74, 0);
pub(super) const GPT_4O_MINI: DemoModel = openai("gpt-4o-mini", "gpt-4o-mini-2024-07-18", 390, 96, 0);
pub(super) const GPT_5_MINI: DemoModel = openai("gpt-5-mini", "gpt-5-mini-2025-08-07", 900, 118, 640);
pub(super) const GPT_3_5: DemoModel = openai("gpt-3.5-turbo", "gpt-3.5-turbo-0125", 340, 128, 0);
pub(super) const CLAUDE: DemoModel = DemoModel {
    requested: "claude-sonnet-4-5",
    answering: "claude-sonnet-4-5-20250929",
    host: "https://api.anthropic.com/v1/messages",
    first_ms: 900,
    speed: 78,
    max_reasoning_tokens: 0,
    cache_from: 1_024,
};
pub(super) const GEMINI: DemoModel = DemoModel {
    requested: "gemini-2.5-flash",
    answering: "gemini-2.5-flash",
    host: "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:generateContent",
    first_ms: 430,
    speed: 190,
    max_reasoning_tokens: 300,
    cache_from: 1_024,
};
/// Self-hosted in the company's cluster behind OpenAI's protocol; no price table includes it.
pub(super) const SWALLOW_70B: DemoModel = DemoModel {
    requested: "swallow-70b-instruct",
    answering: "swallow-70b-instruct",
    host: "http://swallow.llm.internal:8000/v1/chat/completions",
    first_ms: 310,
    speed: 46,
    max_reasoning_tokens: 0,
    cache_from: u64::MAX,
};

const fn openai(requested: &'static str, answering: &'static str, first_ms: i64, speed: u64, max_reasoning_tokens: i64) -> DemoModel {
    DemoModel {
        requested,
        answering,
        host: "https://api.openai.com/v1/chat/completions",
        first_ms,
        speed,
        max_reasoning_tokens,
        cache_from: 1_024,
    }
}

/// Library whose instrumentation reports a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DemoInstrumentation {
    OpenAi,
    LangChain,
    Google,
    Vercel,
}

/// A tool call that a model requests.
#[derive(Debug, Clone)]
pub(super) struct DemoToolCall {
    pub(super) id: String,
    pub(super) name: &'static str,
    pub(super) arguments: Value,
}

/// One call of a chat model.
#[derive(Debug)]
pub(super) struct DemoChatCall<'a> {
    pub(super) model: &'a DemoModel,
    pub(super) library: DemoInstrumentation,
    pub(super) agent: Option<&'static str>,
    pub(super) system: &'a str,
    /// Messages as `{role, content}` in the order of the conversation.
    pub(super) messages: &'a [Value],
    pub(super) tools: Option<&'a Value>,
    pub(super) answer: &'a str,
    pub(super) calls: &'a [DemoToolCall],
    /// Input tokens beyond the visible messages: long instructions, examples, images.
    pub(super) hidden_tokens: u64,
    /// Fraction of the prompt that is in the provider's cache, from 0 to 1.
    pub(super) cached_fraction: f64,
    pub(super) streamed: bool,
    /// False for a stream that did not request its usage.
    pub(super) reports_usage: bool,
    pub(super) finish: Option<&'static str>,
    /// Fixed input and output tokens; otherwise they are estimated.
    pub(super) counts: Option<(u64, u64)>,
}

impl<'a> DemoChatCall<'a> {
    pub(super) fn new(
        model: &'a DemoModel,
        library: DemoInstrumentation,
        system: &'a str,
        messages: &'a [Value],
        answer: &'a str,
    ) -> DemoChatCall<'a> {
        DemoChatCall {
            model,
            library,
            agent: None,
            system,
            messages,
            tools: None,
            answer,
            calls: &[],
            hidden_tokens: 0,
            cached_fraction: 0.0,
            streamed: false,
            reports_usage: true,
            finish: None,
            counts: None,
        }
    }
}

/// Token usage of a call; input and output are totals.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct DemoTokenUsage {
    pub(super) input: u64,
    pub(super) cached: u64,
    pub(super) written: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

impl std::ops::AddAssign for DemoTokenUsage {
    fn add_assign(&mut self, other: DemoTokenUsage) {
        self.input += other.input;
        self.cached += other.cached;
        self.written += other.written;
        self.output += other.output;
        self.reasoning += other.reasoning;
    }
}

impl DemoTrace {
    /// Adds a successful call.
    pub(super) fn successful_chat(&mut self, parent: DemoSpanIndex, chat: &DemoChatCall) -> DemoTokenUsage {
        let at = self.open_call(parent, chat);
        let usage = self.count(chat);
        let first = self.rng.service_duration_ms(chat.model.first_ms + (usage.input - usage.cached) as i64 / 40);
        let writing = ((usage.output * 1_000) / chat.model.speed) as i64;
        let http = self.open(at, "http.client", format!("POST {}", chat.model.host), "auto.http.httpx");
        self.wait(first + writing);
        self.set(http, "http.response.status_code", 200);
        self.close(http);
        self.add_response(at, chat, usage, first);
        self.close(at);
        usage
    }

    /// Adds a failed call with an error; `status` is the HTTP status, or `None` if there was no response.
    pub(super) fn failing_chat(&mut self, parent: DemoSpanIndex, chat: &DemoChatCall, what: &str, status: Option<i64>, ms: i64) {
        let at = self.open_call(parent, chat);
        let http = self.open(at, "http.client", format!("POST {}", chat.model.host), "auto.http.httpx");
        self.wait(ms);
        let word = if status == Some(429) { "resource_exhausted" } else { "internal_error" };
        self.fail(http, word);
        if let Some(status) = status {
            self.set(http, "http.response.status_code", status);
        }
        self.close(http);
        self.fail(at, word);
        let slots = TextSlots::none().with("model", chat.model.requested);
        self.error(at, what, &slots);
        self.close(at);
    }

    /// Adds a call that the library retries automatically after a rejection, as one span.
    pub(super) fn retried_chat(&mut self, parent: DemoSpanIndex, chat: &DemoChatCall) -> DemoTokenUsage {
        let at = self.open_call(parent, chat);
        let name = format!("POST {}", chat.model.host);
        let refused = self.leaf(at, "http.client", name.as_str(), "auto.http.httpx", 180);
        self.set(refused, "http.response.status_code", 429);
        self.fail(refused, "resource_exhausted");
        let pause = self.rng.between(900, 4_200);
        self.wait(pause);
        let usage = self.count(chat);
        let first = self.rng.service_duration_ms(chat.model.first_ms);
        let http = self.open(at, "http.client", name, "auto.http.httpx");
        self.wait(first + ((usage.output * 1_000) / chat.model.speed) as i64);
        self.set(http, "http.response.status_code", 200);
        self.close(http);
        let first = first + pause;
        self.add_response(at, chat, usage, first);
        self.close(at);
        usage
    }

    fn count(&mut self, chat: &DemoChatCall) -> DemoTokenUsage {
        let shown: u64 = chat.messages.iter().map(|message| tokens(&message.to_string())).sum();
        let tools = chat.tools.map_or(0, |tools| tokens(&tools.to_string()));
        let called: u64 = chat.calls.iter().map(|call| 14 + tokens(&call.arguments.to_string())).sum();
        let (mut input, mut output) = (tokens(chat.system) + shown + tools + chat.hidden_tokens, tokens(chat.answer) + called + 3);
        if let Some(counts) = chat.counts {
            (input, output) = counts;
        }
        let reasoning = if chat.model.max_reasoning_tokens > 0 {
            self.rng.between(chat.model.max_reasoning_tokens / 5, chat.model.max_reasoning_tokens) as u64
        } else {
            0
        };
        let caches = input >= chat.model.cache_from;
        let seen = (input as f64 * chat.cached_fraction) as u64;
        // OpenAI caches blocks of 128 tokens and does not charge for cache writes; Anthropic caches everything and reports cache writes.
        let (cached, written) = match chat.library {
            DemoInstrumentation::LangChain if caches && chat.model.requested == CLAUDE.requested => (seen, (input - seen) * 7 / 10),
            _ if caches => (seen / 128 * 128, 0),
            _ => (0, 0),
        };
        DemoTokenUsage { input, cached, written, output: output + reasoning, reasoning }
    }

    /// Opens the span of a call with the attributes known at its start.
    fn open_call(&mut self, parent: DemoSpanIndex, chat: &DemoChatCall) -> DemoSpanIndex {
        let model = chat.model;
        let (op, operation, origin) = match chat.library {
            DemoInstrumentation::OpenAi => ("gen_ai.chat", "chat", "auto.ai.openai"),
            DemoInstrumentation::LangChain => ("gen_ai.chat", "chat", "auto.ai.langchain"),
            DemoInstrumentation::Google => ("gen_ai.chat", "chat", "auto.ai.google_genai"),
            DemoInstrumentation::Vercel => ("gen_ai.generate_content", "generate_content", "auto.ai.vercelai"),
        };
        let system = match chat.library {
            DemoInstrumentation::OpenAi => "openai",
            DemoInstrumentation::LangChain if model.requested == CLAUDE.requested => "anthropic-chat",
            DemoInstrumentation::LangChain => "openai-chat",
            DemoInstrumentation::Google => "gcp.gemini",
            DemoInstrumentation::Vercel => "openai.chat",
        };
        let at = self.open(parent, op, format!("{operation} {}", model.requested), origin);
        self.set(at, "gen_ai.operation.name", operation);
        self.set(at, "gen_ai.request.model", model.requested);
        let node = self.setting.sdk == DemoSdk::Node;
        self.set(at, if node { "gen_ai.provider.name" } else { "gen_ai.system" }, system);
        let messages = Value::from(chat.messages);
        self.set(at, if node { "gen_ai.input.messages" } else { "gen_ai.request.messages" }, messages.to_string());
        self.set(at, "gen_ai.response.streaming", chat.streamed);
        if !chat.system.is_empty() {
            self.set(at, "gen_ai.system_instructions", json!([{"type": "text", "content": chat.system}]).to_string());
        }
        if let Some(tools) = chat.tools {
            let key =
                if chat.library == DemoInstrumentation::LangChain { "gen_ai.request.available_tools" } else { "gen_ai.tool.definitions" };
            self.set(at, key, tools.to_string());
        }
        if let Some(agent) = chat.agent {
            self.set(at, "gen_ai.agent.name", agent);
        }
        if chat.library == DemoInstrumentation::OpenAi {
            self.set(at, "gen_ai.request.max_tokens", 1_024);
            self.set(at, "gen_ai.request.temperature", 0.2);
        }
        at
    }

    /// Adds the attributes of the response.
    fn add_response(&mut self, at: DemoSpanIndex, chat: &DemoChatCall, usage: DemoTokenUsage, first_ms: i64) {
        let finish = chat.finish.unwrap_or(if chat.calls.is_empty() { "stop" } else { "tool_calls" });
        self.set(at, "gen_ai.response.model", chat.model.answering);
        if chat.streamed {
            self.set(at, "gen_ai.response.time_to_first_token", first_ms as f64 / 1_000.0);
        }
        match chat.library {
            DemoInstrumentation::OpenAi if !chat.streamed => {
                let calls: Vec<Value> = chat
                    .calls
                    .iter()
                    .map(|call| {
                        json!({"id": call.id, "type": "function",
                            "function": {"name": call.name, "arguments": call.arguments.to_string()}})
                    })
                    .collect();
                let refused = finish == "refusal";
                // The SDK writes absent values as the text `None`.
                let reply = json!({
                    "content": if chat.answer.is_empty() || refused { "None" } else { chat.answer }, "role": "assistant",
                    "refusal": if refused { chat.answer } else { "None" },
                    "tool_calls": if calls.is_empty() { Value::from("None") } else { calls.into() },
                });
                self.set(at, "gen_ai.response.text", reply.to_string());
            }
            DemoInstrumentation::OpenAi | DemoInstrumentation::Google => self.set(at, "gen_ai.response.text", chat.answer),
            DemoInstrumentation::LangChain => {
                self.set(at, "gen_ai.response.text", chat.answer);
                let id = format!("msg_{}", self.rng.hex(24));
                self.set(at, "gen_ai.response.id", id);
            }
            DemoInstrumentation::Vercel => {
                let parts = json!([{"role": "assistant", "parts": [{"type": "text", "content": chat.answer}], "finish_reason": finish}]);
                self.set(at, "gen_ai.output.messages", parts.to_string());
                let id = format!("chatcmpl-{}", self.rng.hex(24));
                self.set(at, "gen_ai.response.id", id);
            }
        }
        if chat.library == DemoInstrumentation::LangChain && !chat.calls.is_empty() {
            let calls: Vec<Value> =
                chat.calls.iter().map(|c| json!({"name": c.name, "args": c.arguments, "id": c.id, "type": "tool_call"})).collect();
            self.set(at, "gen_ai.response.tool_calls", Value::from(calls).to_string());
        }
        match chat.library {
            DemoInstrumentation::Vercel => self.set(at, "gen_ai.response.finish_reasons", json!([finish]).to_string()),
            _ => self.set(at, "gen_ai.response.finish_reasons", json!([finish])),
        }
        if chat.reports_usage {
            self.add_usage(at, chat.library, usage);
        }
    }

    /// Adds token usage with the attribute names of a library's instrumentation.
    pub(super) fn add_usage(&mut self, at: DemoSpanIndex, library: DemoInstrumentation, usage: DemoTokenUsage) {
        self.set(at, "gen_ai.usage.input_tokens", usage.input);
        self.set(at, "gen_ai.usage.output_tokens", usage.output);
        self.set(at, "gen_ai.usage.total_tokens", usage.input + usage.output);
        let (cached, written, reasoning) = match library {
            DemoInstrumentation::LangChain | DemoInstrumentation::Vercel => {
                ("gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.reasoning.output_tokens")
            }
            DemoInstrumentation::OpenAi | DemoInstrumentation::Google => {
                ("gen_ai.usage.input_tokens.cached", "gen_ai.usage.input_tokens.cache_write", "gen_ai.usage.output_tokens.reasoning")
            }
        };
        self.set(at, cached, usage.cached);
        self.set(at, reasoning, usage.reasoning);
        if usage.written > 0 {
            self.set(at, written, usage.written);
        }
    }

    /// Adds an embedding of a text.
    pub(super) fn embed(&mut self, parent: DemoSpanIndex, input: &str) {
        let node = self.setting.sdk == DemoSdk::Node;
        let origin = if node { "auto.ai.vercelai" } else { "auto.ai.openai" };
        let at = self.open(parent, "gen_ai.embeddings", "embeddings text-embedding-3-small", origin);
        self.set(at, "gen_ai.operation.name", "embeddings");
        self.set(at, if node { "gen_ai.provider.name" } else { "gen_ai.system" }, if node { "openai.embedding" } else { "openai" });
        self.set(at, "gen_ai.request.model", "text-embedding-3-small");
        self.set(at, "gen_ai.response.model", "text-embedding-3-small");
        self.set(at, "gen_ai.embeddings.input", json!([input]).to_string());
        let count = tokens(input) + 1;
        self.set(at, "gen_ai.usage.input_tokens", count);
        self.set(at, "gen_ai.usage.total_tokens", count);
        let ms = self.rng.service_duration_ms(140);
        self.leaf(at, "http.client", "POST https://api.openai.com/v1/embeddings", "auto.http.httpx", ms);
        self.close(at);
    }

    /// Opens the span of a tool execution.
    pub(super) fn tool(&mut self, parent: DemoSpanIndex, call: &DemoToolCall, agent: &'static str) -> DemoSpanIndex {
        let at = self.open(parent, "gen_ai.execute_tool", format!("execute_tool {}", call.name), "auto.ai.langchain");
        self.set(at, "gen_ai.operation.name", "execute_tool");
        self.set(at, "gen_ai.tool.name", call.name);
        self.set(at, "gen_ai.tool.call.id", call.id.as_str());
        self.set(at, "gen_ai.tool.input", call.arguments.to_string());
        self.set(at, "gen_ai.agent.name", agent);
        at
    }

    /// Creates a tool call with an ID.
    pub(super) fn tool_call(&mut self, name: &'static str, arguments: Value) -> DemoToolCall {
        let id = format!("toolu_{}", self.rng.hex(20));
        DemoToolCall { id, name, arguments }
    }

    /// Opens the span of an agent.
    pub(super) fn agent(&mut self, parent: DemoSpanIndex, name: &'static str) -> DemoSpanIndex {
        let at = self.open(parent, "gen_ai.invoke_agent", format!("invoke_agent {name}"), "auto.ai.langgraph");
        self.set(at, "gen_ai.operation.name", "invoke_agent");
        self.set(at, "gen_ai.agent.name", name);
        self.set(at, "gen_ai.pipeline.name", name);
        at
    }

    /// Ends the span of an agent, which repeats the total usage of its calls.
    pub(super) fn agent_done(&mut self, at: DemoSpanIndex, answer: &str, usage: DemoTokenUsage) {
        self.set(at, "gen_ai.response.text", answer);
        self.add_usage(at, DemoInstrumentation::LangChain, usage);
        self.close(at);
    }
}

/// Returns a message of a conversation.
pub(super) fn message(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// Returns the message of a model that requests tools.
pub(super) fn asked_for(text: &str, calls: &[DemoToolCall]) -> Value {
    let calls: Vec<Value> = calls.iter().map(|c| json!({"id": c.id, "name": c.name, "args": c.arguments, "type": "tool_call"})).collect();
    json!({"role": "assistant", "content": text, "tool_calls": calls})
}

/// Returns the message with the result of a tool.
pub(super) fn tool_result(call: &DemoToolCall, result: &str) -> Value {
    json!({"role": "tool", "tool_call_id": call.id, "content": result})
}
