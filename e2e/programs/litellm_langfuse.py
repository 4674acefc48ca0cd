"""LiteLLM's callback for Langfuse, which takes Langfuse's SDK 2 and so reports by the older ingestion.

    python litellm_langfuse.py
Environment: LANGFUSE_HOST, LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY, LLM_BASE_URL.
"""
import os
import time

import litellm

litellm.success_callback = litellm.failure_callback = ["langfuse"]
URL = os.environ["LLM_BASE_URL"]
QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
WHOSE = {"trace_user_id": "user-42", "session_id": "session-7", "tags": ["prod"]}


def ask(model, name, messages=QUESTION, **more):
    base = URL if model.startswith("anthropic/") else URL + "/v1"
    return litellm.completion(model=model, messages=messages, api_base=base, api_key="none", num_retries=0, max_retries=0,
                              metadata=WHOSE | {"generation_name": name, "trace_name": "litellm " + name}, **more)


ask("openai/gpt-4o", "plain")
for _ in ask("openai/gpt-4o-mini", "streamed", stream=True, stream_options={"include_usage": True}):
    pass
ask("anthropic/claude-sonnet-4-5-20250929", "cached")
litellm.embedding(model="openai/text-embedding-3-small", input=["The quick brown fox"], api_base=URL + "/v1", api_key="none",
                  metadata=WHOSE | {"generation_name": "embedding", "trace_name": "litellm embedding"})
try:
    ask("openai/gpt-4o", "refused", [{"role": "user", "content": "Fail please [[400]]"}])
except litellm.exceptions.BadRequestError:
    pass
time.sleep(3)
