// The `markdown` block: CommonMark's everyday parts as page elements.
//
// https://docs.slack.dev/reference/block-kit/blocks/markdown-block. Headings, lists, quotations, code,
// tables, rules and the inline styles; HTML is shown as written. Agents' plans and summaries are this.

import { emoji, isEmoji } from "./emoji.js";
import { h, link } from "./dom.js";
import { channelMention, mention } from "./mrkdwn.js";

const FENCE = /^ {0,3}(```+|~~~+)\s*([\w+-]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?(.*)$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/**
 * In this order: escape, code, image, link, address in angle brackets, Slack's mention, bold, struck,
 * italic, bare address, emoji. Stretches have a greatest length, as in `mrkdwn.js`.
 */
const INLINE = new RegExp(
  [
    String.raw`\\([\\\`*_{}[\]()#+\-.!~|>])`,
    "(`+)([^`]{1,2000}?)\\2(?!`)",
    String.raw`!\[([^\]\n]{0,300})\]\(([^)\s]{1,2000})\)`,
    String.raw`\[([^\]\n]{1,500})\]\(([^)\s]{1,2000})(?:\s+"[^"\n]*")?\)`,
    String.raw`<(https?:[^>\s]{1,2000})>`,
    String.raw`<([@#])(\w{1,30})(?:\|([^>\n]*))?>`,
    String.raw`\*\*(?=\S)([^\n]{1,1500}?)(?<=\S)\*\*|__(?=\S)([^\n]{1,1500}?)(?<=\S)__(?!\w)`,
    String.raw`~~(?=\S)([^\n]{1,1500}?)(?<=\S)~~`,
    String.raw`\*(?=[^\s*])([^*\n]{1,1500}?)(?<=\S)\*|(?<!\w)_(?=[^\s_])([^_\n]{1,1500}?)(?<=\S)_(?!\w)`,
    String.raw`(https?:\/\/[^\s<>]*[^\s<>.,:;!?)"'\]])`,
    ":([a-z0-9_+'-]{1,60}):",
  ].join("|"),
  "g",
);

/** Deepest nesting of quotations, lists and styles that is drawn. */
const DEEPEST = 6;

/** Text in CommonMark as elements. */
export function markdown(text, scene) {
  return blocks(text.replaceAll("\r\n", "\n").split("\n"), scene, 0);
}

function blocks(lines, scene, depth) {
  const nodes = [];
  for (let at = 0; at < lines.length; ) {
    const { node, next } = block(lines, at, scene, depth);
    if (node) nodes.push(node);
    at = next;
  }
  return nodes;
}

/** The block that starts at line `at`, and the line after it. Always moves on by at least one line. */
function block(lines, at, scene, depth) {
  const line = lines[at];
  if (line.trim() === "") return { node: null, next: at + 1 };
  if (FENCE.test(line)) return fenced(lines, at);
  const heading = HEADING.exec(line);
  if (heading) {
    // A message is no document of its own: its headings stay below the page's.
    const level = Math.min(heading[1].length + 2, 6);
    return { node: h(`h${level}`, { class: `md-h${heading[1].length}` }, inline(heading[2], scene)), next: at + 1 };
  }
  if (RULE.test(line)) return { node: h("hr"), next: at + 1 };
  if (depth < DEEPEST && QUOTE.test(line)) return quotation(lines, at, scene, depth);
  if (depth < DEEPEST && ITEM.test(line)) return list(lines, at, scene, depth);
  if (line.includes("|") && TABLE_RULE.test(lines[at + 1] ?? "") && lines[at + 1].includes("-")) {
    return table(lines, at, scene);
  }
  return paragraph(lines, at, scene);
}

function fenced(lines, at) {
  const [, fence, language] = FENCE.exec(lines[at]);
  let end = at + 1;
  while (end < lines.length && !lines[end].trimStart().startsWith(fence)) end += 1;
  const code = h("code", {}, lines.slice(at + 1, end).join("\n"));
  return { node: h("pre", language ? { "data-language": language } : {}, code), next: end + 1 };
}

function quotation(lines, at, scene, depth) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  const inner = lines.slice(at, end).map((line) => QUOTE.exec(line)[1]);
  return { node: h("blockquote", {}, blocks(inner, scene, depth + 1)), next: end };
}

