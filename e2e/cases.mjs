// Programs with real SDKs, each in the environment of its packages, and how they report. What must be seen of them is what the
// stand-in for the model's provider says that it was asked and has answered; a case says only what its client leaves out.
//
// `set`: the packages, `node/NAME` or `python/NAME`. `via`: where the program is told to report. `settings`: more of its environment.
// `alone`: it sets up Sentry by itself. `fast`: part of `make test`. `session`, `user`: what all of its calls have. `calls`: which calls of
// the provider's log it tells of. `provider`: who is shown to have answered, where the form of the requests does not say it. `more`: calls
// that it tells of and that never reached the provider. `exits`: statuses beside 0 with which it may end. `also`: what else must hold. `lacks`:
// what this client does not tell, of all calls or by a function of each: `texts`, `cached` (reads of a cache), `written` (writes to one),
// `reasoning`, `output` (it counts that otherwise), `usage`, `latency`.
import assert from 'node:assert/strict';

const told = ({ status }) => status === 200;

/** Modes of one program as cases. */
const modes = (name, common, each) => Object.entries(each).map(([mode, more]) => ({ name: `${name}: ${mode}`, args: [mode], ...common, ...more }));

const sentryJs = (version) => {
  // Version 10 does not tell of reasoning; neither tells of it where an answer is streamed.
  const old = version === '10';
  const fast = !old;
  const reasoning = { lacks: ['reasoning'] };
  return modes(`Sentry for JavaScript ${version}`, { set: `node/sentry-js-${version}`, program: 'sentry_js.mjs', via: 'sentry', user: 'user-42' }, {
    'openai-stream': { fast },
    'openai-stream-no-usage': {},
    'openai-tools': {},
    'openai-responses': reasoning,
    'openai-responses-tools': old ? reasoning : {},
    'openai-embeddings': {},
    'openai-concurrent': {},
    'openai-conversation': { session: old ? undefined : 'conversation-9' },
    'anthropic-stream': {},
    'anthropic-message-stream': {},
    'anthropic-tools': { fast },
    'anthropic-error': {},
    'google-generate': { fast },
    'google-stream': {},
    'google-chat': {},
    'google-tools': {},
    'google-error': {},
  });
};

const vercel = (version) => {
  const fast = version === '6';
  // Before version 6 the SDK tells of caches and thoughts in the provider's remarks, where that makes any.
  const cached = { lacks: version === '5' ? ['cached'] : [] };
  // Version 7 tells of the texts only together with the numbers of their embeddings.
  const embedded = version === '7' ? { lacks: ['texts'] } : {};
  const common = { set: `node/vercel-${version}`, program: 'vercel.mjs', via: 'otlp', session: 'session-7', user: 'user-42' };
  return modes(`Vercel AI SDK ${version}`, common, {
    generate: cached,
    'generate-tools': {},
    stream: {},
    'stream-tools': { fast },
    // Version 4 asks for an object by a tool. Version 7 does not tell whose it is.
    object: { 4: { lacks: ['texts'] }, 7: { session: undefined, user: undefined } }[version] ?? {},
    embed: embedded,
    'embed-many': embedded,
    responses: version === '5' ? { lacks: ['cached', 'reasoning'] } : {},
    anthropic: { fast },
    'anthropic-stream': {},
    ...(version === '4' ? {} : { google: {} }),
    error: {},
    'no-texts': { lacks: ['texts', ...cached.lacks] },
  });
};

const langfuse = (name, set, program, more) =>
  modes(name, { set, program, via: 'langfuse', user: 'user-42', session: 'session-7' }, more);

