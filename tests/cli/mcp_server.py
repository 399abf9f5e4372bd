"""An MCP server with one tool, over standard input and output.
https://modelcontextprotocol.io/specification/2025-06-18/basic/transports#stdio
"""

import json
import sys

TOOL = {"name": "add", "description": "Adds two numbers.",
        "inputSchema": {"type": "object", "required": ["a", "b"],
                        "properties": {"a": {"type": "number"}, "b": {"type": "number"}}}}


def result_of(request):
    """What the request asks for; nothing where it asks for what this server does not have."""
    parameters = request.get("params", {})
    if request["method"] == "initialize":
        return {"protocolVersion": parameters["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "sums", "version": "1"}}
    if request["method"] == "tools/list":
        return {"tools": [TOOL]}
    if request["method"] == "tools/call":
        numbers = parameters["arguments"]
        return {"content": [{"type": "text", "text": f"The sum is {numbers['a'] + numbers['b']}."}]}
    return {} if request["method"] == "ping" else None


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    reply = {"jsonrpc": "2.0", "id": asked["id"]}
    result = result_of(asked)
    if result is None:
        reply["error"] = {"code": -32601, "message": "there is no method " + asked["method"]}
    else:
        reply["result"] = result
    print(json.dumps(reply), flush=True)
