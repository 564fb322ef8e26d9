// What the official client makes of a Glia server: one JSON line with what it saw. Arguments: base URL, API key.
import OpenAI, { toFile } from "openai";

const [, , baseURL, apiKey] = process.argv;
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const seen = {};
const model = "agent:quoting";
const ask = "What is 17 * 23?";

seen.models = (await client.models.list()).data.map((one) => one.id);

const chat = await client.chat.completions.create({ model, messages: [{ role: "user", content: ask }] });
seen.chat = chat.choices[0].message.content;

const chunks = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: ask }],
  stream: true,
  stream_options: { include_usage: true },
});
seen.chatStream = "";
for await (const chunk of chunks) {
  seen.chatStream += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) seen.chatTokens = chunk.usage.total_tokens;
}

const response = await client.responses.create({ model, input: ask });
seen.response = response.output_text;
seen.retrieved = (await client.responses.retrieve(response.id)).output_text;

const stream = client.responses.stream({ model, input: ask });
seen.events = [];
for await (const event of stream) seen.events.push(event.type);
seen.streamed = (await stream.finalResponse()).output_text;

const background = await client.responses.create({ model, input: ask, background: true });
let later = background;
for (let tries = 0; tries < 300 && ["queued", "in_progress"].includes(later.status); tries++) {
  await new Promise((done) => setTimeout(done, 30));
  later = await client.responses.retrieve(background.id);
}
seen.background = [later.status, later.output_text];

const upload = await client.files.create({ file: await toFile(Buffer.from("hello"), "a.txt"), purpose: "user_data" });
seen.file = await (await client.files.content(upload.id)).text();
seen.files = [];
for await (const file of client.files.list()) seen.files.push(file.filename);
seen.deleted = (await client.files.delete(upload.id)).deleted;

const conversation = await client.conversations.create({ items: [{ role: "user", content: "I am Ada." }] });
await client.responses.create({ model, input: ask, conversation: conversation.id });
seen.items = [];
for await (const item of client.conversations.items.list(conversation.id)) seen.items.push(item.type);

try {
  await client.responses.create({ model: "agent:nobody", input: "a" });
} catch (error) {
  seen.error = [error.constructor.name, error.status, error.code, error.param];
}
console.log(JSON.stringify(seen));
