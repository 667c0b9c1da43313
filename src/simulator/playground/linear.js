// The playground's page of Linear: issues and agent sessions, on the simulated Linear.
//
// This file holds what is looked at (who, which team, which issue), fetches the state whenever
// something changed, has it drawn, and carries out what the reader does.

import { askForIssue, EXAMPLES, renderFrame, renderList, renderPlace } from "./linear_list.js";
import { fetchState, post, watch } from "./api.js";
import { h, icon } from "./dom.js";
import { notify } from "./dialogs.js";
import { renderIssue } from "./linear_issue.js";

const byId = (id) => document.getElementById(id);

/** The same person as on Slack's page. */
const USER = "baton user";

/** Nearer to the end than this counts as at the end, in pixels. */
const END = 64;

const page = {
  user: localStorage.getItem(USER) ?? "U0ADA",
  team: null,
  issue: null,
  linked: true,
  /** The simulator's state as last fetched. */
  scene: null,
};

// What is looked at stands in the address: `#ENG`, `#/ENG-1`, `#ENG/ENG-1`.

function readAddress() {
  const [team, issue] = location.hash.slice(1).split("/");
  page.team = /^[A-Z]+$/.test(team) ? team : null;
  page.issue = /^[A-Z]+-\d+$/.test(issue ?? "") ? issue : null;
}

function writeAddress() {
  const address = page.issue ? `#${page.team ?? ""}/${page.issue}` : page.team ? `#${page.team}` : "#";
  if (address !== (location.hash || "#")) history.pushState(null, "", address);
  localStorage.setItem(USER, page.user);
}

// Fetching: one request at a time; a change during one asks for another.

let fetching = false;
let again = false;

async function refresh() {
  if (fetching) {
    again = true;
    return;
  }
  fetching = true;
  do {
    again = false;
    const asked = page.user;
    try {
      const scene = await fetchState(asked);
      if (asked !== page.user) again = true;
      else {
        page.scene = scene;
        page.user = scene.me.id;
        render();
      }
    } catch {
      // The stream of changes ends as well then; when it is back, the state is asked for again.
      again = false;
    }
  } while (again);
  fetching = false;
}

// Drawing.

let drawn = null;

function render() {
  const { scene } = page;
  if (!scene) return;
  const issue = scene.issues.find(({ identifier }) => identifier === page.issue) ?? null;
  const scroller = byId("scroll");
  const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < END;
  renderFrame(scene, page, { go, become });
  renderPlace(scene, page, issue, go);
  byId("issue").hidden = !issue;
  byId("issues").hidden = Boolean(issue);
  if (issue) renderIssue(byId("issue"), issue, { scene, act });
  else renderList(byId("issues"), scene, page.team, go);
  renderIntroduction(scene.issues.length === 0);
  const place = `${page.team}/${page.issue}`;
  if (place !== drawn) scroller.scrollTop = 0;
  else if (issue && atEnd) scroller.scrollTop = scroller.scrollHeight;
  drawn = place;
}

function renderIntroduction(empty) {
  const host = byId("introduction");
  host.hidden = !empty;
  if (!empty || host.hasChildNodes()) return;
  const chip = (example) =>
    h("li", {}, h("button", { type: "button", on: { click: () => newIssue(example) } }, h("span", { class: "title" }, example.title), h("small", {}, example.description)));
  host.append(
    h("span", { class: "avatar app", "aria-hidden": "true" }, icon("baton")),
    h("h2", {}, "Give an issue to Baton"),
    h("p", {}, "Write an issue, then delegate it to Baton, mention @baton in a comment, or put the label “orchestrate” on it. Choose one to begin with."),
    h("ul", { class: "chips" }, EXAMPLES.map(chip)),
  );
}

// Doing something.

function go(place) {
  Object.assign(page, place);
  document.body.classList.remove("sidebar-open");
  writeAddress();
  render();
}

function become(user) {
  page.user = user;
  writeAddress();
  refresh();
}

/** Sends a gesture as the one who looks, says what went wrong, and fetches what came of it. */
async function act(action, body) {
  const answer = await post(action, { user: page.user, ...body });
  if (!answer.ok) notify(answer.error ?? "This did not work.");
  refresh();
  return answer;
}

function newIssue(draft) {
  if (!page.scene) return;
  askForIssue(page.scene, page.team, draft, async (issue) => {
    const answer = await act("issue", issue);
    if (answer.ok) go({ issue: answer.id });
    return answer;
  });
}

// Putting the page together.

byId("new-issue").addEventListener("click", () => newIssue(null));
byId("skip").addEventListener("click", (event) => {
  // The address says what is looked at.
  event.preventDefault();
  byId("main").focus();
});
byId("sidebar-toggle").addEventListener("click", () => document.body.classList.toggle("sidebar-open"));
byId("sidebar-shade").addEventListener("click", () => document.body.classList.remove("sidebar-open"));
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "c") {
    event.preventDefault();
    newIssue(null);
  } else if (event.key === "Escape" && page.issue) {
    go({ issue: null });
  }
});
addEventListener("popstate", () => {
  readAddress();
  render();
});
// Words such as "2 min ago" age while nothing else changes.
setInterval(refresh, 60_000);

readAddress();
watch(refresh, (linked) => {
  page.linked = linked;
  render();
});
