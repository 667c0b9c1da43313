// Where messages and commands are typed: one below the channel, one below the thread.
//
// Enter sends, Shift+Enter starts a new line, Tab or Enter takes a suggestion, ArrowUp in an empty
// field edits the last message. What is not sent is kept for each place, also when the page is reloaded.

import { h, icon, keyed } from "./dom.js";
import { suggest } from "./suggest.js";

/** The field does not grow beyond this, in pixels. */
const TALLEST = 220;

/**
 * Puts a composer into the form `root`.
 *
 * @param root an empty form with an id
 * @param {{
 *   scene: () => Object, inThread: boolean, place: () => string, label: () => string,
 *   examples: () => {text: string, about: string}[], send: (text: string) => Promise<boolean>, editLast: () => void
 * }} options `place` names where the text belongs; `send` answers whether it went out
 */
export function createComposer(root, options) {
  let shownPlace = null;
  let suggestions = { items: [], hint: null };
  let active = 0;

  const list = h("ul", { class: "suggestions", id: `${root.id}-list`, role: "listbox", "aria-label": "Suggestions", hidden: true });
  const hint = h("p", { class: "composer-hint", id: `${root.id}-hint`, hidden: true });
  const field = h("textarea", {
    rows: 1,
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": list.id,
    "aria-describedby": hint.id,
    maxlength: 12000,
    on: { input: typed, keydown: pressed, blur: close, click: offer },
  });
  const tries =
    options.examples().length > 0 &&
    h("button", { type: "button", class: "icon-button labelled", on: { click: offerExamples, mousedown: keepFocus } }, icon("spark"), "Examples");
  const button = h("button", { type: "submit", class: "icon-button send", "aria-label": "Send" }, icon("send"));
  root.append(list, hint, field, h("div", { class: "composer-bar" }, tries || null, h("span", { class: "keys" }, "Enter sends · Shift+Enter for a new line"), button));
  root.addEventListener("submit", submit);

  /** Shows the text that belongs to the present place, if that is another one than before. */
  function render() {
    const place = options.place();
    field.placeholder = options.label();
    field.setAttribute("aria-label", options.label());
    if (place === shownPlace) return;
    shownPlace = place;
    field.value = sessionStorage.getItem(draftKey()) ?? "";
    close();
    resize();
  }

  function fill(text) {
    field.value = text;
    typed();
    close();
    field.focus();
    field.setSelectionRange(text.length, text.length);
  }

  function typed() {
    sessionStorage.setItem(draftKey(), field.value);
    resize();
    offer();
  }

  function draftKey() {
    return `draft ${shownPlace}`;
  }

  function resize() {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, TALLEST)}px`;
    button.disabled = field.value.trim() === "";
  }

  function offer() {
    if (!options.scene()) return;
    show(suggest(field.value, field.selectionStart, options.scene(), options.inThread));
  }

  function offerExamples() {
    if (!list.hidden) return close();
    const items = options.examples().map(({ text, about }) => ({ insert: text, title: text, detail: about, from: 0, to: field.value.length }));
    field.focus();
    show({ items, hint: null });
  }

  function show(next) {
    suggestions = next;
    active = 0;
    draw();
  }

  function close() {
    show({ items: [], hint: suggestions.hint && field.value ? suggestions.hint : null });
  }

  function draw() {
    const { items } = suggestions;
    const rows = items.map((item, index) => ({
      key: `${item.title} ${item.detail}`,
      signature: `${index} ${index === active}`,
      build: () =>
        h(
          "li",
          {
            id: `${root.id}-option-${index}`,
            role: "option",
            "aria-selected": String(index === active),
            on: { mousedown: keepFocus, click: () => choose(index) },
          },
          h("span", { class: "title" }, item.title),
          h("span", { class: "detail" }, item.detail),
        ),
    }));
    keyed(list, rows);
    list.hidden = items.length === 0;
    list.children[active]?.scrollIntoView({ block: "nearest" });
    hint.hidden = !suggestions.hint || items.length > 0;
    hint.textContent = suggestions.hint ?? "";
    field.setAttribute("aria-expanded", String(items.length > 0));
    if (items.length > 0) field.setAttribute("aria-activedescendant", `${root.id}-option-${active}`);
    else field.removeAttribute("aria-activedescendant");
  }

  function choose(index) {
    const { insert, from, to } = suggestions.items[index];
    const text = field.value.slice(0, from) + insert + field.value.slice(to);
    fill(text);
    field.setSelectionRange(from + insert.length, from + insert.length);
    offer();
  }

  function pressed(event) {
    if (event.isComposing) return;
    const { items } = suggestions;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (items.length > 0 && step) {
      active = (active + step + items.length) % items.length;
      draw();
    } else if (items.length > 0 && (event.key === "Tab" || event.key === "Enter") && !event.shiftKey && !complete(event.key)) {
      choose(active);
    } else if (items.length > 0 && event.key === "Escape") {
      close();
      event.stopPropagation();
    } else if (event.key === "Enter" && !event.shiftKey) {
      submit(event);
    } else if (event.key === "ArrowUp" && field.value === "") {
      options.editLast();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Enter on a command that is typed in full runs it: `/orchestrate` alone opens its form. */
  function complete(key) {
    return key === "Enter" && suggestions.items.some(({ insert }) => insert.trim() === field.value.trim());
  }

  async function submit(event) {
    event.preventDefault();
    const text = field.value.trim();
    if (text === "" || root.getAttribute("aria-busy")) return;
    const place = shownPlace;
    root.setAttribute("aria-busy", "true");
    close();
    const sent = await options.send(text);
    root.removeAttribute("aria-busy");
    if (!sent) return;
    sessionStorage.removeItem(`draft ${place}`);
    if (shownPlace === place && field.value.trim() === text) {
      field.value = "";
      resize();
      show({ items: [], hint: null });
    }
  }

  return { render, fill, focus: () => field.focus() };
}

/** A click on a suggestion must not take the focus out of the field, which would close the list. */
function keepFocus(event) {
  event.preventDefault();
}
