"""LangChain and LangGraph.

    python calls_langchain.py MODE...        Environment: telemetry.py
"""
import sys

import telemetry

telemetry.start()
from langchain.agents import create_agent  # noqa: E402
from langchain_core.output_parsers import StrOutputParser  # noqa: E402
from langchain_core.prompts import ChatPromptTemplate  # noqa: E402
from langchain_core.tools import tool  # noqa: E402
from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: E402

URL = telemetry.URL + "/v1"
watch = {}
if telemetry.HOW == "langfuse":
    from langfuse.langchain import CallbackHandler
    watch = {"callbacks": [CallbackHandler()]}


def model(name="gpt-4o", **more):
    return ChatOpenAI(model=name, base_url=URL, max_retries=0, **more)


@tool
def get_weather(city: str) -> str:
    """Weather of a city."""
    return "18 C and sunny in " + city


def chain():
    prompt = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{question}")])
    return (prompt | model() | StrOutputParser()).invoke({"question": "What is the capital of France?"}, config=watch)


def stream():
    return "".join(piece.content for piece in model(stream_usage=True).stream("What is the capital of France?", config=watch))


async def asynchronous():
    return (await model("gpt-5-mini").ainvoke("What is the capital of France?", config=watch)).content


def batch():
    return [answer.id for answer in model("gpt-4o-mini").batch(["Question 1", "Question 2", "Question 3"], config=watch)]


def structured():
    schema = {"title": "weather", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return model("gpt-4o-mini").with_structured_output(schema, method="function_calling").invoke("Where is it sunny?", config=watch)


def responses():
    return model("gpt-5-mini", use_responses_api=True).invoke("What is the capital of France?", config=watch).id


def agent():
    made = create_agent(model("gpt-4.1"), [get_weather], system_prompt="You are a weather assistant.", name="weather_agent")
    return made.invoke({"messages": [{"role": "user", "content": "How is the weather in Tokyo?"}]}, config=watch)["messages"][-1].content


def graph():
    from langgraph.graph import END, START, MessagesState, StateGraph

    def answer(state):
        return {"messages": [model().invoke(state["messages"])]}
    made = StateGraph(MessagesState)
    made.add_node("answer", answer)
    made.add_edge(START, "answer")
    made.add_edge("answer", END)
    return made.compile().invoke({"messages": [("user", "What is the capital of France?")]}, config=watch)["messages"][-1].content


def embed():
    return len(OpenAIEmbeddings(model="text-embedding-3-small", base_url=URL, check_embedding_ctx_length=False).embed_documents(["one", "two"]))


def error():
    model().invoke("Fail please [[429]]", config=watch)


telemetry.run({name.replace("_", "-"): made for name, made in globals().items() if callable(made)}, sys.argv[1:])
