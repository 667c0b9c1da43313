// The modals that an app has open for the one who looks.
//
// The simulator keeps the stack of views; the page shows the topmost and brings it up to date in
// place when the app updates it, so that what was typed stays. https://docs.slack.dev/surfaces/modals.

import { readValues } from "./elements.js";
import { h, icon, keyed } from "./dom.js";
import { notify } from "./dialogs.js";
import { plain } from "./mrkdwn.js";
import { renderBlocks } from "./blocks.js";

/** What `renderModals` was last called with: dialogs that stand longer are drawn from it. */
let latest = { scene: { views: [] }, ask: null };

/** What is wrong with the fields of a view, by view and block. */
const wrong = new Map();

/** Views that were closed here and that the simulator may still name. */
const gone = new Set();

/**
 * Shows the views of `scene`, the topmost in front; the others keep what was typed into them.
 *
 * @param scene the simulator's state
 * @param ask sends a request (`submit`, `close`, `click_in_view`) as the one who looks
 */
export function renderModals(scene, ask) {
  latest = { scene, ask };
  draw();
}

function draw() {
  const { scene, ask } = latest;
  const views = scene.views.filter(({ view }) => view.type !== "home");
  const named = new Set(views.map(({ id }) => id));
  for (const id of [...gone, ...wrong.keys()]) {
    if (named.has(id)) continue;
    gone.delete(id);
    wrong.delete(id);
  }
  const rows = views
    .filter(({ id }) => !gone.has(id))
    .map((entry) => ({
      key: entry.id,
      signature: JSON.stringify([entry, wrong.get(entry.id)]),
      build: () => dialog(entry, scene, ask),
    }));
  const host = document.getElementById("modals");
  keyed(host, rows);
  for (const shown of host.children) if (!shown.open) shown.showModal();
}

function dialog({ id, view }, scene, ask) {
  const blocks = (view.blocks ?? []).map((block, index) => ({ block_id: `block-${index}`, ...block }));
  const values = () => readValues(blocks, form(id), id);
  const act = ({ block, part, value, selected }) =>
    ask("click_in_view", { view_id: id, action_id: part.action_id, block_id: block.block_id, value, selected, values: values() });

  const dismiss = () => {
    gone.add(id);
    draw();
    ask("close", { view_id: id });
  };
  const send = async (event) => {
    event.preventDefault();
    wrong.set(id, await submit(id, values(), ask));
    draw();
    form(id)?.querySelector('[aria-invalid="true"]:is(input, textarea, select), [aria-invalid="true"] input')?.focus();
  };

  const cancel = (event) => {
    event.preventDefault();
    dismiss();
  };
  const heading = `${id}/title`;
  const text = (object, otherwise) => (object?.text ? plain(object.text) : otherwise);
  return h(
    "dialog",
    { class: "modal", "aria-labelledby": heading, on: { cancel, close: dismiss } },
    h(
      "form",
      // The browser itself checks the bounds of numbers and lengths.
      { id: `form-${id}`, autocomplete: "off", on: { submit: send } },
      h(
        "header",
        {},
        h("h2", { id: heading }, text(view.title, "Baton")),
        h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: dismiss } }, icon("close")),
      ),
      h("div", { class: "modal-body" }, renderBlocks(blocks, { scene, scope: id, act, errors: wrong.get(id) })),
      h(
        "footer",
        {},
        h("button", { type: "button", class: "button", on: { click: dismiss } }, text(view.close, "Cancel")),
        view.submit && h("button", { type: "submit", class: "button primary" }, text(view.submit, "Submit")),
      ),
    ),
  );
}

function form(id) {
  return document.getElementById(`form-${id}`);
}

/** Sends what was filled in and answers what is wrong with it, by block. */
async function submit(id, values, ask) {
  const button = form(id).querySelector('[type="submit"]');
  if (button.getAttribute("aria-busy")) return wrong.get(id) ?? {};
  button.setAttribute("aria-busy", "true");
  const { errors = {} } = await ask("submit", { view_id: id, values });
  button.removeAttribute("aria-busy");
  // What is wrong with a field that is not there would be seen nowhere.
  const keys = new Set([...(form(id)?.querySelectorAll("[data-key]") ?? [])].map((node) => node.dataset.key));
  for (const [block, text] of Object.entries(errors)) if (!keys.has(block)) notify(text);
  return errors;
}
