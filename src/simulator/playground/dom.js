// Building and updating the page's elements.
//
// Everything on the page is made by `h` from data, never from markup, so outside text stays text.
// `keyed` and `morph` bring what stands on the page up to date in place: an element that stays keeps
// its focus, its selection, what was typed into it and whether it is open.

const SVG = "http://www.w3.org/2000/svg";

/** What an element listens to, by element: `morph` hands them from the fresh element to the old one. */
const listeners = new WeakMap();

/** What a row was built from, by element. */
const signatures = new WeakMap();

/** An element. `attributes.on` holds listeners by event; an attribute that is false or null is left out. */
export function h(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute === "on") listen(node, value);
    else if (value === true) node.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(attribute, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** One of the pictures at the end of `page.html`. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Listens to each event in `handlers`, in place of what the element listened to before. */
export function listen(node, handlers) {
  listeners.set(node, handlers);
  // Adding the same function again changes nothing, so an element can be given handlers many times.
  for (const event of Object.keys(handlers)) node.addEventListener(event, dispatch);
}

function dispatch(event) {
  listeners.get(event.currentTarget)?.[event.type]?.(event);
}

/** An address that may be followed: a whole one, with http, https or mailto. */
export function safeUrl(text) {
  const url = URL.canParse(text) ? new URL(text) : null;
  return ["http:", "https:", "mailto:"].includes(url?.protocol) ? url.href : null;
}

/** An address on this server, whichever of its loopback names it is written with; none for any other. */
export function localUrl(text) {
  const url = URL.canParse(text ?? "", location.href) ? new URL(text, location.href) : null;
  const loopback = ["localhost", "127.0.0.1", "[::1]"];
  const same =
    url?.origin === location.origin ||
    (url?.port === location.port && loopback.includes(url?.hostname) && loopback.includes(location.hostname));
  return same ? url.pathname + url.search : null;
}

/** A link that opens in a tab of its own; plain text when its address is none to follow. */
export function link(url, ...children) {
  const href = safeUrl(url);
  return href
    ? h("a", { href, target: "_blank", rel: "noopener noreferrer" }, children)
    : h("span", {}, children);
}

/**
 * Makes the children of `parent` those that `rows` describe, in their order. A row that has the same
 * key and signature as before is not touched; one with another signature is built and morphed.
 *
 * @param {Element} parent
 * @param {{key: string, signature: string, build: () => Element}[]} rows
 */
export function keyed(parent, rows) {
  const wanted = new Set(rows.map((row) => row.key));
  const standing = new Map();
  for (const child of [...parent.children]) {
    if (wanted.has(child.dataset.key)) standing.set(child.dataset.key, child);
    else child.remove();
  }
  let cursor = parent.firstElementChild;
  for (const { key, signature, build } of rows) {
    let node = standing.get(key);
    if (!node || signatures.get(node) !== signature) {
      const fresh = build();
      fresh.dataset.key = key;
      node = node ? morph(node, fresh) : fresh;
      signatures.set(node, signature);
    }
    if (node === cursor) cursor = cursor.nextElementSibling;
    else parent.insertBefore(node, cursor);
  }
}

/** Makes `old` equal to `fresh` and answers the element that now stands on the page. */
export function morph(old, fresh) {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return old;
  }
  morphAttributes(old, fresh);
  listen(old, listeners.get(fresh) ?? {});
  morphChildren(old, fresh);
  return old;
}

function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) {
    // Whether something is open is the reader's business.
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map((child) => child.dataset.key).filter(Boolean));
  const standing = new Map();
  for (const child of [...old.children]) {
    const { key } = child.dataset;
    if (key && wanted.has(key)) standing.set(key, child);
    else if (key) child.remove();
  }
  let cursor = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    const key = next.dataset?.key;
    const alike = cursor && !cursor.dataset?.key && cursor.nodeName === next.nodeName;
    const match = key ? standing.get(key) : alike && cursor;
    if (!match) {
      old.insertBefore(next, cursor);
      continue;
    }
    if (match === cursor) cursor = cursor.nextSibling;
    else old.insertBefore(match, cursor);
    morph(match, next);
  }
  while (cursor) {
    const next = cursor.nextSibling;
    cursor.remove();
    cursor = next;
  }
}
