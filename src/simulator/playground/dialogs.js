// The two small things that are said on top of the page: a question before a click counts, and a
// notice when something did not work. Modals of apps are in `modal.js`.

import { h } from "./dom.js";
import { mrkdwn, plain } from "./mrkdwn.js";

/** How long a notice stays, in milliseconds. */
const NOTICE = 7000;

/**
 * Asks what a `confirm` object asks (https://docs.slack.dev/reference/block-kit/composition-objects)
 * and answers whether it was confirmed. Without such an object there is nothing to ask.
 */
export function confirmed(confirm) {
  if (!confirm) return Promise.resolve(true);
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "confirm", "aria-labelledby": "confirm-title" });
    const text = (object, otherwise) => (object?.text ? plain(object.text) : otherwise);
    const done = (answer) => () => {
      dialog.returnValue = answer;
      dialog.close(answer);
    };
    const style = confirm.style === "danger" ? "danger" : "primary";
    const nobody = { users: [], channels: [] };
    const body = confirm.text?.type === "mrkdwn" ? mrkdwn(confirm.text.text, nobody) : text(confirm.text, "");
    dialog.append(
      h("h2", { id: "confirm-title" }, text(confirm.title, "Are you sure?")),
      h("p", {}, body),
      h(
        "div",
        { class: "dialog-buttons" },
        h("button", { type: "button", class: "button", on: { click: done("no") } }, text(confirm.deny, "Cancel")),
        h("button", { type: "button", class: `button ${style}`, on: { click: done("yes") } }, text(confirm.confirm, "Yes")),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Says something for a few seconds. */
export function notify(text) {
  const notice = h("p", {}, text);
  const region = document.getElementById("notices");
  // A region in the top layer stays above a modal that is open.
  if (region.matches(":popover-open")) region.hidePopover();
  region.append(notice);
  region.showPopover();
  setTimeout(() => {
    notice.remove();
    if (!region.hasChildNodes() && region.matches(":popover-open")) region.hidePopover();
  }, NOTICE);
}
