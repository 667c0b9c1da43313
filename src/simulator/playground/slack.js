// The playground: a page that looks and behaves like a Slack channel, on the simulated Slack.
//
// This file holds what is looked at (who, where, which thread), fetches the state whenever something
// changed, has it drawn, and carries out what the reader does. Everything else draws or reads.

import { asCommand, THREADS } from "./suggest.js";
import { avatar } from "./message.js";
import { createComposer } from "./composer.js";
import { examples } from "./examples.js";
import { fetchState, post, watch } from "./api.js";
import { h, icon } from "./dom.js";
import { notify } from "./dialogs.js";
import { renderFrame, title } from "./frame.js";
import { renderModals } from "./modal.js";
import { renderTimeline, replies, roots, stayAtEnd } from "./timeline.js";

const byId = (id) => document.getElementById(id);
const USER = "baton user";

/** Below this width a thread covers its channel, and is therefore not opened unasked. */
const SIDE_BY_SIDE = matchMedia("(min-width: 900px)");

/** Where there is no pointer, taking the focus would bring up a keyboard that covers the page. */
const POINTER = matchMedia("(hover: hover)");

const page = {
  user: localStorage.getItem(USER) ?? "U0ADA",
  channel: null,
  thread: null,
  /** The `ts` of the message that is being edited. */
  editing: null,
  linked: true,
  /** The simulator's state as last fetched. */
  scene: null,
  /** A thread that Baton is about to start for what was asked here: `{channel, after, root}`. */
  expected: null,
};

/** The newest message that was looked at, by user and channel. */
const seen = new Map();

// What is looked at stands in the address: `#U0ADA/C0GENERAL/1700000000.000100`.

function readAddress() {
  const [user, channel, thread] = location.hash.slice(1).split("/");
  if (/^[UW]\w+$/.test(user)) page.user = user;
  page.channel = /^[CDG]\w+$/.test(channel ?? "") ? channel : page.channel;
  page.thread = /^\d+\.\d+$/.test(thread ?? "") ? thread : null;
}

function writeAddress() {
  const address = `#${[page.user, page.channel, page.thread].filter(Boolean).join("/")}`;
  if (address !== location.hash) history.pushState(null, "", address);
  localStorage.setItem(USER, page.user);
}

// Fetching: one request at a time; a change during one asks for another.

let fetching = false;
let again = false;

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  do {
    again = false;
    const asked = page.user;
    try {
      const scene = await fetchState(asked);
      if (asked !== page.user) again = true;
      else arrive(scene);
    } catch {
      // The stream of changes ends as well then; when it is back, the state is asked for again.
      again = false;
    }
  } while (again);
  fetching = false;
}

function arrive(scene) {
  page.scene = scene;
  page.user = scene.me.id;
  const { channels } = scene;
  if (!channels.some(({ id }) => id === page.channel)) {
    // Each person has a direct message of their own.
    const direct = page.channel?.startsWith("D") && channels.find(({ is_dm }) => is_dm);
    go((direct || channels[0])?.id ?? null);
  }
  openExpected();
  render();
}

function messages(channel = page.channel) {
  return page.scene.messages[channel] ?? [];
}

// Drawing.

function render() {
  const { scene } = page;
  look();
  renderFrame(scene, page, unread, { go, become });
  const shown = roots(messages());
  renderTimeline(byId("channel-list"), shown, around("channel", { threads: messages(), open }));
  renderIntroduction(shown.length === 0);
  renderThread();
  composers.channel.render();
  composers.thread.render();
  renderModals(scene, ask);
}

function renderThread() {
  const root = page.thread && messages().find(({ ts }) => ts === page.thread);
  const shown = root ? [root, ...replies(messages(), root.ts)] : [];
  byId("thread").hidden = !root;
  document.body.classList.toggle("has-thread", Boolean(root));
  const count = shown.filter((message) => !message.ephemeral).length - 1;
  renderTimeline(byId("thread-list"), shown, around("thread", { count }));
}

function renderIntroduction(empty) {
  const host = byId("introduction");
  host.hidden = !empty;
  const channel = here();
  if (!empty || host.dataset.channel === channel?.id) return;
  host.dataset.channel = channel.id;
  const chip = ({ text, about }) =>
    h("li", {}, h("button", { type: "button", on: { click: () => composers.channel.fill(text) } }, h("span", { class: "title" }, text), h("small", {}, about)));
  host.replaceChildren(
    avatar({ is_bot: true }),
    h("h2", {}, channel.is_dm ? "Talk to Baton" : `Nothing has been said in ${title(channel)}`),
    h("p", {}, "Ask for something and see the whole loop: a plan, its approval in the thread, agents at work, results. Choose one to fill it in, then press Enter."),
    h("ul", { class: "chips" }, examples(channel).map(chip)),
  );
}

/** What messages need to know and can have done. */
function around(scope, more) {
  const click = (what) => ask("click", { channel: page.channel, ...what });
  return { scene: page.scene, scope, editing: page.editing, click, edit, save, shortcut, ...more };
}

function here() {
  return page.scene.channels.find(({ id }) => id === page.channel);
}

// What is new: anything that others said since the channel was last looked at.

function newest(channel) {
  return messages(channel).reduce((latest, { ts }) => Math.max(latest, Number(ts)), 0);
}

