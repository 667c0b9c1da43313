// The two lists of messages, a channel's and a thread's: which messages stand in them, grouped by day
// and author, and how they scroll.
//
// A list that was read to its end stays at its end; one that was scrolled up stays where it is.

import { clock, renderMessage } from "./message.js";
import { h, keyed } from "./dom.js";

/** Messages of one author within this time stand together, in seconds. */
const TOGETHER = 300;

/** Nearer to the end than this counts as at the end, in pixels. */
const END = 48;

/** What stands in the channel: everything but replies, unless they were also sent there. */
export function roots(messages) {
  return sorted(messages.filter((message) => (isRoot(message) || message.broadcast) && (!message.deleted || replies(messages, message.ts).length > 0)));
}

/** The replies to a root message. */
export function replies(messages, root) {
  return sorted(messages.filter((message) => message.thread_ts === root && !isRoot(message) && !message.deleted));
}

/**
 * Brings a list of messages up to date.
 *
 * @param {Element} list
 * @param {Object[]} shown the messages, in order
 * @param {{scene, scope, editing, threads?: Object[], count?: number}} around with the actions that `renderMessage`
 *   asks for; `threads`, in a channel: its messages, to tell of replies; `count`, in a thread: how many
 *   replies the line after its root tells of
 */
export function renderTimeline(list, shown, around) {
  const rows = shown.flatMap((message, index) => {
    const row = messageRow(message, shown[index - 1], around);
    const inThread = around.count !== undefined;
    const day = !inThread && dayOf(message.ts) !== dayOf(shown[index - 1]?.ts);
    const counted = inThread && index === 0 && around.count > 0;
    return [day && dayRow(message), row, counted && countRow(around.count)].filter(Boolean);
  });
  keyed(list, rows);
}

function messageRow(message, previous, around) {
  const { scene, editing, threads } = around;
  const how = {
    continued: Boolean(previous) && follows(message, previous) && !(around.count !== undefined && isRoot(previous)),
    editing: editing === message.ts,
    thread: threads && threadOf(message, threads, scene),
  };
  return {
    key: message.ts,
    signature: JSON.stringify([message, how, scene.me.id]),
    build: () => renderMessage(message, how, around),
  };
}

function dayRow(message) {
  const day = dayOf(message.ts);
  return { key: `day ${day}`, signature: day, build: () => h("div", { class: "day", role: "separator" }, h("span", {}, day)) };
}

function countRow(count) {
  const text = count === 1 ? "1 reply" : `${count} replies`;
  return { key: "count", signature: text, build: () => h("div", { class: "day replies", role: "separator" }, h("span", {}, text)) };
}

/** What is told of a message's thread below it; none without replies. */
function threadOf(message, messages, scene) {
  const all = replies(messages, message.ts).filter((reply) => !reply.ephemeral);
  if (all.length === 0) return null;
  const people = new Map(all.map(({ user }) => [user.id, user]));
  return { count: all.length, last: ago(all.at(-1).ts, scene.now / 1000), people: [...people.values()].slice(0, 3) };
}

function isRoot(message) {
  return !message.thread_ts || message.thread_ts === message.ts;
}

function follows(message, previous) {
  return (
    message.user.id === previous.user.id &&
    !message.ephemeral && !previous.ephemeral && !previous.deleted &&
    Number(message.ts) - Number(previous.ts) < TOGETHER &&
    dayOf(message.ts) === dayOf(previous.ts)
  );
}

function sorted(messages) {
  return messages.sort((a, b) => Number(a.ts) - Number(b.ts) || (a.ts < b.ts ? -1 : 1));
}

function dayOf(ts) {
  if (!ts) return null;
  const at = new Date(Number(ts) * 1000);
  if (at.toDateString() === new Date().toDateString()) return "Today";
  return at.toLocaleDateString([], { weekday: "long", day: "numeric", month: "long" });
}

/** How long ago that was, in words, by the simulator's clock (seconds). */
function ago(ts, now) {
  const minutes = Math.floor((now - Number(ts)) / 60);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  return minutes < 24 * 60 ? `${Math.floor(minutes / 60)} h ago` : `${dayOf(ts)} at ${clock(ts)}`;
}

/**
 * Keeps `scroller` at its end while it is there, whatever grows inside, and shows `more`, a button
 * that leads to the end, when something new came and it is not.
 */
export function stayAtEnd(scroller, list, more) {
  let atEnd = true;
  const toEnd = () => {
    // Without messages there is an introduction, which is read from its beginning.
    scroller.scrollTop = list.childElementCount > 0 ? scroller.scrollHeight : 0;
    more.hidden = true;
  };
  scroller.addEventListener("scroll", () => {
    atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < END;
    if (atEnd) more.hidden = true;
  });
  const settled = () => atEnd && toEnd();
  const sizes = new ResizeObserver(settled);
  sizes.observe(list);
  sizes.observe(scroller);
  const additions = new MutationObserver((changes) => {
    const grown = changes.some(({ addedNodes }) => [...addedNodes].some((node) => node.nextElementSibling === null));
    if (grown && !atEnd) more.hidden = false;
    settled();
  });
  additions.observe(list, { childList: true });
  more.addEventListener("click", toEnd);
  return {
    /** For a list that now shows another place. */
    reset() {
      atEnd = true;
      toEnd();
    },
  };
}
