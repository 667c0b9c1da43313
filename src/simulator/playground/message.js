// One message as a page element: who, when, what, its files, reactions and thread, and what can be
// done with it.
//
// Called by `timeline.js` whenever a message, or what surrounds it, is another than it was.

import { emoji } from "./emoji.js";
import { h, icon, localUrl } from "./dom.js";
import { mrkdwn, typed } from "./mrkdwn.js";
import { renderBlocks } from "./blocks.js";

/** Avatars have one of this many tints, by the person's id. */
const TINTS = 6;

/**
 * @param message as the simulator tells it
 * @param {{continued: boolean, editing: boolean, thread: {count: number, last: string, people: Object[]} | null}} how
 *   `continued`: follows another of the same author closely
 * @param around `scene`, `scope`, and what can be done: `click`, `open`, `edit`, `save`, `shortcut`
 */
export function renderMessage(message, how, around) {
  const { user } = message;
  const { scene } = around;
  const classes = ["message", how.continued && "continued", message.ephemeral && "ephemeral", how.editing && "editing"];
  const who = h(
    "header",
    {},
    h("strong", {}, user.name),
    user.is_bot && h("span", { class: "badge" }, "App"),
    time(message.ts),
  );
  const body = how.editing
    ? editor(message, around)
    : [content(message, around), message.edited && h("span", { class: "edited" }, "(edited)")];
  return h(
    "article",
    { class: classes.filter(Boolean).join(" "), "aria-label": `${user.name}, ${clock(message.ts)}` },
    h("div", { class: "gutter" }, how.continued ? time(message.ts) : avatar(user)),
    h(
      "div",
      { class: "message-body" },
      message.ephemeral && h("p", { class: "only-you" }, icon("eye"), "Only visible to you"),
      how.continued ? null : who,
      h("div", { class: "content" }, body),
      files(message),
      reactions(message, scene),
      how.thread && threadLink(message, how.thread, around),
    ),
    !message.ephemeral && !message.deleted && !how.editing && tools(message, around),
  );
}

/** A person's or an app's picture. */
export function avatar(user) {
  if (user.is_bot) return h("span", { class: "avatar app", "aria-hidden": "true" }, icon("baton"));
  const tint = [...user.id].reduce((sum, letter) => (sum * 13 + letter.charCodeAt(0)) % 997, 0) % TINTS;
  return h("span", { class: `avatar tint-${tint}`, "aria-hidden": "true" }, user.name.slice(0, 1).toUpperCase());
}

/** A message's time, `14:05`, where its timestamp is read as Slack's (seconds and a counter). */
export function clock(ts) {
  return new Date(Number(ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function time(ts) {
  const at = new Date(Number(ts) * 1000);
  return h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, clock(ts));
}

function content(message, around) {
  if (message.deleted) return h("p", { class: "gone" }, "This message was deleted.");
  if (!message.blocks?.length) return h("div", { class: "block-text" }, mrkdwn(message.text ?? "", around.scene));
  const act = ({ block, part, value, selected }) =>
    around.click({ ts: message.ts, action_id: part.action_id, block_id: block.block_id, value, selected });
  return renderBlocks(message.blocks, { scene: around.scene, scope: `${around.scope}/${message.ts}`, act });
}

function editor(message, { scene, save, edit }) {
  const send = (event) => {
    event.preventDefault();
    save(message, event.currentTarget.closest("form").querySelector("textarea").value.trim());
  };
  const keydown = (event) => {
    if (event.key === "Escape") edit(null);
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
    else return;
    event.stopPropagation();
  };
  return h(
    "form",
    { class: "editor", on: { submit: send } },
    h("textarea", { class: "field", rows: 3, "aria-label": "Edit your message", on: { keydown } }, typed(message.text ?? "", scene)),
    h(
      "div",
      { class: "dialog-buttons" },
      h("button", { type: "button", class: "button", on: { click: () => edit(null) } }, "Cancel"),
      h("button", { type: "submit", class: "button primary" }, "Save"),
    ),
  );
}

function files(message) {
  const list = message.files ?? [];
  return list.length > 0 && h("div", { class: "files" }, list.map(file));
}

/** A picture is shown, anything else offered to be kept. */
function file({ name, title, mimetype, url, size }) {
  const path = localUrl(url);
  const shown = title || name || "File";
  if (path && mimetype?.startsWith("image/")) {
    const picture = h("img", { src: path, alt: shown, loading: "lazy" });
    return h("figure", { class: "file-picture" }, h("a", { href: path, target: "_blank" }, picture), h("figcaption", {}, shown));
  }
  const kind = (name ?? "").split(".").pop().slice(0, 4).toUpperCase() || "FILE";
  const inner = [
    h("span", { class: "file-kind", "aria-hidden": "true" }, kind),
    h("span", { class: "file-name" }, shown, h("small", {}, [name !== shown && name, bytes(size)].filter(Boolean).join(" · "))),
  ];
  if (!path) return h("div", { class: "file" }, inner);
  return h("a", { class: "file", href: path, download: name ?? "", "aria-label": `Download ${shown}` }, inner, icon("download"));
}

function bytes(size) {
  if (typeof size !== "number") return "";
  if (size < 1024) return `${size} bytes`;
  return size < 1024 * 1024 ? `${(size / 1024).toFixed(1)} KB` : `${(size / 1024 / 1024).toFixed(1)} MB`;
}

function reactions(message, scene) {
  const list = (message.reactions ?? []).map(({ name, users }) => {
    const names = users.map((id) => scene.users.find((user) => user.id === id)?.name ?? id).join(", ");
    const label = `${names} reacted with ${name.replaceAll("_", " ")}`;
    return h("li", { title: label, "aria-label": label, "data-key": name }, emoji(name), h("span", {}, String(users.length)));
  });
  return list.length > 0 && h("ul", { class: "reactions", "aria-label": "Reactions" }, list);
}

function threadLink(message, { count, last, people }, { open }) {
  return h(
    "button",
    { type: "button", class: "thread-link", on: { click: () => open(message.ts) } },
    h("span", { class: "faces" }, people.map(avatar)),
    h("span", { class: "count" }, count === 1 ? "1 reply" : `${count} replies`),
    h("span", { class: "last" }, `last reply ${last}`),
  );
}

function tools(message, { scene, open, shortcut, edit }) {
  const tool = (name, text, click) =>
    h("button", { type: "button", class: "icon-button", title: text, "aria-label": text, "data-key": name, on: { click } }, icon(name));
  return h(
    "div",
    { class: "tools", role: "group", "aria-label": "Message actions" },
    open && tool("reply", "Reply in thread", () => open(message.thread_ts ?? message.ts)),
    tool("spark", "Orchestrate this", () => shortcut(message)),
    message.user.id === scene.me.id && tool("edit", "Edit", () => edit(message)),
  );
}