const agent = (name, program, args, more = {}) => ({
  name, set: 'node/coding-agents', program, args, via: 'otlp', lacks: ['texts'],
  settings: { OTEL_RESOURCE_ATTRIBUTES: 'repository=acme/shop,team.id=platform', ...more.settings },
  /** Cost by repository, and what was said stands in the session's traces. */
  async also({ server, project, spans, calls }) {
    const { rows } = await server.ask('/breakdown?by=tag:repository', project);
    const row = rows.find(({ key }) => key === 'acme/shop');
    assert.deepEqual([row?.llm_calls, rows.filter(({ key }) => key !== 'acme/shop').reduce((sum, { llm_calls }) => sum + llm_calls, 0)], [calls.length, 0]);
    assert.ok(calls.every(({ session_id }) => session_id), 'calls have a session');
    const details = await Promise.all(spans.filter(({ trace_id }) => calls.some((call) => call.trace_id === trace_id)).slice(0, 100).map((span) => server.ask(`/traces/${span.trace_id}/spans/${span.span_id}`, project)));
    const said = JSON.stringify(details.map(({ input_messages, output_messages }) => [input_messages, output_messages]));
    for (const text of more.said ?? []) assert.ok(said.includes(text), `the trace shows ${text}`);
    for (const tool of more.tools ?? []) assert.equal(spans.filter((span) => span.kind === 'tool' && span.tool === tool && calls.some(({ trace_id }) => trace_id === span.trace_id)).length, 1, `${tool} was used once`);
  },
  ...Object.fromEntries(Object.entries(more).filter(([key]) => !['settings', 'said', 'tools'].includes(key))),
});
const CAPITAL = { asked: 'What is the capital of France?', said: ['What is the capital of France?', 'The capital of France is Paris.'] };
const LIST = 'List the files of this folder.';
/** It says when a call ended, and not how long it took. */
const codex = { lacks: ['texts', 'latency'] };

const python = (name, set, program, via, more) => modes(name, { set: `python/${set}`, program, via }, more);
const sentryPython = (set, program, each) => python(`Sentry for Python, ${program}`, set, `${program}.py`, 'sentry', each);
const once = (more = {}) => ({ once: { args: [], ...more } });

/**
 * Programs that know many ways to report (`e2e/programs/telemetry.py`): all modes in one run, whose calls the user and the session have.
 * A mode that the client tells less of is a case of its own.
 */
const telling = (name, set, telemetry, program, modes, { settings, ...more } = {}) => ({
  name, set: `python/${set}`, program: `${program}.py`, via: 'otlp', args: modes.split(' '), session: 'session-7', user: 'user-42',
  settings: { TELEMETRY: telemetry, ...settings }, ...more,
});
const OPENAI = 'chat conversation image stream tools structured concurrent async-stream embeddings responses responses-stream responses-tools error';
const ANTHROPIC = 'create small stream message-stream concurrent tools error';
const GOOGLE = 'generate stream asynchronous chat tools structured error';
const LANGCHAIN = 'chain stream asynchronous batch structured responses agent graph error';
const openinference = (name, klass) => `openinference.instrumentation.${name}:${klass}`;
/** OpenTelemetry's own instrumentation says nothing of what was read from a cache, and no text that was embedded. */
const openaiV2 = ({ api }) => (api === 'embeddings' ? ['texts', 'cached'] : ['cached']);
const noEmbeddings = ({ api }) => (api === 'embeddings' ? ['usage'] : []);
const capture = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'span_and_event', OTEL_SEMCONV_STABILITY_OPT_IN: 'gen_ai_latest_experimental' };
const tracing = { OPENAI_AGENTS_DISABLE_TRACING: '0' };
const agentOf = (name, set, telemetry, mode, more) => telling(name, set, telemetry, 'agent_frameworks', mode, more);

/** A tool behind the Model Context Protocol: in how many traces its work and the calls around it stand. */
const mcp = (name, via, telemetry, traces, more) =>
  telling(`${name}: MCP`, 'mcp', telemetry, 'mcp_weather', 'ask', {
    via,
    settings: { MCP_TELEMETRY: telemetry },
    also({ spans, calls }) {
      const tools = spans.filter(({ kind, tool }) => kind === 'tool' && tool === 'get_weather');
      assert.ok(tools.length > 0, 'the tool is shown');
      assert.equal(new Set([...tools, ...calls].map(({ trace_id }) => trace_id)).size, traces, 'traces of the tool and the calls');
    },
    ...more,
  });

