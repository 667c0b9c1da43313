// An issue as its page shows it: title, description, what is attached, the thread of comments and
// agent sessions; beside it its properties, and the ways to give it to Baton.

import { ago, field, label, person, stateIcon, text } from "./linear_parts.js";
import { avatar } from "./message.js";
import { emoji } from "./emoji.js";
import { h, icon, keyed, link } from "./dom.js";
import { renderSession } from "./linear_session.js";

/**
 * Brings the page of one issue up to date.
 *
 * @param {Element} host
 * @param issue as the simulator tells it
 * @param {{scene: Object, act: (action: string, body: Object) => Promise<{ok: boolean}>}} around
 */
export function renderIssue(host, issue, around) {
  const { scene } = around;
  const me = scene.me.id;
  const row = (key, what, build) => ({ key: `${issue.identifier} ${key}`, signature: JSON.stringify([what, me]), build });
  const facts = { ...issue, comments: null, sessions: null, description: null, attachments: null };
  const rows = [
    row("head", [issue.title, issue.description], () => head(issue, scene)),
    row("properties", [facts, scene.labels, scene.states], () => properties(issue, around)),
    row("attachments", issue.attachments, () => attachments(issue.attachments)),
    row("created", issue.creator, () => created(issue, scene)),
    ...threads(issue).map(({ root, comments, sessions }) =>
      row(root.id, [comments, sessions, minute(scene)], () => thread(root, comments, sessions, issue, around)),
    ),
    row("write", [], () => write(issue, around)),
  ];
  keyed(host, rows);
}

/** Words such as "2 min ago" age while nothing else changes. */
function minute(scene) {
  return Math.floor(scene.now / 60_000);
}

/** Each root comment with its replies, and the sessions that have it as theirs. */
function threads(issue) {
  return issue.comments
    .filter(({ parent }) => !parent)
    .map((root) => ({
      root,
      comments: [root, ...issue.comments.filter(({ parent }) => parent === root.id)],
      sessions: issue.sessions.filter(({ comment }) => comment === root.id),
    }));
}

function head(issue, scene) {
  const description = issue.description ? text(issue.description, scene) : h("p", { class: "nothing" }, "No description.");
  return h("header", { class: "issue-head" }, h("h2", {}, issue.title), description);
}

function created(issue, scene) {
  return h("p", { class: "event" }, avatar(issue.creator), h("span", {}, `${issue.creator.name} created the issue`), ago(issue.at, scene.now));
}

function attachments(list) {
  const card = ({ id, title, subtitle, url }) =>
    h(
      "li",
      { "data-key": id },
      link(url, h("span", { class: "clip", "aria-hidden": "true" }, icon("link")), h("span", {}, h("strong", {}, title), subtitle && h("small", {}, subtitle))),
    );
  return h("section", { class: "attachments", hidden: list.length === 0, "aria-label": "Attachments" }, h("h3", {}, "Resources"), h("ul", {}, list.map(card)));
}

function thread(root, comments, sessions, issue, around) {
  const { scene, act } = around;
  if (sessions.length > 0) {
    return h("section", { class: "thread" }, sessions.map((session) => h("div", { "data-key": session.id }, renderSession(session, comments, around))));
  }
  const reply = (said) => act("comment", { issue: issue.identifier, parent: root.id, text: said });
  return h(
    "section",
    { class: "thread plain", "aria-label": `Comment of ${root.author.name}` },
    comments.map((comment) => remark(comment, scene)),
    h("details", { class: "reply" }, h("summary", {}, "Reply"), field(`${scene.me.id}/${root.id}`, "Leave a reply…", [{ name: "Reply", act: reply }])),
  );
}

function remark({ id, author, body, at, edited, reactions }, scene) {
  const list = reactions.map(({ emoji: name, users }) => h("li", { title: `${users.join(", ")} reacted` }, emoji(name), h("span", {}, String(users.length))));
  return h(
    "article",
    { class: "remark", "data-key": id },
    h("p", { class: "by" }, avatar(author), h("strong", {}, author.name), ago(at, scene.now), edited && h("span", { class: "edited" }, "(edited)")),
    text(body, scene, !author.is_bot),
    list.length > 0 && h("ul", { class: "reactions", "aria-label": "Reactions" }, list),
  );
}

/** A comment; or one that mentions Baton, which begins a session. */
function write(issue, { scene, act }) {
  const comment = (said) => act("comment", { issue: issue.identifier, text: said });
  const mention = (said) => act("mention", { issue: issue.identifier, text: said });
  return h(
    "section",
    { class: "thread plain new", "aria-label": "New comment" },
    field(`${scene.me.id}/${issue.identifier}`, "Leave a comment, or mention @baton…", [
      { name: "Comment", act: comment },
      { name: "Ask Baton", act: mention, primary: true },
    ]),
  );
}

function properties(issue, around) {
  const { scene, act } = around;
  const { identifier } = issue;
  const choose = (event) => act("move", { issue: identifier, state: event.currentTarget.value });
  const state = (name) => h("option", { value: name, selected: name === issue.state.name }, name);
  return h(
    "aside",
    { class: "properties", "aria-label": "Properties" },
    baton(issue, around),
    h("h3", {}, "Properties"),
    property(
      "Status",
      h("span", { class: "select" }, stateIcon(issue.state.type), h("select", { "aria-label": "Status", "data-key": issue.state.name, on: { change: choose } }, scene.states.map(state))),
    ),
    property("Responsible", issue.assignee ? person(issue.assignee) : h("span", { class: "nothing" }, "Nobody")),
    property("Agent", issue.delegate ? person(issue.delegate) : h("span", { class: "nothing" }, "None")),
    issue.project && property("Project", h("span", {}, issue.project)),
    h("h3", {}, "Labels"),
    h("ul", { class: "labels" }, scene.labels.map((name) => labelToggle(name, issue, act))),
  );
}

function property(name, value) {
  return h("div", { class: "property", "data-key": name }, h("span", {}, name), value);
}

function labelToggle(name, issue, act) {
  const on = issue.labels.includes(name);
  const click = () => act("label", { issue: issue.identifier, label: name, on: !on });
  return h("li", { "data-key": name }, h("button", { type: "button", "aria-pressed": String(on), on: { click } }, label(name)));
}

function baton(issue, { act }) {
  const { identifier } = issue;
  return issue.delegate
    ? h("button", { type: "button", class: "button", "data-key": "unassign", on: { click: () => act("unassign", { issue: identifier }) } }, "Take Baton off")
    : h("button", { type: "button", class: "button primary", "data-key": "delegate", on: { click: () => act("delegate", { issue: identifier }) } }, icon("baton"), "Delegate to Baton");
}
