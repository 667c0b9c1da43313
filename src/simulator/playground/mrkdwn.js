// Slack's mrkdwn as page elements, and back to what a person would type.
//
// https://docs.slack.dev/messaging/formatting-message-text. Text is only ever put into text nodes.
// Mentions are looked up in `scene`, the state that the simulator answered; with `verbatim` in it, bare
// addresses stay text.

import { emoji, isEmoji } from "./emoji.js";
import { h, link } from "./dom.js";

/**
 * In this order: code, angle brackets, a bare address, an emoji, a styled stretch. The stretch has a
 * greatest length so that matching stays quick on hostile text.
 */
const TOKEN =
  /`([^`\n]+)`|<([^<>\n]+)>|(https?:\/\/[^\s<>|]*[^\s<>|.,:;!?)"'\]])|:([a-z0-9_+'-]+):|([*_~])(?=\S)([^\n]{1,1500}?)(?<=\S)\5(?!\w)/g;

/** Text in mrkdwn as nodes. */
export function mrkdwn(text, scene) {
  return text.split("```").flatMap((part, index) => {
    // Parts with an odd number stand between fences; the last one only if its fence was closed.
    if (index % 2 === 0) return lines(trimNewline(part), scene);
    return h("pre", {}, h("code", {}, decode(part.replace(/^\n|\n$/g, ""))));
  });
}

/** Text of a `plain_text` object: only emoji are drawn. */
export function plain(text) {
  return decode(String(text)).replace(/:([a-z0-9_+'-]+):/g, (_, name) => emoji(name));
}

/** Slack's three entities as characters. */
export function decode(text) {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

/** Text as it would be typed, for editing: the simulator makes mentions of `@ada` and links of addresses. */
export function typed(text, scene) {
  const shown = text
    .replace(/<@(\w+)(?:\|[^>]*)?>/g, (_, id) => `@${person(id, scene)?.handle ?? id}`)
    .replace(/<#(\w+)(?:\|([^>]*))?>/g, (_, id, label) => `#${channelName(id, label, scene)}`)
    .replace(/<(https?:[^>|]+)(?:\|[^>]*)?>/g, "$1");
  return decode(shown);
}

/** A person's or an app's name. */
export function nameOf(id, scene) {
  return person(id, scene)?.name ?? id;
}

/** A pill that names a person or an app. */
export function mention(id, scene) {
  const mine = id === scene.me?.id;
  return h("span", { class: mine ? "mention mine" : "mention" }, `@${nameOf(id, scene)}`);
}

/** A pill that names a channel. */
export function channelMention(id, label, scene) {
  return h("span", { class: "mention" }, `#${channelName(id, label, scene)}`);
}

/** A date in Slack's format (`{date_short} {time}`) and the reader's time zone. */
export function date(seconds, format, fallback) {
  const at = new Date(Number(seconds) * 1000);
  if (Number.isNaN(at.getTime())) return document.createTextNode(fallback ?? "");
  const day = (options) => at.toLocaleDateString([], options);
  const time = (options) => at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...options });
  const shown = format
    .replace(/\{date_num\}/g, () => at.toISOString().slice(0, 10))
    .replace(/\{date_short(_pretty)?\}/g, () => day({ day: "numeric", month: "short", year: "numeric" }))
    .replace(/\{date_long(_pretty)?\}/g, () => day({ weekday: "long", day: "numeric", month: "long", year: "numeric" }))
    .replace(/\{date(_pretty)?\}/g, () => day({ day: "numeric", month: "long", year: "numeric" }))
    .replace(/\{time_secs\}/g, () => time({ second: "2-digit" }))
    .replace(/\{time\}/g, () => time())
    .replace(/\{ago\}/g, () => `${day({ day: "numeric", month: "short" })} ${time()}`);
  return h("time", { datetime: at.toISOString(), title: at.toLocaleString() }, shown);
}

function person(id, scene) {
  return scene.users.find((user) => user.id === id);
}

function channelName(id, label, scene) {
  return scene.channels.find((channel) => channel.id === id)?.name ?? (label || id);
}

function trimNewline(text) {
  return text.replace(/^\n|\n$/g, "");
}

/** Lines outside fences: runs of quoted ones become a quotation. */
function lines(text, scene) {
  if (text === "") return [];
  const nodes = [];
  let quote = null;
  for (const line of text.split("\n")) {
    const quoted = /^(?:&gt;|>) ?(.*)$/.exec(line);
    if (quoted) {
      if (quote) quote.append(h("br"));
      else nodes.push((quote = h("blockquote")));
      quote.append(...inline(quoted[1], scene));
      continue;
    }
    if (!quote && nodes.length > 0) nodes.push(h("br"));
    quote = null;
    nodes.push(...inline(line, scene));
  }
  return nodes;
}

/** One line: code, links, mentions, emoji and the three styles, which may be nested. */
function inline(text, scene, depth = 0) {
  const nodes = [];
  let done = 0;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const node = token(match, text, scene, depth);
    // Set in both cases: nested calls use the same expression and move it.
    TOKEN.lastIndex = node ? match.index + match[0].length : match.index + 1;
    if (!node) continue;
    if (match.index > done) nodes.push(decode(text.slice(done, match.index)));
    nodes.push(node);
    done = TOKEN.lastIndex;
  }
  if (done < text.length) nodes.push(decode(text.slice(done)));
  return nodes;
}

/** The node for one match; none when it is no markup after all. */
function token(match, text, scene, depth) {
  const [, code, angle, url, name, style, styled] = match;
  if (code !== undefined) return h("code", {}, decode(code));
  if (angle !== undefined) return angled(angle, scene);
  if (url !== undefined) return scene.verbatim ? null : link(decode(url), decode(url));
  if (name !== undefined) return isEmoji(name) ? emoji(name) : null;
  const before = text[match.index - 1];
  if ((before !== undefined && /[\w*_~`]/.test(before)) || depth > 3) return null;
  const element = { "*": "strong", _: "em", "~": "s" }[style];
  return h(element, {}, inline(styled, scene, depth + 1));
}

/** What stands between angle brackets. */
function angled(inner, scene) {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? undefined : inner.slice(bar + 1);
  if (target.startsWith("@")) return mention(target.slice(1), scene);
  if (target.startsWith("#")) return channelMention(target.slice(1), label, scene);
  if (target.startsWith("!date^")) {
    const [, seconds, format, address] = target.split("^");
    const when = date(seconds, format ?? "{date} {time}", decode(label ?? ""));
    return address ? link(decode(address), when) : when;
  }
  if (target.startsWith("!")) {
    const name = label ?? `@${target.slice(1).split("^")[0]}`;
    return h("span", { class: "mention" }, decode(name));
  }
  return link(decode(target), decode(label || target));
}
