// Runs one scenario with Anthropic's TypeScript client and prints what it saw as JSON.
// Arguments: scenario, base URL, token.
import Anthropic from "@anthropic-ai/sdk";

const [scenario, baseURL, authToken] = process.argv.slice(2);
const client = new Anthropic({ baseURL, authToken, maxRetries: 0, timeout: 60_000 });

const weather = {
  name: "get_weather",
  description: "The weather in a city.",
  input_schema: {
    type: "object",
    properties: { city: { type: "string" }, days: { type: "integer" } },
    required: ["city"],
  },
};

const ask = (content, more = {}) => ({
  model: "claude-any",
  max_tokens: 4000,
  messages: [{ role: "user", content }],
  ...more,
});

const failure = async (work) => {
  try {
    await work();
    return "no error";
  } catch (error) {
    return {
      name: error.constructor.name,
      status: error.status ?? null,
      type: error.error?.error?.type ?? null,
      message: error.error?.error?.message ?? error.message,
      requestID: error.requestID ?? null,
    };
  }
};

const scenarios = {
  async stream() {
    const stream = client.messages.stream(ask("LONG"));
    const events = [];
    let text = "";
    stream.on("streamEvent", (event) => {
      if (event.type !== "ping" && events.at(-1) !== event.type) events.push(event.type);
    });
    stream.on("text", (delta) => (text += delta));
    const message = await stream.finalMessage();
    return { events, text, message, requestID: stream.request_id };
  },

  async thinking() {
    const stream = client.messages.stream(ask("THINK", { thinking: { type: "adaptive" } }));
    let thought = "";
    stream.on("thinking", (delta) => (thought += delta));
    return { message: await stream.finalMessage(), thought };
  },

  async tools() {
    const request = ask("WEATHER please", { tools: [weather] });
    const inputs = [];
    const first = await client.messages
      .stream(request)
      .on("inputJson", (_, snapshot) => inputs.push(snapshot))
      .finalMessage();
    const call = first.content.find((block) => block.type === "tool_use");
    const second = await client.messages
      .stream({
        ...request,
        messages: [
          ...request.messages,
          { role: "assistant", content: first.content },
          { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "rain" }] },
        ],
      })
      .finalMessage();
    return { first, second, lastInput: inputs.at(-1) };
  },

  async runner() {
    const asked = [];
    const message = await client.beta.messages.toolRunner({
      ...ask("WEATHER please"),
      tools: [{ ...weather, run: (input) => (asked.push(input), "rain"), parse: (input) => input }],
    });
    return { message, asked };
  },

  async errors() {
    const stranger = new Anthropic({ baseURL, authToken: "wrong", maxRetries: 0 });
    return {
      token: await failure(() => stranger.messages.create(ask("hi"))),
      path: await failure(() => client.messages.create(ask([{ type: "text" }]))),
      stream: await failure(() => client.messages.stream(ask([{ type: "text" }])).finalMessage()),
      model: await failure(() => client.models.retrieve("gpt-2")),
      large: await failure(() => client.messages.create(ask("x".repeat(100_000_000)))),
      after: (await client.messages.create(ask("hi"))).content[0].text,
    };
  },

  async abort() {
    const stream = client.messages.stream(ask("ENDLESS", { max_tokens: 20000 }));
    let text = "";
    stream.on("text", (delta) => {
      text += delta;
      if (text.includes("line 3.")) stream.abort();
    });
    return { error: await failure(() => stream.finalMessage()), aborted: stream.aborted, text };
  },

  async other() {
    const models = [];
    for await (const model of client.models.list()) models.push(model.id);
    const counted = await client.messages.countTokens({
      model: "m",
      messages: [{ role: "user", content: "Hello." }],
    });
    const { data, request_id } = await client.messages.create(ask("Hello.")).withResponse();
    return { models, counted, usage: data.usage, requestID: request_id };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
