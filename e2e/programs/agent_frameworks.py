"""An agent with one tool, in each framework: it asks the model, calls the tool, asks once more.

    python agent_frameworks.py FRAMEWORK...        Environment: telemetry.py
"""
import os
import sys

import telemetry

os.environ.update(OPENAI_BASE_URL=telemetry.URL + "/v1", CREWAI_DISABLE_TELEMETRY="true", OTEL_SEMCONV_STABILITY_OPT_IN="gen_ai_latest_experimental")
telemetry.start()
URL, MODEL = telemetry.URL + "/v1", "gpt-4.1"
INSTRUCTIONS, QUESTION = "You are a weather assistant.", "How is the weather in Tokyo?"


def get_weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: name of the city
    """
    return "18 C and sunny in " + city


async def openai_agents(handoff=False, stream=False):
    from agents import Agent, OpenAIChatCompletionsModel, Runner, function_tool, set_default_openai_api, set_default_openai_client
    from openai import AsyncOpenAI
    client = AsyncOpenAI(base_url=URL)
    set_default_openai_client(client, use_for_tracing=False)
    if telemetry.HOW == "none":
        set_default_openai_api("chat_completions")
    agent = Agent(name="weather_agent", instructions=INSTRUCTIONS, model=MODEL, tools=[function_tool(get_weather)])
    if handoff:
        agent = Agent(name="triage", instructions="Hand over.", model=OpenAIChatCompletionsModel("gpt-4o-mini", client), handoffs=[agent])
    if stream:
        result = Runner.run_streamed(agent, QUESTION)
        return len([event async for event in result.stream_events()])
    return (await Runner.run(agent, QUESTION)).final_output


async def openai_agents_stream():
    return await openai_agents(stream=True)


async def openai_agents_handoff():
    return await openai_agents(handoff=True)


async def llama_index():
    from llama_index.core.agent.workflow import FunctionAgent
    from llama_index.llms.openai_like import OpenAILike
    model = OpenAILike(model=MODEL, api_base=URL, api_key="none", is_chat_model=True, is_function_calling_model=True)
    return str(await FunctionAgent(tools=[get_weather], llm=model, system_prompt=INSTRUCTIONS, streaming=False).run(user_msg=QUESTION))


def llama_index_query():
    """Retrieval: texts are embedded, found, and put into the question."""
    from llama_index.core import Document, Settings, VectorStoreIndex
    from llama_index.embeddings.openai import OpenAIEmbedding
    from llama_index.llms.openai_like import OpenAILike
    Settings.llm = OpenAILike(model="gpt-4o", api_base=URL, api_key="none", is_chat_model=True)
    Settings.embed_model = OpenAIEmbedding(model="text-embedding-3-small", api_base=URL, api_key="none")
    index = VectorStoreIndex.from_documents([Document(text="Paris is the capital of France.")])
    return str(index.as_query_engine().query("What is the capital of France?"))


def crewai():
    from crewai import LLM, Agent, Crew, Task
    from crewai.tools import tool
    agent = Agent(role="weather_agent", goal="Tell of the weather", backstory=INSTRUCTIONS, llm=LLM(model="gpt-4.1", provider="openai", base_url=URL, api_key="none"),
                  tools=[tool("get_weather")(get_weather)])
    task = Task(description=QUESTION, expected_output="The weather", agent=agent)
    return str(Crew(agents=[agent], tasks=[task]).kickoff())


def haystack_pipeline():
    from haystack import Pipeline
    from haystack.components.builders import ChatPromptBuilder
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    pipeline = Pipeline()
    pipeline.add_component("prompt", ChatPromptBuilder(template=[ChatMessage.from_user("What is the capital of {{ country }}?")]))
    pipeline.add_component("model", OpenAIChatGenerator(model="gpt-4o", api_base_url=URL))
    pipeline.connect("prompt.prompt", "model.messages")
    return pipeline.run({"prompt": {"country": "France"}})["model"]["replies"][0].text


def smolagents():
    from smolagents import OpenAIServerModel, ToolCallingAgent, tool
    agent = ToolCallingAgent(tools=[tool(get_weather)], model=OpenAIServerModel(MODEL, api_base=URL, api_key="none"), max_steps=2)
    return str(agent.run(QUESTION))


def dspy():
    import dspy
    return dspy.LM("openai/gpt-4o", api_base=URL, api_key="none", cache=False)("What is the capital of France?")


async def autogen():
    from autogen_agentchat.agents import AssistantAgent
    from autogen_ext.models.openai import OpenAIChatCompletionClient
    model = OpenAIChatCompletionClient(model=MODEL, base_url=URL, api_key="none")
    agent = AssistantAgent("weather_agent", model_client=model, tools=[get_weather], system_message=INSTRUCTIONS, reflect_on_tool_use=True)
    return (await agent.run(task=QUESTION)).messages[-1].content


async def ag2():
    from ag2 import Agent
    from ag2.config.openai import OpenAIConfig
    from ag2.middleware.builtin.telemetry import TelemetryMiddleware
    watch = TelemetryMiddleware(agent_name="weather_agent", provider_name="openai", model_name=MODEL)
    agent = Agent("weather_agent", INSTRUCTIONS, config=OpenAIConfig(MODEL, base_url=URL, api_key="none"), tools=[get_weather], middleware=[watch])
    return (await agent.ask(QUESTION)).body


async def livekit():
    """A voice agent, spoken to in writing."""
    from livekit.agents import Agent, AgentSession, function_tool
    from livekit.agents.telemetry import set_tracer_provider
    from livekit.plugins import openai
    from opentelemetry import trace
    set_tracer_provider(trace.get_tracer_provider())

    async def weather(city: str) -> str:
        """Weather of a city"""
        return get_weather(city)
    async with AgentSession(llm=openai.LLM(model=MODEL, base_url=URL, api_key="none")) as session:
        await session.start(Agent(instructions=INSTRUCTIONS, tools=[function_tool(weather, name="get_weather")]))
        result = await session.run(user_input=QUESTION)
        return len(result.events)


async def claude_agent():
    from claude_agent_sdk import ClaudeAgentOptions, query
    options = ClaudeAgentOptions(model="claude-haiku-4-5", env={"ANTHROPIC_BASE_URL": telemetry.URL, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"})
    return [type(message).__name__ async for message in query(prompt="What is the capital of France?", options=options)]


async def semantic_kernel():
    from openai import AsyncOpenAI
    from semantic_kernel.agents import ChatCompletionAgent
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion
    from semantic_kernel.functions import kernel_function

    class Weather:
        get_weather = staticmethod(kernel_function(name="get_weather")(get_weather))
    service = OpenAIChatCompletion(ai_model_id=MODEL, async_client=AsyncOpenAI(base_url=URL))
    agent = ChatCompletionAgent(service=service, name="weather_agent", instructions=INSTRUCTIONS, plugins=[Weather()])
    return str(await agent.get_response(messages=QUESTION))


async def google_adk():
    from google.adk.agents import Agent
    from google.adk.runners import InMemoryRunner
    from google.genai import types
    os.environ.update(GOOGLE_API_KEY="none", GOOGLE_GEMINI_BASE_URL=telemetry.URL)
    runner = InMemoryRunner(agent=Agent(name="weather_agent", model="gemini-2.5-flash", instruction=INSTRUCTIONS, tools=[get_weather]), app_name="shop")
    await runner.session_service.create_session(app_name="shop", user_id="user-42", session_id="session-7")
    said = types.Content(role="user", parts=[types.Part(text=QUESTION)])
    return [event.author async for event in runner.run_async(user_id="user-42", session_id="session-7", new_message=said)]


async def agent_framework():
    from agent_framework import Agent
    from agent_framework.observability import enable_instrumentation
    from agent_framework.openai import OpenAIChatCompletionClient
    enable_instrumentation(enable_sensitive_data=True)
    return str(await Agent(OpenAIChatCompletionClient(model=MODEL, base_url=URL, api_key="none"), name="weather_agent", instructions=INSTRUCTIONS,
                           tools=[get_weather]).run(QUESTION))


def agno():
    from agno.agent import Agent
    from agno.models.openai import OpenAIChat
    return Agent(name="weather_agent", model=OpenAIChat(id=MODEL, base_url=URL), tools=[get_weather], instructions=INSTRUCTIONS, telemetry=False,
                 session_id="session-7", user_id="user-42").run(QUESTION).content


def strands():
    from strands import Agent, tool
    from strands.models.openai import OpenAIModel
    model = OpenAIModel(client_args={"base_url": URL, "api_key": "none"}, model_id=MODEL)
    return str(Agent(model=model, tools=[tool(get_weather)], system_prompt=INSTRUCTIONS, name="weather_agent", callback_handler=None)(QUESTION))


def pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider
    agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=URL)), name="weather_agent", instructions=INSTRUCTIONS)
    agent.tool_plain(get_weather)
    return agent.run_sync(QUESTION).output


def pydantic_ai_anthropic():
    """Streamed, with a typed answer, from another provider."""
    from anthropic import AsyncAnthropic
    from pydantic_ai import Agent
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider
    model = AnthropicModel("claude-sonnet-4-5-20250929", provider=AnthropicProvider(anthropic_client=AsyncAnthropic(base_url=telemetry.URL)))
    result = Agent(model, name="capital_agent").run_stream_sync("What is the capital of France?")
    return "".join(result.stream_text(delta=True))


def litellm():
    import litellm
    question = [{"role": "user", "content": "What is the capital of France?"}]
    litellm.completion(model="openai/gpt-4o", api_base=URL, messages=question)
    pieces = litellm.completion(model="openai/gpt-4o-mini", api_base=URL, messages=question, stream=True, stream_options={"include_usage": True})
    list(pieces)
    answer = litellm.completion(model="anthropic/claude-sonnet-4-5-20250929", api_base=telemetry.URL, messages=question)
    import time
    time.sleep(2)       # callbacks run in threads
    return answer.id


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
