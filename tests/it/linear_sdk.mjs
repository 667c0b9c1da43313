// Linear's own SDK against the simulated Linear: its webhook verifier believes what is signed there
// and nothing else, and its client gets what it expects. Run by linear_sdk.rs, with the folder of
// the SDK and a file that says where everything is.
import { readFileSync } from "node:fs";

const [sdk, file] = process.argv.slice(2);
const { LinearClient } = await import(`${sdk}/dist/index.mjs`);
const { LinearWebhookClient } = await import(`${sdk}/dist/webhooks/index.mjs`);
const { api, token, secret, webhook, session, issue } = JSON.parse(readFileSync(file, "utf8"));

const done = [];
const check = (name, is) => {
  if (!is) throw new Error(`not so: ${name}`);
  done.push(name);
};
const refused = async (action) => {
  try {
    await action();
    return null;
  } catch (error) {
    return error;
  }
};

// Its verifier: https://linear.app/developers/webhooks#securing-webhooks
const verifier = new LinearWebhookClient(secret);
const body = Buffer.from(webhook.body);
const signature = webhook.headers["linear-signature"];
const payload = verifier.parseData(body, signature, JSON.parse(webhook.body).webhookTimestamp);
check("a webhook of the simulator is believed", payload.type === "AgentSessionEvent");
check("it says where its text is", typeof payload.agentSession.id === "string");
const tampered = Buffer.from(webhook.body.replace("AgentSessionEvent", "AgentSessionEvenT"));
check("another body is not", await refused(() => verifier.parseData(tampered, signature)));
check("another secret is not", await refused(() => new LinearWebhookClient("x").parseData(body, signature)));

// Its client, with the documents that it brings.
const client = new LinearClient({ accessToken: token, apiUrl: `${api}/graphql` });
const id = crypto.randomUUID();
const input = { id, agentSessionId: session, content: { type: "thought", body: "From Linear's SDK" } };
const said = await client.createAgentActivity(input);
check("an activity is created", said.success === true);
const conflict = await refused(() => client.createAgentActivity(input));
check(`the same id is a conflict: ${conflict}`, /conflict on insert of/i.test(`${conflict}`));
check("which is of its type", conflict.type === "InvalidInput");
const odd = { agentSessionId: session, content: { type: "action", action: "x" } };
check("a shape that Linear refuses is refused", await refused(() => client.createAgentActivity(odd)));
const plan = [{ content: "one", status: "inProgress" }];
check("a plan is a list", (await client.updateAgentSession(session, { plan })).success === true);
check("a comment is created", (await client.createComment({ issueId: issue, body: "Hello" })).success === true);
const card = { issueId: issue, title: "Baton", url: "https://baton.example.com/o1" };
check("a card is an upsert", (await client.createAttachment(card)).success && (await client.createAttachment(card)).success);
const stranger = new LinearClient({ accessToken: "nobody", apiUrl: `${api}/graphql` });
const unknown = await refused(() => stranger.createComment({ issueId: issue, body: "x" }));
check("a token that lapsed is an authentication error", unknown?.type === "AuthenticationError");

console.log(`${done.length} checks by @linear/sdk`);
