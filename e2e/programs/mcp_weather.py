"""An agent whose tool stands behind the Model Context Protocol, in a server of its own that reports by itself.

    python mcp_weather.py ask          The client: asks the model, calls the tool of the server that it starts, asks the model once more.
    python mcp_weather.py serve        The server, over standard input and output.
    Environment: telemetry.py; MCP_TELEMETRY: how the server reports.
"""
import json
import os
import sys

SERVE = sys.argv[1] == "serve"
if SERVE:
    os.environ["TELEMETRY"] = os.environ["MCP_TELEMETRY"]
import telemetry  # noqa: E402

telemetry.start()


def serve():
    from mcp.server.mcpserver import MCPServer
    server = MCPServer("weather")

    @server.tool()
    def get_weather(city: str) -> str:
        """Weather of a city"""
        return "18 C and sunny in " + city
    server.run()
    telemetry.stop()


async def ask():
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client
    from openai import OpenAI
    client = OpenAI(base_url=telemetry.URL + "/v1")
    messages = [{"role": "user", "content": "How is the weather in Tokyo?"}]
    command = StdioServerParameters(command=sys.executable, args=[__file__, "serve"], env=dict(os.environ))
    async with stdio_client(command) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        offered = [{"type": "function", "function": {"name": tool.name, "description": tool.description, "parameters": {"type": "object"}}}
                   for tool in (await session.list_tools()).tools]
        asked = client.chat.completions.create(model="gpt-4.1", messages=messages, tools=offered).choices[0].message
        call = asked.tool_calls[0]
        got = await session.call_tool(call.function.name, json.loads(call.function.arguments))
        messages += [asked.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": got.content[0].text}]
        return client.chat.completions.create(model="gpt-4.1", messages=messages, tools=offered).choices[0].message.content


if SERVE:
    serve()
else:
    telemetry.run({"ask": ask}, sys.argv[1:])
