// The list under the graph, which mirrors the drawing for those who do not see it or have no mouse.
const list = (() => {
  const { items } = records;
  const { view, shown, select, toggle, relationOf, shape } = selection;
  const { MARKS, marked, sizeOf } = words;
  const { at, el } = elements;
  const { columns } = layout;

  let listed = null; // the shape of what is in the list

  /** Bring the list up to date. */
  function show() {
    if (shape() !== listed) fill();
    listed = shape();
    mark();
  }

  function fill() {
    const row = (item, ...more) =>
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", "data-key": item.key, "data-state": item.state, onclick: () => select(item) }),
        ...more,
      );
    const unit = (group) => {
      if (group.item !== group) return el("li", {}, row(group.item));
      const button = el(
        "button",
        {
          type: "button",
          "aria-expanded": String(!group.folded),
          "aria-label": `${group.folded ? "Unfold" : "Fold"} ${group.title}`,
          onclick: () => {
            toggle(group);
            at("list").querySelector(".row:has([aria-current]) [aria-expanded], [aria-current]")?.focus();
          },
        },
        group.folded ? "Unfold" : "Fold",
      );
      return el(
        "li",
        {},
        row(group, button),
        el(
          "ul",
          {},
          shown(group).map((node) => el("li", {}, row(node))),
        ),
      );
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
    for (const button of at("list").querySelectorAll("[data-key]")) {
      const item = items.get(button.dataset.key),
        relation = relationOf(item);
      const name = item.members ? `${item.title}, ${sizeOf(item)}` : item.group.item === item ? item.title : item.short;
      const states = item.members
        ? item.states.map(([kind, count]) => `${MARKS[kind]} ${count} ${kind}`)
        : item.state
          ? [marked(item.state)]
          : [];
      const arrow = { ancestor: "◂ ", descendant: "▸ " }[relation] ?? "";
      button.textContent = `${arrow}${[name, ...states].join(" · ")}`;
      button.setAttribute(
        "aria-label",
        [item.title, item.members ? sizeOf(item) : "", ...states, relation].filter(Boolean).join(", "),
      );
      button.dataset.relation = relation;
      if (relation === "selected") button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  return { show };
})();
