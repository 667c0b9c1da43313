// One agent session as Linear shows it in an issue's thread: how it stands, its links and plan, what
// the agent thought, did, asked and answered, and where a person answers it.

import { ago, field, stateIcon, text } from "./linear_parts.js";
import { avatar } from "./message.js";
import { h, icon, link } from "./dom.js";

/** In words, and in which tone. */
const STATUS = {
  pending: ["Waiting for Baton", "quiet"],
  active: ["Working", "busy"],
  awaitingInput: ["Needs an answer", "asks"],
  complete: ["Finished", "done"],
  error: ["Failed", "bad"],
  stale: ["No word for long", "quiet"],
  stopping: ["Stopping", "quiet"],
};

/** Results longer than this are folded. */
const LONG = 120;

/** Which picture a row of the plan has, by its status. */
const PLAN = { pending: "unstarted", inProgress: "started", completed: "completed", canceled: "canceled" };

/**
 * @param session as the simulator tells it
 * @param {Object[]} comments of its thread, the root first
 * @param {{scene: Object, act: (action: string, body: Object) => Promise<{ok: boolean}>}} around
 */
export function renderSession(session, comments, around) {
  const [words, tone] = session.unresponsive ? ["Did not respond", "bad"] : STATUS[session.status];
  const place = `${around.scene.me.id}/${session.id}`;
  const answer = (said) => around.act("prompt", { session: session.id, text: said });
  return h(
    "article",
    { class: `session ${tone}`, "aria-label": `Agent session: ${words}` },
    h(
      "header",
      {},
      avatar({ is_bot: true }),
      h("strong", {}, session.summary ?? "Baton"),
      h("span", { class: `status ${tone}` }, words),
      ago(session.at, around.scene.now),
      stopButton(session, around),
    ),
    beginning(session, comments[0], around),
    links(session.links),
    plan(session.plan),
    h("ol", { class: "activities", "aria-label": "Activities", "aria-live": "polite" }, said(session, comments, around)),
    field(place, session.status === "awaitingInput" ? "Answer Baton…" : "Reply to Baton…", [{ name: "Send", act: answer, primary: true }]),
  );
}

function stopButton(session, { act }) {
  const running = ["pending", "active", "awaitingInput", "stale"].includes(session.status);
  return (
    running &&
    h("button", { type: "button", class: "button stop", "data-key": "stop", on: { click: () => act("stop", { session: session.id }) } }, icon("stop"), "Stop")
  );
}

/** Who began it and how: a delegation has nothing but Linear's own line at its root. */
function beginning(session, root, { scene }) {
  if (!root) return null;
  if (root.author.id !== "linear") {
    return h("div", { class: "asked" }, h("p", { class: "by" }, avatar(root.author), h("strong", {}, root.author.name)), text(root.body, scene, true));
  }
  const who = session.creator ? `${session.creator.name} delegated the issue to Baton.` : "The issue was delegated to Baton.";
  return h("p", { class: "began" }, who);
}

function links(list) {
  const shown = list.map(({ label, url }) => h("li", { "data-key": url }, link(url, icon("outside"), label)));
  return shown.length > 0 && h("ul", { class: "links", "aria-label": "Links" }, shown);
}

function plan(rows) {
  if (rows.length === 0) return null;
  const done = rows.filter(({ status }) => status === "completed").length;
  const row = ({ content, status }) =>
    h("li", { class: status }, stateIcon(PLAN[status] ?? "unstarted"), h("span", {}, content), h("span", { class: "hidden" }, ` (${status})`));
  return h("section", { class: "plan", "aria-label": "Plan" }, h("h4", {}, "Plan", h("small", {}, `${done} of ${rows.length}`)), h("ol", {}, rows.map(row)));
}

/** Activities, and what was commented in the thread besides, by time. */
function said(session, comments, around) {
  const remarks = comments.slice(1).filter(({ mirrors }) => !mirrors);
  const rows = [
    ...session.activities.map((activity) => ({ at: activity.at, node: activityRow(activity, session, around) })),
    ...remarks.map((remark) => ({ at: remark.at, node: remarkRow(remark, around) })),
  ];
  return rows.sort((a, b) => a.at - b.at).map(({ node }) => node);
}

function remarkRow({ id, author, body, at }, { scene }) {
  return h("li", { class: "prompt", "data-key": id }, avatar(author), h("div", {}, by(author, at, scene), text(body, scene, !author.is_bot)));
}

function activityRow(activity, session, around) {
  const { scene } = around;
  const classes = [activity.type, activity.ephemeral && "ephemeral"].filter(Boolean).join(" ");
  const attributes = { class: classes, "data-key": activity.id };
  if (activity.type === "prompt") {
    const stopped = activity.signal === "stop";
    const body = stopped ? h("p", { class: "stopped" }, "asked Baton to stop.") : text(activity.chose ?? activity.body ?? "", scene, true);
    return h("li", attributes, avatar(activity.by), h("div", {}, by(activity.by, activity.at, scene), body));
  }
  const content = activity.type === "action" ? action(activity, scene) : text(activity.body ?? "", scene);
  return h(
    "li",
    attributes,
    h("span", { class: "kind", title: activity.type }, PICTURES[activity.type]?.(), h("span", { class: "hidden" }, `${activity.type}: `)),
    h("div", {}, content, options(activity, session, around), auth(activity)),
  );
}

const PICTURES = {
  thought: () => icon("thought"),
  action: () => icon("action"),
  elicitation: () => icon("elicitation"),
  response: () => icon("response"),
  error: () => icon("error"),
};

function by(user, at, scene) {
  return h("p", { class: "by" }, h("strong", {}, user.name), ago(at, scene.now));
}

function action({ action: what, parameter, result }, scene) {
  const head = [h("strong", {}, what), parameter && h("span", { class: "parameter" }, parameter)];
  if (!result) return h("p", {}, head);
  if (result.length > LONG || result.includes("\n")) {
    return h("details", {}, h("summary", {}, head), text(result, scene));
  }
  return h("div", { class: "with-result" }, h("p", {}, head), text(result, scene));
}

/** Any answer can be written as well: these are only quicker. */
function options(activity, session, { act }) {
  const buttons = activity.options.map(({ label, value }, index) =>
    h(
      "button",
      {
        type: "button",
        class: index === 0 ? "button primary" : "button",
        "data-key": value,
        on: { click: () => act("choose", { session: session.id, value }) },
      },
      label,
    ),
  );
  return buttons.length > 0 && h("div", { class: "options", role: "group", "aria-label": "Answers" }, buttons);
}

function auth({ auth: url }) {
  return url && h("div", { class: "options" }, link(url, icon("outside"), "Open to continue"));
}
