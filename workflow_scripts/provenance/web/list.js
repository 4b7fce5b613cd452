// The list under the graph, which mirrors the drawing for those who do not see it or have no mouse.
const list = (() => {
  const { items } = records;
  const { shown, select, relationOf, shape } = selection;
  const { sizeOf, statesOf } = words;
  const { at, el, button, foldButton } = elements;
  const { columns } = layout;

  let listed = null; // the shape of what is in the list

  /** Bring the list up to date. */
  function show() {
    if (shape() !== listed) fill();
    listed = shape();
    mark();
  }

  function fill() {
    const row = (item, ...more) => {
      const entry = button("", () => select(item), { "data-key": item.key, "data-state": item.state });
      return el("div", { class: "row" }, entry, ...more);
    };
    const unit = (group) => {
      if (group.item !== group) return el("li", {}, row(group.item));
      const selected = "#list .row:has([aria-current]) [aria-expanded], #list [aria-current]";
      const members = shown(group).map((node) => el("li", {}, row(node)));
      return el("li", {}, row(group, foldButton(group, selected, false)), el("ul", {}, members));
    };
    at("list").replaceChildren(
      ...columns.map((column) => {
        const inside = column.filter((slot) => !slot.passes);
        const steps = [...new Set(inside.map((group) => group.step || "files"))].join(", ");
        return el("section", { "aria-label": steps }, el("h3", {}, steps), el("ul", {}, inside.map(unit)));
      }),
    );
  }

  /** Mark how every entry is related to the selection. */
  function mark() {
    for (const entry of at("list").querySelectorAll("[data-key]")) {
      const item = items.get(entry.dataset.key),
        relation = relationOf(item);
      const name = item.members ? `${item.title}, ${sizeOf(item)}` : item.group.item === item ? item.title : item.short;
      const states = statesOf(item);
      const arrow = { ancestor: "◂ ", descendant: "▸ " }[relation] ?? "";
      entry.textContent = `${arrow}${[name, ...states].join(" · ")}`;
      const spoken = [item.title, item.members ? sizeOf(item) : "", ...states, relation].filter(Boolean);
      entry.setAttribute("aria-label", spoken.join(", "));
      entry.dataset.relation = relation;
      if (relation === "selected") entry.setAttribute("aria-current", "true");
      else entry.removeAttribute("aria-current");
    }
  }

  return { show };
})();
