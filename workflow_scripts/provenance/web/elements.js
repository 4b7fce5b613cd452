// Elements of the page that several parts show: links, badges, long lists, tables of values.
const elements = (() => {
  const { select, toggle } = selection;
  const { marked } = words;
  const { hashOf } = address;

  const SHOWN = 12; // entries of a long list, until all are asked for

  const at = (id) => document.getElementById(id);

  /** An element with these attributes, `on...` being listeners. Text is only ever set as text, never as HTML. */
  function el(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, content] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), content);
      else if (content !== null && content !== undefined) made.setAttribute(name, content);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** A link that selects an item; it can be copied, too. */
  function link(item, text = item.title, file = null) {
    const onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      select(item, { file });
    };
    return el("a", { href: hashOf(item, file), onclick }, text);
  }

  const button = (text, onclick, attributes = {}) => el("button", { type: "button", onclick, ...attributes }, text);

  /** A button that opens or folds a group; then the focus goes to the element that the selector `focused` finds. */
  function foldButton(group, focused, withTitle) {
    const what = group.folded ? "Unfold" : "Fold",
      label = `${what} ${group.title}`;
    const onclick = () => {
      toggle(group);
      document.querySelector(focused)?.focus();
    };
    const state = { "aria-expanded": String(!group.folded), "aria-label": label };
    return button(withTitle ? label : what, onclick, state);
  }

  const badge = (state) => el("span", { class: "badge", "data-state": state }, marked(state));

  const bytes = (number) => {
    const unit = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), 3);
    return unit
      ? `${(number / 1000 ** unit).toFixed(1)} ${["kB", "MB", "GB"][unit - 1]} (${number} bytes)`
      : `${number} bytes`;
  };

  /** A list that shows its first entries, and the others when asked. */
  function long(entries, name, show, most = SHOWN) {
    const list = el("ul", { class: name }, entries.slice(0, most).map(show));
    if (entries.length <= most) return [list];
    const more = button(`Show all ${entries.length}`, () => {
      list.append(...entries.slice(most).map(show));
      more.remove();
    });
    return [list, more];
  }

  /** Pairs of a dotted key and a text for all that is inside a value. */
  function flat(content, start = "") {
    if (content === null || typeof content !== "object" || Array.isArray(content) || !Object.keys(content).length) {
      return [[start, typeof content === "string" ? content : JSON.stringify(content)]];
    }
    return Object.entries(content).flatMap(([key, part]) => flat(part, start ? `${start}.${key}` : key));
  }

  /** A table of pairs. */
  const values = (pairs) =>
    el("dl", { class: "values" }, ...pairs.map(([key, text]) => [el("dt", {}, key), el("dd", {}, text)]));

  /** A table that is closed until it is asked for. */
  const folding = (title, content) => el("details", {}, el("summary", {}, title), values(flat(content)));

  return { SHOWN, at, el, link, button, foldButton, badge, bytes, long, flat, values, folding };
})();
