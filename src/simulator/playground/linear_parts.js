// The small things of Linear's page: states, labels, times, texts, and the field in which one writes.

import { avatar } from "./message.js";
import { h, icon } from "./dom.js";
import { markdown } from "./markdown.js";

/** Labels have one of this many tints, by their name. */
const TINTS = 6;

/** A state's circle; in its colour, by the state's type. */
export function stateIcon(type) {
  return h("span", { class: `state state-${type}`, "aria-hidden": "true" }, PICTURES[type]?.() ?? PICTURES.unstarted());
}

const PICTURES = {
  backlog: () => icon("state-backlog"),
  unstarted: () => icon("state-unstarted"),
  started: () => icon("state-started"),
  completed: () => icon("state-completed"),
  canceled: () => icon("state-canceled"),
};

export function label(name) {
  const tint = [...name].reduce((sum, letter) => (sum * 7 + letter.charCodeAt(0)) % 997, 0) % TINTS;
  return h("span", { class: "label" }, h("span", { class: `spot tint-${tint}`, "aria-hidden": "true" }), name);
}

/** A person with name and picture. */
export function person(user) {
  return h("span", { class: "person" }, avatar(user), h("span", {}, user.name));
}

/** How long ago that was, by the simulator's clock (milliseconds). */
export function ago(at, now) {
  const then = new Date(at);
  const minutes = Math.floor((now - at) / 60_000);
  let words = `${then.toLocaleDateString([], { day: "numeric", month: "short" })}`;
  if (minutes < 1) words = "just now";
  else if (minutes < 60) words = `${minutes} min ago`;
  else if (minutes < 24 * 60) words = `${Math.floor(minutes / 60)} h ago`;
  return h("time", { datetime: then.toISOString(), title: then.toLocaleString() }, words);
}

/** Markdown as elements; in what a person wrote, `@baton` and the like are mentions. */
export function text(body, scene, byPerson = false) {
  const source = byPerson ? body.replace(/(?<![\w`\\])@(\w+)/g, (whole, handle) => mentioned(whole, handle, scene)) : body;
  return h("div", { class: "block-markdown" }, markdown(source, { users: scene.users, channels: [], me: scene.me }));
}

function mentioned(whole, handle, scene) {
  const user = scene.users.find((known) => known.handle === handle.toLowerCase());
  return user ? `<@${user.id}>` : whole;
}

/**
 * A field with buttons below it. Enter sends by the first button, Shift+Enter starts a new line. What
 * is not sent is kept for its place, also when the page is reloaded.
 *
 * @param {string} place names where the text belongs
 * @param {string} hint what may be written
 * @param {{name: string, act: (text: string) => Promise<{ok: boolean}>, primary?: boolean}[]} buttons
 */
export function field(place, hint, buttons) {
  const key = `draft linear ${place}`;
  const area = h("textarea", { class: "field", rows: 1, placeholder: hint, "aria-label": hint, maxlength: 12000, on: { input: typed, keydown } });
  area.value = sessionStorage.getItem(key) ?? "";

  function typed(event) {
    const { currentTarget } = event;
    sessionStorage.setItem(key, currentTarget.value);
    currentTarget.style.height = "auto";
    currentTarget.style.height = `${Math.min(currentTarget.scrollHeight + 2, 240)}px`;
  }

  function keydown(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(event.currentTarget, buttons[0]);
  }

  async function send(area, { act }) {
    const said = area.value.trim();
    if (said === "" || area.form.getAttribute("aria-busy")) return;
    area.form.setAttribute("aria-busy", "true");
    const answer = await act(said);
    area.form.removeAttribute("aria-busy");
    if (!answer.ok) return;
    sessionStorage.removeItem(key);
    if (area.value.trim() === said) {
      area.value = "";
      area.style.height = "auto";
    }
  }

  const button = (one, index) =>
    h(
      "button",
      {
        type: "button",
        class: one.primary ? "button primary" : "button",
        "data-key": one.name,
        on: { click: (event) => send(event.currentTarget.form.querySelector("textarea"), buttons[index]) },
      },
      one.name,
    );
  return h("form", { class: "write", autocomplete: "off", "data-key": place, on: { submit: (event) => event.preventDefault() } }, area, h("div", { class: "write-bar" }, buttons.map(button)));
}
