// What surrounds an issue: the sidebar with its teams, whom one acts as, the list of issues by their
// state, and the form for a new one.

import { avatar } from "./message.js";
import { h, icon, keyed } from "./dom.js";
import { label, stateIcon } from "./linear_parts.js";

const byId = (id) => document.getElementById(id);

/** Issues to begin with: fill the form in and press Enter. */
export const EXAMPLES = [
  { title: "Migrate the tests from Jest to Vitest", description: "One child per package: api, web, cli." },
  { title: "Find out why the checkout is slow", description: "Look at the database, the network and the page, each by itself, and say what to do first." },
  { title: "Bring the documentation up to date", description: "One child for the guide, one for the reference." },
];

/**
 * @param scene the simulator's state
 * @param {{team: string | null, issue: string | null, linked: boolean}} place
 * @param {{go: (place: Object) => void, become: (user: string) => void}} actions
 */
export function renderFrame(scene, place, { go, become }) {
  const count = (team) => scene.issues.filter((issue) => !team || issue.team === team).length;
  const row = (key, name, picture, team) => ({
    key,
    signature: JSON.stringify([name, place.team === team, count(team)]),
    build: () => placeRow(name, picture(), count(team), place.team === team, () => go({ team, issue: null })),
  });
  keyed(byId("views"), [row("all", "All issues", () => icon("issues"), null)]);
  keyed(byId("teams"), scene.teams.map(({ key, name }) => row(key, name, () => icon("team"), key)));
  const people = scene.users.filter(({ is_bot }) => !is_bot);
  keyed(
    byId("people"),
    people.map((user) => ({
      key: user.id,
      signature: JSON.stringify([user, user.id === scene.me.id]),
      build: () => personButton(user, user.id === scene.me.id, become),
    })),
  );
  byId("linked").hidden = place.linked;
}

/** Where one is: the team, or the way back to it from an issue. */
export function renderPlace(scene, place, issue, go) {
  const team = scene.teams.find(({ key }) => key === place.team);
  const list = team?.name ?? "All issues";
  const back = h("button", { type: "button", on: { click: () => go({ team: place.team, issue: null }) } }, list);
  byId("place").replaceChildren(...(issue ? [back, h("span", { "aria-hidden": "true" }, "›"), h("span", {}, issue.identifier)] : [h("span", {}, list)]));
  document.title = `${issue ? `${issue.identifier} ${issue.title}` : list} · Baton playground`;
}

/** The issues of a team, grouped by state, those in work first. */
export function renderList(host, scene, team, go) {
  const shown = scene.issues.filter((issue) => !team || issue.team === team);
  const order = [...scene.states].sort((a, b) => rank(a, shown) - rank(b, shown));
  const groups = order.map((name) => ({ name, issues: shown.filter(({ state }) => state.name === name) })).filter(({ issues }) => issues.length > 0);
  const rows = groups.flatMap(({ name, issues }) => [
    {
      key: `state ${name}`,
      signature: JSON.stringify([name, issues.length]),
      build: () => h("h3", { class: "group" }, stateIcon(issues[0].state.type), name, h("small", {}, String(issues.length))),
    },
    ...issues.map((issue) => ({
      key: issue.identifier,
      signature: JSON.stringify([issue.title, issue.state, issue.labels, issue.assignee, issue.delegate, mood(issue)]),
      build: () => issueRow(issue, () => go({ team, issue: issue.identifier })),
    })),
  ]);
  keyed(host, rows);
}

const RANKS = { started: 0, unstarted: 1, backlog: 2, completed: 3, canceled: 4 };

function rank(name, issues) {
  return RANKS[issues.find(({ state }) => state.name === name)?.state.type] ?? 5;
}

/** How the newest session of an issue stands. */
function mood(issue) {
  const session = issue.sessions.at(-1);
  if (!session) return null;
  const words = { active: "Baton is working", awaitingInput: "Baton needs an answer", complete: "Baton has finished", error: "Baton has failed" };
  const tones = { active: "busy", awaitingInput: "asks", complete: "done", error: "bad" };
  return { words: words[session.status] ?? "Baton was asked", tone: session.unresponsive ? "bad" : (tones[session.status] ?? "quiet") };
}

function issueRow(issue, open) {
  const how = mood(issue);
  return h(
    "button",
    { type: "button", class: "issue-row", on: { click: open } },
    h("span", { class: "identifier" }, issue.identifier),
    h("span", { class: "title" }, issue.title),
    how && h("span", { class: `status ${how.tone}` }, how.words),
    h("span", { class: "row-labels" }, issue.labels.map(label)),
    issue.assignee ? avatar(issue.assignee) : h("span", { class: "avatar nobody", "aria-hidden": "true" }),
  );
}

function placeRow(name, picture, count, current, open) {
  const attributes = { type: "button", class: "place", "aria-current": current ? "page" : null, on: { click: open } };
  return h("li", {}, h("button", attributes, h("span", { class: "sign", "aria-hidden": "true" }, picture), h("span", { class: "name" }, name), h("small", {}, String(count))));
}

function personButton(user, current, become) {
  const attributes = { type: "button", "aria-pressed": String(current), title: `Act as ${user.name}`, on: { click: () => become(user.id) } };
  return h("li", {}, h("button", attributes, avatar(user), h("span", { class: "name" }, user.name)));
}

/**
 * The form for a new issue.
 *
 * @param scene the simulator's state
 * @param {string | null} team the one to begin with
 * @param {{title: string, description: string} | null} draft
 * @param {(issue: Object) => Promise<{ok: boolean}>} create
 */
export function askForIssue(scene, team, draft, create) {
  const title = h("input", { class: "field", name: "title", required: true, maxlength: 200, placeholder: "Issue title", "aria-label": "Title", value: draft?.title });
  const description = h("textarea", { class: "field", name: "description", rows: 6, maxlength: 12000, placeholder: "Add description…", "aria-label": "Description" }, draft?.description ?? "");
  const teams = h("select", { class: "field short", "aria-label": "Team" }, scene.teams.map(({ key, name }) => h("option", { value: key, selected: key === team }, name)));
  const dialog = h("dialog", { class: "new-issue", "aria-labelledby": "new-issue-title" });
  const submit = async (event) => {
    event.preventDefault();
    const answer = await create({ title: title.value, description: description.value, team: teams.value });
    if (answer.ok) dialog.close();
  };
  const keydown = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) event.currentTarget.requestSubmit();
  };
  dialog.append(
    h(
      "form",
      { autocomplete: "off", on: { submit, keydown } },
      h("h2", { id: "new-issue-title" }, "New issue"),
      title,
      description,
      h(
        "div",
        { class: "dialog-buttons" },
        teams,
        h("button", { type: "button", class: "button", on: { click: () => dialog.close() } }, "Cancel"),
        h("button", { type: "submit", class: "button primary" }, "Create issue"),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  byId("dialogs").append(dialog);
  dialog.showModal();
  title.focus();
}
