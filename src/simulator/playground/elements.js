// Block Kit's interactive elements: how each is drawn, what it is worth, and what using it does.
//
// https://docs.slack.dev/reference/block-kit/block-elements. `DRAW` holds one entry for each kind of
// field. A field is worth its text, the value of the option that is chosen, a list of such values
// where there may be several, or null; the simulator makes Slack's `view.state.values` of it.
// `around.act` is told the block, its element, and the button's `value` or what is now `selected`.

import { confirmed } from "./dialogs.js";
import { h, icon, safeUrl } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

const DRAW = {
  plain_text_input: textInput,
  number_input: numberInput,
  email_text_input: native("email", "initial_value"),
  url_text_input: native("url", "initial_value"),
  datepicker: native("date", "initial_date"),
  timepicker: native("time", "initial_time"),
  static_select: select,
  external_select: select,
  users_select: select,
  channels_select: select,
  conversations_select: select,
  radio_buttons: choices("radio"),
  checkboxes: choices("checkbox"),
  multi_static_select: choices("checkbox"),
};

/** One element. In an input block `around.attributes` are those that tie it to its label. */
export function element(part, block, around) {
  if (part.type === "button" || part.type === "workflow_button") return button(part, block, around);
  if (part.type === "overflow") return overflow(part, block, around);
  const draw = DRAW[part.type];
  if (!draw) return h("span", { class: "block-unknown" }, `An element of type “${part.type}” is not drawn here.`);
  const name = fieldName(part, block, around.scope);
  const attributes = { name, "aria-label": around.attributes ? null : label(part), ...around.attributes };
  return draw(part, attributes, around, changes(part, block, around));
}

/** What the fields of a view are worth, by block. */
export function readValues(blocks, form, scope) {
  const values = {};
  for (const block of blocks) {
    for (const part of [block.element, block.accessory, ...(block.elements ?? [])]) {
      if (part && DRAW[part.type]) values[block.block_id] = worth(form, fieldName(part, block, scope));
    }
  }
  return values;
}

function worth(root, name) {
  const nodes = [...root.querySelectorAll(`[name="${CSS.escape(name)}"]`)];
  const chosen = nodes.filter((node) => node.checked).map((node) => node.value);
  if (nodes[0]?.type === "checkbox") return chosen;
  return (nodes[0]?.type === "radio" ? chosen[0] : nodes[0]?.value) || null;
}

function fieldName(part, block, scope) {
  return `${scope}/${block.block_id}/${part.action_id}`;
}

function label(part) {
  return part.accessibility_label ?? (part.placeholder ? plain(part.placeholder.text ?? "") : part.action_id);
}

function options(part) {
  return [...(part.options ?? []), ...(part.option_groups ?? []).flatMap((group) => group.options ?? [])];
}

/** The listener for a field whose change is told to the app at once; none in an ordinary input block. */
function changes(part, block, around) {
  if (block.type === "input" && !block.dispatch_action) return {};
  const tell = async (event) => {
    if (!(await confirmed(part.confirm))) return;
    const root = event.currentTarget.closest("form, article") ?? document;
    const selected = worth(root, fieldName(part, block, around.scope));
    around.act({ block, part, selected });
  };
  if (part.type === "plain_text_input") {
    const eager = part.dispatch_action_config?.trigger_actions_on?.includes("on_character_entered");
    const entered = (event) => {
      if (event.key !== "Enter" || event.isComposing || part.multiline) return;
      event.preventDefault();
      tell(event);
    };
    return eager ? { input: tell } : { keydown: entered };
  }
  return { change: tell };
}

