// Elements of the page that several parts show: links, buttons, badges, long lists, tables of values.
const SHOWN = 12; // entries of a long list, until all are asked for

const at = (id) => document.getElementById(id);

/** An element with these attributes. Text is only ever set as text, never as HTML. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) if (content !== null) made.setAttribute(name, content);
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

/** A link that selects an item, by its address. */
const link = (item, text = item.title, file = null) => el("a", { href: addressOf(item, file) }, text);

/** A button that does one of the actions of the page (see start.js). */
const button = (text, action, attributes) =>
  el("button", { type: "button", "data-action": action, ...attributes }, text);

/** A button that opens or folds a group. */
function foldButton(group, withTitle) {
  const what = group.folded ? "Unfold" : "Fold";
  const label = `${what} ${group.title}`;
  const state = { "data-group": group.key, "aria-expanded": String(!group.folded), "aria-label": label };
  return button(withTitle ? label : what, "toggle", state);
}

const badge = (state) => el("span", { class: "badge", "data-state": state }, marked(state));

/** Something that is closed until it is asked for. */
const folding = (title, ...content) => el("details", {}, el("summary", {}, title), ...content);

/** A list that shows its first entries, and the others when asked. */
function long(entries, name, entryOf, most = SHOWN) {
  const list = (part) => el("ul", { class: name }, part.map(entryOf));
  const others = entries.slice(most);
  const first = list(entries.slice(0, most));
  return others.length ? [first, folding(`${others.length} more`, list(others))] : [first];
}

/** A table of all that is inside a value, by dotted keys. */
function table(content) {
  const pairs = flat(content).map(([key, text]) => [el("dt", {}, key), el("dd", {}, text)]);
  return el("dl", { class: "values" }, ...pairs);
}

/** Pairs of a dotted key and a text or element. */
function flat(content, start = "") {
  if (typeof content === "string" || content instanceof Element) return [[start, content]];
  const parts = Array.isArray(content) ? [] : Object.entries(content ?? {}); // a number has none either
  if (!parts.length) return [[start, JSON.stringify(content)]];
  return parts.flatMap(([key, part]) => flat(part, start ? `${start}.${key}` : key));
}
