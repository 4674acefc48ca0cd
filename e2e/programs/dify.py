"""What Dify reports to Langfuse, by Langfuse's SDK 2 for Python: ids of Dify's own, items made when they are over, empty fields left out,
usage as an object of which most is null. A chat application (the trace of a message) and a workflow with its nodes.

    python dify.py message workflow
Environment: LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY, LLM_BASE_URL.
"""
import os
import sys
import uuid
from datetime import datetime, timedelta

from langfuse import Langfuse
from openai import OpenAI

client = Langfuse(public_key=os.environ["LANGFUSE_PUBLIC_KEY"], secret_key=os.environ["LANGFUSE_SECRET_KEY"], host=os.environ["LANGFUSE_HOST"])
provider = OpenAI(base_url=os.environ["LLM_BASE_URL"] + "/v1")
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]


def given(**fields):
    return {name: value for name, value in fields.items() if value is not None}


def usage(answer, price=None):
    return {"promptTokens": None, "completionTokens": None, "input": answer.usage.prompt_tokens, "output": answer.usage.completion_tokens,
            "total": answer.usage.total_tokens, "unit": "TOKENS", "inputCost": None, "outputCost": None, "totalCost": price}


def message():
    """Ids are those of Dify's rows: UUIDs with hyphens. The generation has none and is given one by the SDK."""
    id, began = str(uuid.uuid4()), datetime.now()
    answer = provider.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    said, ended = answer.choices[0].message.content, datetime.now()
    metadata = {"message_id": id, "ls_provider": "openai", "ls_model_name": "gpt-4o-mini", "status": "normal", "conversation_id": "session-7"}
    client.trace(**given(id=id, user_id="user-42", name="message", input=QUESTION, output=said, metadata=metadata, session_id="session-7",
                         version=None, release=None, tags=["message", "chat"], public=None))
    client.generation(**given(name="llm", trace_id=id, start_time=began, end_time=ended, model="gpt-4o-mini", input=QUESTION, output=said,
                              metadata=metadata, level="DEFAULT", status_message="", usage=usage(answer, 0.0000198), parent_observation_id=None))
    # A name for the conversation, and what to ask next, are traces of the same id.
    client.span(**given(name="suggested_question", trace_id=id, start_time=ended, end_time=ended + timedelta(milliseconds=3), input=said,
                        output=["And its weather?"], level="DEFAULT", status_message=""))


def workflow():
    run, message_id, node, start, llm = (str(uuid.uuid4()) for _ in range(5))
    began = datetime.now()
    answer = provider.chat.completions.create(model="gpt-4.1", messages=QUESTION)
    said, ended = answer.choices[0].message.content, datetime.now()
    client.trace(**given(id=message_id, user_id="user-42", name="message", input={"sys.query": QUESTION[1]["content"]}, output={"answer": said},
                         metadata={"workflow_run_id": run}, session_id="session-7", tags=["message", "workflow"], version="2026-11-01"))
    client.span(**given(id=run, trace_id=message_id, name="workflow", input={"sys.query": QUESTION[1]["content"]}, output={"answer": said},
                        start_time=began, end_time=ended, level="DEFAULT", status_message=""))
    for id, name, kind in ((start, "Start", "start"), (node, "Knowledge", "knowledge-retrieval")):
        client.span(**given(id=id, trace_id=message_id, name=kind, start_time=began, end_time=began + timedelta(milliseconds=2), input={}, output={},
                            metadata={"node_name": name, "total_tokens": 0}, level="DEFAULT", status_message="", parent_observation_id=run))
    client.generation(**given(id=llm, name="LLM", trace_id=message_id, model="gpt-4.1", start_time=began, end_time=ended, input=QUESTION,
                              output={"text": said, "usage": {"total_tokens": answer.usage.total_tokens}, "finish_reason": "stop"},
                              metadata={"node_name": "LLM", "total_tokens": answer.usage.total_tokens, "total_price": "0.000972", "currency": "USD"},
                              level="DEFAULT", status_message="", parent_observation_id=run, usage=usage(answer)))


print("key of the project:", client.client.projects.get().data[0].id, client.auth_check())
for mode in sys.argv[1:]:
    {"message": message, "workflow": workflow}[mode]()
client.flush()