export const CASES = [
  ...sentryJs('11'),
  ...sentryJs('10'),
  ...['11', '10'].flatMap((version) =>
    modes(`LangChain under Sentry for JavaScript ${version}`, { set: `node/sentry-js-${version}-langchain`, program: 'langchain_js.mjs', via: 'sentry' }, {
      chain: {},
      stream: {},
      agent: {},
      graph: {},
      embed: { lacks: ['usage'] },
      error: {},
    }),
  ),
  { name: "OpenAI's Agents SDK under Sentry for JavaScript 11", set: 'node/openai-agents-js', program: 'agents_js.mjs', via: 'sentry', args: [] },
  ...modes('Vercel AI SDK 6 under Sentry for JavaScript 11', { set: 'node/sentry-js-11', program: 'vercel.mjs', via: 'sentry', session: 'session-7', user: 'user-42' }, {
    'generate-tools': {},
    'stream-tools': {},
    embed: {},
    agent: {},
  }),
  ...modes('Vercel AI SDK 5 under Sentry for JavaScript 10', { set: 'node/sentry-js-10', program: 'vercel.mjs', via: 'sentry', session: 'session-7', user: 'user-42' }, {
    'generate-tools': {},
    stream: {},
    'stream-tools': {},
  }),
  ...vercel('7'),
  ...vercel('6'),
  ...vercel('5'),
  ...vercel('4'),
  { name: 'Vercel AI SDK 6 in a Next.js application', set: 'node/next', program: 'next_app.mjs', via: 'otlp', args: ['otel', 'generate', 'stream', 'tools'], session: 'session-7', user: 'user-42' },
  { name: 'Vercel AI SDK 6 in a Next.js application under Sentry 10', set: 'node/sentry-next', program: 'next_app.mjs', via: 'sentry', alone: true, args: ['sentry', 'generate', 'stream', 'tools'], session: 'session-7', user: 'user-42' },
  ...langfuse("Langfuse's SDK 3 for JavaScript", 'node/langfuse-js-3', 'langfuse_v3.mjs', { manual: { more: 2 }, openai: { fast: true }, langchain: {} }),
  ...['5', '4'].flatMap((version) =>
    langfuse(`Langfuse's SDK ${version} for JavaScript`, `node/langfuse-js-${version}`, 'langfuse_js.mjs', { manual: { more: 3 }, openai: {}, langchain: {} }),
  ),
  { name: "Vercel AI SDK 6 by Langfuse's SDK 5", set: 'node/langfuse-js-5', program: 'vercel.mjs', via: 'langfuse', args: ['stream-tools'], session: 'session-7', user: 'user-42' },
  // It counts the tokens of a streamed answer itself, and tells of no call that failed.
  ...modes('OpenLLMetry for JavaScript', { set: 'node/traceloop-js', program: 'traceloop_js.mjs', via: 'traceloop', session: 'session-7', user: 'user-42', lacks: ['cached'] }, {
    anthropic: { lacks: [] },
  }),
  ...modes('OpenInference for JavaScript', { set: 'node/openinference-js', program: 'openinference_js.mjs', via: 'otlp' }, {
    // It tells of no call that failed, and no usage of a stream and of what was embedded.
    openai: { calls: told, lacks: ({ api, stream }) => (stream || api === 'embeddings' ? ['usage'] : []) },
    anthropic: {},
    langchain: {},
    vercel: {},
  }),
  ...modes('Mastra', { set: 'node/mastra-js', program: 'mastra_js.mjs', via: 'otlp', lacks: ['texts'] }, { generate: {}, stream: {} }),

  agent('Claude Code: a question', 'claude_code.sh', ['http/json', '-p', CAPITAL.asked], CAPITAL),
  agent('Claude Code: a question, with traces', 'claude_code.sh', ['http/protobuf', '-p', CAPITAL.asked], { ...CAPITAL, settings: { TRACES: '1' } }),
  agent('Claude Code: a tool, over gRPC', 'claude_code.sh', ['grpc', '-p', LIST, '--allowedTools', 'Bash'], { tools: ['Bash'] }),
  agent('Claude Code: a tool, with traces', 'claude_code.sh', ['http/json', '-p', LIST, '--allowedTools', 'Bash'], { settings: { TRACES: '1' }, tools: ['Bash'] }),
  agent('Claude Code: a refusal', 'claude_code.sh', ['http/json', '-p', 'Fail please [[400]]'], { exits: [1] }),
  agent('Codex CLI: a question', 'codex.sh', ['json', 'logs', CAPITAL.asked], { ...codex, said: [CAPITAL.asked] }),
  agent('Codex CLI: a tool, all signals', 'codex.sh', ['binary', 'all', '--dangerously-bypass-approvals-and-sandbox', LIST], { ...codex, tools: ['exec_command'] }),
  agent('Codex CLI: over gRPC', 'codex.sh', ['grpc', 'all', CAPITAL.asked], { ...codex, said: [CAPITAL.asked] }),
  agent('Gemini CLI: a question', 'gemini.sh', ['http', CAPITAL.asked], CAPITAL),
  agent('Gemini CLI: a tool, over gRPC', 'gemini.sh', ['grpc', LIST], { tools: ['run_shell_command'] }),
  agent('opencode: a question', 'opencode.sh', [CAPITAL.asked], CAPITAL),

  ...sentryPython('sentry-2.75', 'sentry_openai_stream', { usage: {}, nousage: {} }),
  ...sentryPython('sentry-2.75', 'sentry_openai_responses', once()),
  ...sentryPython('sentry-2.75', 'sentry_openai_embeddings', once()),
  ...sentryPython('sentry-2.75', 'sentry_openai_tools', once()),
  ...sentryPython('sentry-2.75', 'sentry_openai_async', once()),
  ...sentryPython('sentry-2.75', 'sentry_openai_no_pii', once({ lacks: ['texts'] })),
  ...sentryPython('sentry-2.75', 'sentry_openai_no_transaction', once()),
  ...sentryPython('sentry-2.75', 'sentry_openai_span_stream', once()),
  ...sentryPython('sentry-2.75', 'sentry_static_gen_ai', once()),
  ...sentryPython('sentry-2.75', 'sentry_logs', once()),
  ...sentryPython('sentry-2.75', 'sentry_long_prompt', once({ lacks: ['texts'] })),
  ...sentryPython('sentry-2.75', 'sentry_unicode', once({ lacks: ['texts'] })),
  // With the package brotli beside it the SDK compresses so.
  ...sentryPython('sentry-br', 'blog_example', once()),
  ...sentryPython('sentry-ant', 'sentry_anthropic', {
    create: {},
    stream: {},
    // It does not send what the tool gave back.
    tools: { lacks: ['texts'] },
  }),
  ...sentryPython('sentry', 'sentry_langchain_agent', once()),
  ...sentryPython('sentry', 'sentry_langgraph', once()),
  ...sentryPython('sentry-agents', 'sentry_openai_agents', once()),
  ...sentryPython('sentry-hf', 'sentry_huggingface', once({ provider: 'huggingface' })),
  ...python('OpenTelemetry for OpenAI', 'otel', 'otel_openai_v2.py', 'otlp', {
    // It does not tell of cached input.
    chat: { args: ['http', 'chat'], lacks: ['cached'] },
    stream: { args: ['http', 'stream'] },
    error: { args: ['http', 'error'] },
    tools: { args: ['http', 'tools'] },
  }),
  ...python('OpenTelemetry GenAI for OpenAI', 'otel-genai', 'otel_genai_openai.py', 'otlp', { chat: {}, responses: {} }),
  ...python('OpenInference for Python', 'openinference', 'openinference_openai.py', 'otlp', { chat: {}, tools: {}, embeddings: {} }),
  ...python('OpenLLMetry for Python', 'traceloop', 'traceloop_workflow.py', 'traceloop', { workflow: {} }),
  ...python("Langfuse's SDK 3 for Python", 'langfuse', 'langfuse_observe.py', 'langfuse', { chat: {} }),
  ...python("Langfuse's SDK 2 for Python", 'langfuse-2', 'langfuse2.py', 'langfuse', { manual: { more: 2 } }),
  // Dify knows nothing of cached input.
  ...python("Dify by Langfuse's SDK 2", 'langfuse-2', 'dify.py', 'langfuse', { 'a message and a workflow': { args: ['message', 'workflow'], user: 'user-42', session: 'session-7' } }),
  ...python('A program and its gateway, LiteLLM', 'litellm-proxy', 'gateway.py', 'otlp', {
    'one trace': { args: ['one'], user: 'user-42', session: 'session-7', settings: capture },
    // The program speaks OpenAI's protocol to the gateway, whatever model is behind it.
    'two traces': { args: ['two'], provider: 'openai', user: 'user-42', session: 'session-7', settings: capture },
  }),
  telling("Sentry's SDK by OTLP", 'sentry-otlp', 'sentry-otlp', 'calls_openai', 'chat stream tools embeddings error', { via: 'sentry', lacks: openaiV2, settings: { ...capture, INSTRUMENT: 'opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor' } }),
  telling("OpenTelemetry to Sentry's path", 'sentry-otlp', 'opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor', 'calls_openai', 'chat stream tools embeddings error', { via: 'sentry-path', lacks: openaiV2, settings: capture }),
  ...python('Logfire with Pydantic AI', 'logfire', 'logfire_pydantic_ai.py', 'otlp', { agent: {} }),
  ...python('LiteLLM over OTLP', 'litellm', 'litellm_otel.py', 'otlp', once({ settings: { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf' } })),
  // This version tells Langfuse of the input as a whole, and of no refused call in time.
  telling('OpenInference: OpenAI', 'openinference', openinference('openai', 'OpenAIInstrumentor'), 'calls_openai', OPENAI),
  telling('OpenInference: OpenAI, other prices and none', 'openinference', openinference('openai', 'OpenAIInstrumentor'), 'calls_openai', 'flex audio local', { lacks: ({ input_audio }) => (input_audio ? ['texts'] : []) }),
  telling('OpenInference: OpenAI, a call that is tried twice', 'openinference', openinference('openai', 'OpenAIInstrumentor'), 'calls_openai', 'retry', {
    calls: told,
    also: ({ asked }) => assert.deepEqual(asked.map(({ status }) => status), [500, 200]),
  }),
  telling('OpenInference: Anthropic', 'openinference-providers', openinference('anthropic', 'AnthropicInstrumentor'), 'calls_anthropic', ANTHROPIC),
  telling('OpenInference: Google', 'openinference-providers', openinference('google_genai', 'GoogleGenAIInstrumentor'), 'calls_google', GOOGLE),
  telling('OpenInference: Bedrock', 'openinference-providers', openinference('bedrock', 'BedrockInstrumentor'), 'calls_bedrock', 'converse stream tools invoke error'),
  telling('OpenInference: LangChain', 'openinference-langchain', openinference('langchain', 'LangChainInstrumentor'), 'calls_langchain', LANGCHAIN),
  agentOf('OpenInference: OpenAI Agents', 'openinference-agents', openinference('openai_agents', 'OpenAIAgentsInstrumentor'), 'openai-agents openai-agents-stream openai-agents-handoff', { settings: tracing }),
  agentOf('OpenInference: LlamaIndex', 'openinference-llama-index', openinference('llama_index', 'LlamaIndexInstrumentor'), 'llama-index llama-index-query', { lacks: noEmbeddings }),
  agentOf('OpenInference: CrewAI', 'openinference-crewai', `${openinference('crewai', 'CrewAIInstrumentor')} ${openinference('openai', 'OpenAIInstrumentor')}`, 'crewai'),
  agentOf('OpenInference: Haystack', 'openinference-haystack', openinference('haystack', 'HaystackInstrumentor'), 'haystack-pipeline', { lacks: ['cached'] }),
  agentOf('OpenInference: smolagents', 'openinference-smolagents', openinference('smolagents', 'SmolagentsInstrumentor'), 'smolagents'),
  agentOf('OpenInference: DSPy', 'openinference-dspy', openinference('dspy', 'DSPyInstrumentor'), 'dspy', { lacks: ['usage'] }),
  agentOf('OpenInference: Agno', 'openinference-agno', openinference('agno', 'AgnoInstrumentor'), 'agno'),
  agentOf('OpenInference: AutoGen', 'openinference-autogen', `${openinference('autogen_agentchat', 'AutogenAgentChatInstrumentor')} ${openinference('openai', 'OpenAIInstrumentor')}`, 'autogen'),
  agentOf('OpenInference: LiteLLM', 'openinference-litellm', openinference('litellm', 'LiteLLMInstrumentor'), 'litellm'),
  mcp('OpenInference', 'otlp', `${openinference('openai', 'OpenAIInstrumentor')} ${openinference('mcp', 'MCPInstrumentor')}`, 1),
  // It hands nothing over to a server on standard input and output, whose work is a trace of its own.
  mcp('Sentry for Python', 'sentry', 'sentry', 2, { session: undefined }),
  telling('OpenTelemetry: Google', 'otel-google', 'opentelemetry.instrumentation.google_genai:GoogleGenAiSdkInstrumentor', 'calls_google', GOOGLE, { settings: capture }),
  telling('OpenTelemetry: Bedrock', 'otel-google', 'opentelemetry.instrumentation.botocore:BotocoreInstrumentor', 'calls_bedrock', 'converse stream tools error', { settings: { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' } }),
  agentOf('OpenTelemetry: OpenAI Agents', 'otel-agents', 'opentelemetry.instrumentation.openai_agents:OpenAIAgentsInstrumentor', 'openai-agents openai-agents-stream openai-agents-handoff', { settings: { ...tracing, ...capture } }),
  telling('OpenLLMetry: LangChain alone', 'traceloop-instrumentor', 'opentelemetry.instrumentation.langchain:LangchainInstrumentor', 'calls_langchain', LANGCHAIN, { lacks: ['reasoning'] }),
  telling('OpenLLMetry: OpenAI', 'traceloop-providers', 'traceloop', 'calls_openai', OPENAI.replace('image ', ''), { via: 'traceloop' }),
  // Of a stream it adds the count of its begin to that of its end.
  telling('OpenLLMetry: Anthropic', 'traceloop-providers', 'traceloop', 'calls_anthropic', ANTHROPIC, { via: 'traceloop', lacks: ({ stream }) => (stream ? ['output'] : []) }),
  // Of a stream's answer it sends the last piece.
  telling('OpenLLMetry: Google', 'traceloop-providers', 'traceloop', 'calls_google', GOOGLE, { via: 'traceloop', lacks: ({ stream }) => (stream ? ['texts'] : []) }),
  telling('OpenLLMetry: Bedrock', 'traceloop-providers', 'traceloop', 'calls_bedrock', 'converse stream tools error', { via: 'traceloop' }),
  telling('OpenLLMetry: Ollama', 'traceloop-ollama', 'opentelemetry.instrumentation.ollama:OllamaInstrumentor', 'calls_ollama', 'chat stream tools', { lacks: ({ tool_call }) => (tool_call ? ['texts'] : []) }),
  telling('OpenLLMetry: LangChain', 'traceloop-langchain', 'traceloop', 'calls_langchain', LANGCHAIN, { via: 'traceloop', lacks: ['reasoning'] }),
  agentOf('OpenLLMetry: LlamaIndex', 'traceloop-llama-index', 'traceloop', 'llama-index', { via: 'traceloop' }),
  telling('OpenLIT: OpenAI', 'openlit', 'openlit', 'calls_openai', OPENAI, { lacks: ({ api }) => (api === 'chat' ? ['reasoning'] : []) }),
  telling('OpenLIT: LangChain', 'openlit', 'openlit', 'calls_langchain', LANGCHAIN.replace('asynchronous ', '')),
  // It never ends the span of such a call: all that is known of it stands in a log record, which has no duration and no place below the program's work.
  telling('OpenLIT: LangChain, asynchronous', 'openlit', 'openlit', 'calls_langchain', 'asynchronous', { session: undefined, user: undefined, lacks: ['reasoning', 'latency'] }),
  telling('OpenLIT: Anthropic', 'openlit', 'openlit', 'calls_anthropic', ANTHROPIC),
  telling('Laminar: OpenAI', 'laminar', 'laminar', 'calls_openai', OPENAI),
  telling('Laminar: Anthropic', 'laminar', 'laminar', 'calls_anthropic', ANTHROPIC),
  telling('Logfire: OpenAI', 'logfire-providers', 'logfire', 'calls_openai', OPENAI, {
    // The end of a stream is told by a span without length.
    lacks: ({ api }) => ['latency', api === 'embeddings' ? 'texts' : 'reasoning'],
    settings: { LOGFIRE: 'openai' },
  }),
  telling('Logfire: Anthropic', 'logfire-providers', 'logfire', 'calls_anthropic', ANTHROPIC, { lacks: ['latency'], settings: { LOGFIRE: 'anthropic' } }),
  telling('Logfire: LangChain', 'logfire-providers', 'logfire', 'calls_langchain', LANGCHAIN, { settings: { LOGFIRE: '', LANGSMITH_TRACING: 'true', LANGSMITH_OTEL_ENABLED: 'true', LANGSMITH_OTEL_ONLY: 'true', LANGSMITH_API_KEY: 'none' } }),
  agentOf('Logfire: Pydantic AI', 'logfire-providers', 'logfire', 'pydantic-ai pydantic-ai-anthropic', { session: undefined, settings: { LOGFIRE: 'pydantic_ai' } }),
  telling('LangSmith by OpenTelemetry', 'langsmith', 'langsmith', 'calls_langchain', LANGCHAIN),
  agentOf('Google ADK', 'google-adk', 'provider', 'google-adk', { settings: capture }),
  agentOf('Microsoft Agent Framework', 'agent-framework', 'provider', 'agent-framework'),
  agentOf('Semantic Kernel', 'semantic-kernel', 'provider', 'semantic-kernel', { lacks: ['cached', 'texts'], settings: { SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE: 'true' } }),
  agentOf('AG2', 'ag2', 'provider', 'ag2'),
  agentOf('LiveKit', 'livekit', 'provider', 'livekit'),
  // The agent is Claude Code, which reports by itself.
  agentOf('Claude Agent SDK', 'claude-agent', 'provider', 'claude-agent', {
    session: undefined, user: undefined, lacks: ['texts'],
    settings: { CLAUDE_CODE_ENABLE_TELEMETRY: '1', OTEL_METRICS_EXPORTER: 'otlp', OTEL_LOGS_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_LOG_USER_PROMPTS: '1' },
  }),
  telling('MLflow: OpenAI', 'mlflow', 'mlflow', 'calls_openai', OPENAI.replace(' error', ''), { session: undefined, user: undefined, lacks: ['reasoning'] }),
  agentOf('Strands', 'strands', 'provider', 'strands'),
  telling('Sentry for Python: Google', 'sentry-google', 'sentry', 'calls_google', GOOGLE, { via: 'sentry', session: undefined }),
  agentOf('Sentry for Python: LiteLLM', 'sentry-litellm', 'sentry', 'litellm', { via: 'sentry', session: undefined, lacks: ['cached', 'written'], settings: { SENTRY_INTEGRATIONS: 'litellm:LiteLLMIntegration' } }),
  agentOf('Sentry for Python: Pydantic AI', 'sentry-pydantic-ai', 'sentry', 'pydantic-ai pydantic-ai-anthropic', { via: 'sentry', session: undefined }),
  ...python("LiteLLM's callback for Langfuse", 'litellm-langfuse', 'litellm_langfuse.py', 'langfuse', once({ user: 'user-42', session: 'session-7' })),
  ...python("LiteLLM 1.60's callback for Langfuse 2", 'litellm-langfuse-2', 'litellm_langfuse.py', 'langfuse', once({ lacks: ['cached', 'written'], calls: told, user: 'user-42', session: 'session-7' })),
];
