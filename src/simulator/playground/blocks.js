// Block Kit as page elements, for messages and for modals.
//
// https://docs.slack.dev/reference/block-kit/blocks. Which of the drawn elements do something and what
// they are worth is told by `elements.js`. A block that is not known here says so instead of vanishing.
//
// `around` is what surrounds the blocks: `scene`, the simulator's state; `scope`, a word that tells
// this message or view from others; `act`, called with what was done; `errors`, by block, in a modal.

import { element } from "./elements.js";
import { h, link, localUrl } from "./dom.js";
import { markdown } from "./markdown.js";
import { mrkdwn, plain } from "./mrkdwn.js";
import { richText, table } from "./rich_text.js";

/** The blocks as elements, in their order. */
export function renderBlocks(blocks, around) {
  return blocks.map((block, index) => renderBlock({ block_id: `block-${index}`, ...block }, around));
}

function renderBlock(block, around) {
  const { scene } = around;
  switch (block.type) {
    case "header":
      return h("h3", { class: "block-header" }, plain(block.text?.text ?? ""));
    case "section":
      return section(block, around);
    case "actions":
      return h("div", { class: "block-actions" }, (block.elements ?? []).map((part) => element(part, block, around)));
    case "context":
      return h("div", { class: "block-context" }, (block.elements ?? []).map((part) => contextPart(part, scene)));
    case "divider":
      return h("hr", { class: "block-divider" });
    case "image":
      return figure(block);
    case "markdown":
      return h("div", { class: "block-markdown" }, markdown(String(block.text ?? ""), scene));
    case "rich_text":
      return h("div", { class: "block-rich-text" }, richText(block, scene));
    case "table":
      return table(block, scene);
    case "input":
      return input(block, around);
    default:
      return h("div", { class: "block-unknown" }, `A block of type “${block.type}” is not drawn here.`);
  }
}

/** A text object, of either kind, as nodes. */
export function textObject(text, scene) {
  if (!text) return [];
  if (text.type !== "mrkdwn") return [plain(text.text ?? "")];
  return mrkdwn(text.text ?? "", text.verbatim ? { ...scene, verbatim: true } : scene);
}

function section(block, around) {
  const { scene } = around;
  const text = block.text && h("div", { class: "block-text" }, textObject(block.text, scene));
  const fields =
    block.fields &&
    h("div", { class: "block-fields" }, block.fields.map((field) => h("div", {}, textObject(field, scene))));
  const { accessory } = block;
  if (!accessory) return h("div", { class: "block-section" }, text, fields);
  const drawn = accessory.type === "image" ? picture(accessory, "thumbnail") : element(accessory, block, around);
  return h(
    "div",
    { class: "block-section with-accessory" },
    h("div", {}, text, fields),
    h("div", { class: "block-accessory" }, drawn),
  );
}

function contextPart(part, scene) {
  return part.type === "image" ? picture(part, "context-image") : h("span", {}, textObject(part, scene));
}

function figure(block) {
  const title = block.title && h("figcaption", {}, plain(block.title.text ?? ""));
  return h("figure", { class: "block-image" }, title, picture(block, "picture"));
}

/** A picture of this server's is shown; one from elsewhere is linked, since nothing here calls out. */
function picture(image, className) {
  const alt = image.alt_text ?? "";
  const src = localUrl(image.image_url) ?? (image.image_url?.startsWith("data:image/") ? image.image_url : null);
  return src
    ? h("img", { class: className, src, alt, title: alt, loading: "lazy" })
    : h("span", { class: "picture-elsewhere" }, link(image.image_url ?? "", alt || "Picture"));
}

function input(block, around) {
  const error = around.errors?.[block.block_id];
  const id = `${around.scope}/${block.block_id}`;
  const hint = block.hint && h("p", { class: "hint", id: `${id}/hint` }, plain(block.hint.text ?? ""));
  const problem = error && h("p", { class: "problem", id: `${id}/problem`, role: "alert" }, plain(error));
  const optional = block.optional && h("span", { class: "optional" }, " (optional)");
  const describedBy = [problem && `${id}/problem`, hint && `${id}/hint`].filter(Boolean).join(" ");
  const inner = { id, "aria-describedby": describedBy || null, "aria-invalid": error ? "true" : null };
  const control = element(block.element ?? {}, block, { ...around, attributes: inner });
  const grouped = control.nodeName === "DIV";
  return h(
    "div",
    {
      class: error ? "block-input wrong" : "block-input",
      "data-key": block.block_id,
      role: grouped ? "group" : null,
      "aria-labelledby": grouped ? `${id}/label` : null,
    },
    h(grouped ? "span" : "label", { class: "label", id: `${id}/label`, for: grouped ? null : id }, plain(block.label?.text ?? ""), optional),
    control,
    problem,
    hint,
  );
}