function button(part, block, around) {
  const style = ["primary", "danger"].includes(part.style) ? part.style : "";
  const text = plain(part.text?.text ?? "");
  const press = () => around.act({ block, part, value: part.value });
  const shared = { class: `button ${style}`.trim(), "data-key": part.action_id, "aria-label": part.accessibility_label };
  const href = part.url && safeUrl(part.url);
  if (href) {
    const attributes = { ...shared, href, target: "_blank", rel: "noopener noreferrer", on: { click: press } };
    return h("a", attributes, text, icon("outside"));
  }
  const click = async ({ currentTarget }) => {
    // A second click while the first is under way would be answered as a stale one.
    if (currentTarget.getAttribute("aria-busy") || !(await confirmed(part.confirm))) return;
    currentTarget.setAttribute("aria-busy", "true");
    await press();
    currentTarget.removeAttribute("aria-busy");
  };
  return h("button", { type: "button", ...shared, on: { click } }, text);
}

function overflow(part, block, around) {
  const item = (option) => {
    const click = async ({ currentTarget }) => {
      currentTarget.closest("details").open = false;
      if (!(await confirmed(part.confirm))) return;
      around.act({ block, part, selected: option.value });
    };
    return h("button", { type: "button", on: { click } }, plain(option.text?.text ?? ""));
  };
  return h(
    "details",
    { class: "overflow", "data-key": part.action_id },
    h("summary", { class: "button", "aria-label": "More actions" }, "⋯"),
    h("div", { class: "menu" }, options(part).map(item)),
  );
}

function textInput(part, attributes, around, on) {
  const shared = {
    ...attributes,
    class: "field",
    placeholder: part.placeholder && plain(part.placeholder.text ?? ""),
    minlength: part.min_length,
    maxlength: part.max_length ?? 3000,
    autofocus: part.focus_on_load === true,
    on,
  };
  if (part.multiline) return h("textarea", { ...shared, rows: 5 }, part.initial_value ?? "");
  return h("input", { ...shared, type: "text", value: part.initial_value, autocomplete: "off" });
}

function numberInput(part, attributes, around, on) {
  const step = part.is_decimal_allowed ? "any" : "1";
  const bounds = { type: "number", min: part.min_value, max: part.max_value, step, value: part.initial_value };
  return h("input", { ...attributes, ...bounds, class: "field short", autocomplete: "off", on });
}

/** A field that the browser itself knows. */
function native(type, initial) {
  return (part, attributes, around, on) =>
    h("input", { ...attributes, class: "field", type, value: part[initial], autocomplete: "off", on });
}

function select(part, attributes, { scene }, on) {
  const initial =
    part.initial_option?.value ?? part.initial_user ?? part.initial_channel ?? part.initial_conversation ?? "";
  const choice = ({ value, text }) => h("option", { value, selected: value === initial }, plain(text?.text ?? value));
  const named = (list, sign) => list.map(({ id, name }) => choice({ value: id, text: { text: sign + name } }));
  const lists = {
    static_select: () => [
      ...(part.options ?? []).map(choice),
      ...(part.option_groups ?? []).map((group) =>
        h("optgroup", { label: plain(group.label?.text ?? "") }, (group.options ?? []).map(choice)),
      ),
    ],
    // The simulator has no way to ask the app for options: only the one that is set can be had.
    external_select: () => (part.initial_option ? [choice(part.initial_option)] : []),
    users_select: () => named(scene.users, ""),
    channels_select: () => named(scene.channels, "#"),
    conversations_select: () => named(scene.channels, "#"),
  };
  const none = h("option", { value: "" }, part.placeholder ? plain(part.placeholder.text ?? "") : "Choose…");
  return h("select", { ...attributes, class: "field", on }, none, lists[part.type]());
}

/** Options that stand side by side, one or several of which can be chosen. */
function choices(type) {
  return (part, { name, ...attributes }, { scene }, on) => {
    const initial = new Set([...(part.initial_options ?? []), part.initial_option].map((option) => option?.value));
    const text = (object) => (object?.type === "mrkdwn" ? mrkdwn(object.text ?? "", scene) : plain(object?.text ?? ""));
    const choice = (option) =>
      h(
        "label",
        { class: "choice" },
        h("input", { type, name, value: option.value, checked: initial.has(option.value), on }),
        h("span", {}, text(option.text), option.description && h("small", {}, text(option.description))),
      );
    return h("div", { ...attributes, class: "choices" }, options(part).map(choice));
  };
}
