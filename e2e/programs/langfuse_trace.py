"""A trace as Langfuse's SDK 2 tells it: created, updated and scored by events."""
import os

from langfuse import Langfuse
from openai import OpenAI

langfuse = Langfuse()
assert langfuse.auth_check()
question = [{"role": "user", "content": "What is the capital of France?"}]
trace = langfuse.trace(name="geography", user_id="u-7", session_id="s-7")
generation = trace.generation(name="ask", model="gpt-4o", input=question)
answer = OpenAI(base_url=os.environ["LLM_BASE_URL"] + "/v1", max_retries=0).chat.completions.create(model="gpt-4o", messages=question)
generation.update(model=answer.model, output=answer.choices[0].message.content)
langfuse.flush()
cached = answer.usage.prompt_tokens_details.cached_tokens
generation.end(usage_details={
    "input": answer.usage.prompt_tokens - cached, "input_cached_tokens": cached, "output": answer.usage.completion_tokens,
})
trace.score(name="helpful", value=1, comment="short")
langfuse.flush()
print(trace.id)