function look() {
  for (const { id } of page.scene.channels) {
    const key = `${page.user}/${id}`;
    if (id === page.channel || !seen.has(key)) seen.set(key, newest(id));
  }
}

function unread(channel) {
  const since = seen.get(`${page.user}/${channel}`) ?? 0;
  return messages(channel).some(({ ts, user }) => user.id !== page.user && Number(ts) > since);
}

// Going somewhere.

function go(channel) {
  Object.assign(page, { channel, thread: null, editing: null, expected: null });
  moved();
  focus(composers.channel);
}

function become(user) {
  Object.assign(page, { user, editing: null, expected: null });
  writeAddress();
  refresh();
}

function open(thread) {
  show(thread);
  focus(composers.thread);
}

/** Opens a thread and leaves the focus where it is. */
function show(thread) {
  Object.assign(page, { thread, expected: null });
  writeAddress();
  render();
  scrolls.thread.reset();
}

function closeThread() {
  page.thread = null;
  moved();
  focus(composers.channel);
}

function focus(composer) {
  if (POINTER.matches) composer.focus();
}

function moved() {
  document.body.classList.remove("sidebar-open");
  writeAddress();
  if (!page.scene) return;
  render();
  if (!page.thread) scrolls.channel.reset();
}

/** Opens the thread that Baton started for what was asked here, if it has. */
function openExpected() {
  const { expected } = page;
  if (!expected || expected.channel !== page.channel || !SIDE_BY_SIDE.matches) return;
  const answer = messages().find(
    ({ user, ts, thread_ts, ephemeral }) =>
      user.is_bot && !ephemeral && thread_ts && thread_ts !== ts && Number(ts) > expected.after &&
      (thread_ts === expected.root || Number(thread_ts) > expected.after),
  );
  if (answer) show(answer.thread_ts);
}

function expect(root = null) {
  page.expected = { channel: page.channel, after: newest(page.channel), root };
}

// Doing something.

/** Sends a request as the one who looks, says what went wrong, and fetches what came of it. */
async function ask(action, body) {
  if (action === "submit") expect();
  const answer = await post(action, { user: page.user, ...body });
  if (!answer.ok && !answer.errors) notify(answer.error ?? `Baton answered ${answer.status}.`);
  refresh();
  return answer;
}

async function send(text, thread) {
  const { scene, channel } = page;
  if (!scene) return false;
  const command = asCommand(text, scene);
  if (command && thread) {
    notify(THREADS);
    return false;
  }
  if (command && !command.known) {
    notify(`${command.name} is not a command here. There are ${scene.commands.map(({ name }) => name).join(", ")}.`);
    return false;
  }
  if (!thread) expect();
  const answer = command
    ? await ask("command", { channel, command: command.name, text: command.rest })
    : await ask("say", { channel, text, ...(thread && { thread_ts: thread }) });
  return answer.ok;
}

function edit(message) {
  page.editing = message?.ts ?? null;
  render();
  const field = document.querySelector(".editor textarea");
  field?.focus();
  field?.setSelectionRange(field.value.length, field.value.length);
}

async function save(message, text) {
  page.editing = null;
  render();
  if (text) await ask("edit", { channel: page.channel, ts: message.ts, text });
}

async function shortcut(message) {
  expect(message.thread_ts ?? message.ts);
  await ask("shortcut", { channel: page.channel, ts: message.ts });
}

function editLast(shown) {
  const mine = shown.filter(({ user, ephemeral, deleted }) => user.id === page.user && !ephemeral && !deleted);
  if (mine.length > 0) edit(mine.at(-1));
}

// Putting the page together.

const composers = {
  channel: createComposer(byId("channel-composer"), {
    scene: () => page.scene,
    inThread: false,
    place: () => `${page.user}/${page.channel}`,
    label: () => `Message ${title(here())}, or type /`,
    examples: () => (page.scene ? examples(here()) : examples(null)),
    send: (text) => send(text, null),
    editLast: () => editLast(roots(messages())),
  }),
  thread: createComposer(byId("thread-composer"), {
    scene: () => page.scene,
    inThread: true,
    place: () => `${page.user}/${page.channel}/${page.thread}`,
    label: () => "Reply in the thread",
    examples: () => [],
    send: (text) => send(text, page.thread),
    editLast: () => editLast(replies(messages(), page.thread)),
  }),
};

const scrolls = {
  channel: stayAtEnd(byId("channel-scroll"), byId("channel-list"), byId("channel-more")),
  thread: stayAtEnd(byId("thread-scroll"), byId("thread-list"), byId("thread-more")),
};

byId("thread-close").append(icon("close"));
byId("thread-close").addEventListener("click", closeThread);
byId("skip").addEventListener("click", () => composers.channel.focus());
byId("sidebar-toggle").addEventListener("click", () => document.body.classList.toggle("sidebar-open"));
byId("sidebar-shade").addEventListener("click", () => document.body.classList.remove("sidebar-open"));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && page.thread && !event.defaultPrevented && !document.querySelector("dialog[open]")) closeThread();
});
addEventListener("popstate", () => {
  const { user } = page;
  readAddress();
  if (user !== page.user) refresh();
  else if (page.scene) render();
});
// Words such as "2 min ago" age while nothing else changes.
setInterval(refresh, 60_000);

readAddress();
watch(refresh, (linked) => {
  page.linked = linked;
  if (page.scene) render();
});
