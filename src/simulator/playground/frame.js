// What surrounds the messages: the list of channels, the channel's head, and whom one acts as.
//
// Draws from the simulator's state and the place that is looked at; `slack.js` says what a click does.

import { avatar } from "./message.js";
import { h, icon, keyed } from "./dom.js";

const byId = (id) => document.getElementById(id);

/**
 * @param scene the simulator's state
 * @param {{channel: string, linked: boolean}} place
 * @param {(channel: string) => boolean} unread
 * @param {{go: (channel: string) => void, become: (user: string) => void}} actions
 */
export function renderFrame(scene, place, unread, { go, become }) {
  const row = (channel) => ({
    key: channel.id,
    signature: JSON.stringify([channel, channel.id === place.channel, unread(channel.id)]),
    build: () => channelRow(channel, channel.id === place.channel, unread(channel.id), go),
  });
  keyed(byId("channels"), scene.channels.filter(({ is_dm }) => !is_dm).map(row));
  keyed(byId("directs"), scene.channels.filter(({ is_dm }) => is_dm).map(row));

  const people = scene.users.filter(({ is_bot }) => !is_bot);
  const person = (user) => ({
    key: user.id,
    signature: JSON.stringify([user, user.id === scene.me.id]),
    build: () => personButton(user, user.id === scene.me.id, become),
  });
  keyed(byId("people"), people.map(person));

  const channel = scene.channels.find(({ id }) => id === place.channel);
  renderHead(channel);
  byId("linked").hidden = place.linked;
  document.title = `${channel ? title(channel) : "…"} · Baton playground`;
}

/** A channel as it is called: `#general`, or the other one's name in a direct message. */
export function title(channel) {
  return channel.is_dm ? channel.name : `#${channel.name}`;
}

function renderHead(channel) {
  if (!channel) return;
  byId("channel-title").replaceChildren(sign(channel), h("span", {}, channel.name));
  const absent = !channel.is_dm && !channel.bot_member;
  byId("channel-note").textContent = absent ? "Baton is not in this channel" : "";
}

function channelRow(channel, current, unread, go) {
  const attributes = {
    type: "button",
    class: unread ? "place unread" : "place",
    "aria-current": current ? "page" : null,
    on: { click: () => go(channel.id) },
  };
  const news = unread && h("span", { class: "dot" }, h("span", { class: "hidden" }, "new messages"));
  return h("li", {}, h("button", attributes, sign(channel), h("span", { class: "name" }, channel.name), news));
}

function sign(channel) {
  if (channel.is_dm) return h("span", { class: "sign app", "aria-hidden": "true" }, icon("baton"));
  return h("span", { class: "sign", "aria-hidden": "true" }, channel.private ? icon("lock") : "#");
}

function personButton(user, current, become) {
  return h(
    "li",
    {},
    h(
      "button",
      { type: "button", "aria-pressed": String(current), title: `Act as ${user.name}`, on: { click: () => become(user.id) } },
      avatar(user),
      h("span", { class: "name" }, user.name),
    ),
  );
}
