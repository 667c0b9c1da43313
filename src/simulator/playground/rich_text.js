// The `rich_text` block, and the cells of the `table` block, as page elements.
//
// https://docs.slack.dev/reference/block-kit/blocks/rich-text-block. What people type reaches apps in
// this form, and so do some messages of agents.

import { emoji } from "./emoji.js";
import { h, link } from "./dom.js";
import { channelMention, date, mention } from "./mrkdwn.js";

/** The elements of a `rich_text` block. */
export function richText(block, scene) {
  return (block.elements ?? []).map((part) => section(part, scene));
}

/** A `table` block: rows of cells that are text or rich text. */
export function table(block, scene) {
  const cell = (content) =>
    h("td", {}, content?.type === "rich_text" ? richText(content, scene) : String(content?.text ?? ""));
  const rows = (block.rows ?? []).map((row) => h("tr", {}, row.map(cell)));
  return h("div", { class: "table" }, h("table", {}, h("tbody", {}, rows)));
}

function section(part, scene) {
  const inner = part.elements ?? [];
  switch (part.type) {
    case "rich_text_list": {
      const name = part.style === "ordered" ? "ol" : "ul";
      const items = inner.map((item) => h("li", {}, (item.elements ?? []).map((leaf) => span(leaf, scene))));
      return h(name, { class: `indent-${Math.min(part.indent ?? 0, 4)}` }, items);
    }
    case "rich_text_quote":
      return h("blockquote", {}, inner.map((leaf) => span(leaf, scene)));
    case "rich_text_preformatted":
      return h("pre", {}, h("code", {}, inner.map((leaf) => leaf.text ?? leaf.url ?? "")));
    default:
      return h("p", { class: "rich" }, inner.map((leaf) => span(leaf, scene)));
  }
}

function span(leaf, scene) {
  return styled(bare(leaf, scene), leaf.style ?? {});
}

function bare(leaf, scene) {
  switch (leaf.type) {
    case "link":
      return link(leaf.url ?? "", leaf.text || leaf.url || "");
    case "user":
      return mention(leaf.user_id, scene);
    case "channel":
      return channelMention(leaf.channel_id, undefined, scene);
    case "usergroup":
      return h("span", { class: "mention" }, `@${leaf.usergroup_id}`);
    case "broadcast":
      return h("span", { class: "mention" }, `@${leaf.range}`);
    case "emoji":
      return document.createTextNode(emoji(leaf.name));
    case "date":
      return date(leaf.timestamp, leaf.format ?? "{date}", leaf.fallback);
    default:
      return document.createTextNode(leaf.text ?? "");
  }
}

function styled(node, style) {
  const wraps = [["code", "code"], ["strike", "s"], ["italic", "em"], ["bold", "strong"]];
  return wraps.reduce((inner, [flag, name]) => (style[flag] ? h(name, {}, inner) : inner), node);
}