function list(lines, at, scene, depth) {
  const [, indent, marker] = ITEM.exec(lines[at]);
  const ordered = /\d/.test(marker);
  const items = [];
  let end = at;
  while (end < lines.length) {
    const item = ITEM.exec(lines[end]);
    if (!item || item[1].length > indent.length + 1 || /\d/.test(item[2]) !== ordered) break;
    const inner = [item[3]];
    end += 1;
    // What is indented deeper, and blank lines before it, belongs to the item.
    while (end < lines.length && belongs(lines, end, indent.length)) {
      inner.push(lines[end].replace(new RegExp(`^ {0,${indent.length + marker.length + 1}}`), ""));
      end += 1;
    }
    items.push(listItem(inner, scene, depth));
    while (lines[end]?.trim() === "" && ITEM.test(lines[end + 1] ?? "")) end += 1;
  }
  const start = ordered && Number.parseInt(marker, 10) !== 1 ? { start: Number.parseInt(marker, 10) } : {};
  return { node: h(ordered ? "ol" : "ul", start, items), next: Math.max(end, at + 1) };
}

function belongs(lines, at, indent) {
  const line = lines[at];
  if (line.trim() === "") return /^\s/.test(lines[at + 1] ?? "") && lines[at + 1].trim() !== "" && belongs(lines, at + 1, indent);
  return line.length - line.trimStart().length > indent + 1;
}

function listItem(inner, scene, depth) {
  const task = /^\[([ xX])\]\s+(.*)$/.exec(inner[0]);
  if (task) inner[0] = task[2];
  const [first, ...rest] = inner;
  const box = task && h("span", { class: "task" }, task[1] === " " ? "☐ " : "☑ ");
  return h("li", task ? { class: "task-item" } : {}, box, inline(first, scene), blocks(rest, scene, depth + 1));
}

function table(lines, at, scene) {
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && lines[end].trim() !== "") end += 1;
  const row = (line, cell) => h("tr", {}, cells(line).map((text) => h(cell, {}, inline(text, scene))));
  const head = h("thead", {}, row(lines[at], "th"));
  const body = h("tbody", {}, lines.slice(at + 2, end).map((line) => row(line, "td")));
  return { node: h("div", { class: "table" }, h("table", {}, head, body)), next: end };
}

function cells(line) {
  return line.trim().replace(/^\||(?<!\\)\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function paragraph(lines, at, scene) {
  const text = [];
  let end = at;
  while (end < lines.length && lines[end].trim() !== "" && (end === at || !interrupts(lines[end]))) {
    text.push(lines[end].trim());
    end += 1;
  }
  const nodes = text.flatMap((line, index) => (index > 0 ? [h("br"), ...inline(line, scene)] : inline(line, scene)));
  return { node: h("p", {}, nodes), next: end };
}

function interrupts(line) {
  return [FENCE, HEADING, RULE, QUOTE, ITEM].some((pattern) => pattern.test(line));
}

function inline(text, scene, depth = 0) {
  if (depth > DEEPEST) return [text];
  const nodes = [];
  let done = 0;
  // `matchAll` works on a copy of the expression, so nested calls do not disturb each other.
  for (const match of text.matchAll(INLINE)) {
    nodes.push(text.slice(done, match.index), token(match, scene, depth));
    done = match.index + match[0].length;
  }
  nodes.push(text.slice(done));
  return nodes.filter((node) => node !== "");
}

function token(match, scene, depth) {
  const [whole, escaped, , code, alt, image, label, url, angled, sign, id, name] = match;
  const [strong, strong2, struck, em, em2, bare, short] = match.slice(12);
  const nested = (inner) => inline(inner, scene, depth + 1);
  if (escaped !== undefined) return escaped;
  if (code !== undefined) return h("code", {}, code.length > 2 ? code.replace(/^ (.*) $/, "$1") : code);
  if (image !== undefined) return link(image, alt || image);
  if (url !== undefined) return link(url, nested(label));
  if (angled !== undefined) return link(angled, angled);
  if (sign !== undefined) return sign === "@" ? mention(id, scene) : channelMention(id, name, scene);
  if (strong !== undefined || strong2 !== undefined) return h("strong", {}, nested(strong ?? strong2));
  if (struck !== undefined) return h("s", {}, nested(struck));
  if (em !== undefined || em2 !== undefined) return h("em", {}, nested(em ?? em2));
  if (bare !== undefined) return link(bare, bare);
  return isEmoji(short) ? emoji(short) : whole;
}
