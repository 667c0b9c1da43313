// Requests to try, offered where nothing has been said yet and by the composer's button.
//
// What stands in square brackets is understood by the simulated agents only, and steers them.

const MIGRATE = "Migrate the tests from Jest to Vitest, one child per package: api, web, cli";

const COMMANDS = [
  { text: `/orchestrate ${MIGRATE}`, about: "Several agents: a plan, its approval, a live board" },
  { text: `/orchestrate ${MIGRATE} [fail: 2]`, about: "The second child fails and can be retried" },
  { text: `/orchestrate ${MIGRATE} [block: 1]`, about: "The first child has a question" },
  { text: `/orchestrate ${MIGRATE} [breach]`, about: "A child starts before anybody approved, and is stopped" },
  { text: "/orchestrate each:api,web,cli Update dependencies of {item}", about: "One child for each name, no planning" },
  { text: "/plan Move the session store from Redis to PostgreSQL", about: "A plan first, then its approval" },
  { text: "/oz Why does the nightly build take forty minutes?", about: "One agent, no fan-out" },
  { text: "/orchestrate", about: "The form, with every setting" },
  { text: "/oz help", about: "What else there is" },
];

const MENTION = { text: "@baton Add rate limiting to the public endpoints of api and web", about: "The same by a mention" };

const DIRECT = [
  { text: MIGRATE, about: "In a direct message no command is needed" },
  { text: "Why does the nightly build take forty minutes?", about: "A question" },
  ...COMMANDS.slice(4),
];

/** The requests that make sense in that channel. */
export function examples(channel) {
  return channel?.is_dm ? DIRECT : [...COMMANDS.slice(0, 7), MENTION, ...COMMANDS.slice(7)];
}
