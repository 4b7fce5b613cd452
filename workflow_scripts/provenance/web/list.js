// The list under the graph, which mirrors the drawing for those who do not see it or have no mouse.
let listed = null; // the keys of what is in the list

/** Bring the list up to date. */
function showList() {
  const keys = drawnGroups().flatMap((group) => [group.key, ...shown(group).map((node) => node.key)]);
  if (keys.join() !== listed) fillList();
  listed = keys.join();
  for (const entry of at("list").querySelectorAll("[data-key]")) markEntry(entry);
}

function fillList() {
  const row = (item, ...more) => {
    const entry = button("", "select", { "data-key": item.key, "data-state": item.state });
    return el("li", {}, el("div", { class: "row" }, entry, ...more));
  };
  const unit = (group) => {
    if (group.item !== group) return row(group.item);
    const made = row(group, foldButton(group, false));
    made.append(el("ul", {}, ...shown(group).map((node) => row(node))));
    return made;
  };
  const sections = columns.map((column) => {
    const inside = groupsIn(column);
    const steps = [...new Set(inside.map((group) => group.step || "files"))].join(", ");
    return el("section", { "aria-label": steps }, el("h3", {}, steps), el("ul", {}, inside.map(unit)));
  });
  at("list").replaceChildren(...sections);
}

/** Mark how an entry is related to the selection. */
function markEntry(entry) {
  const item = items.get(entry.dataset.key);
  const relation = relationOf(item);
  const name = item.members || groupOf(item).item === item ? item.title : item.short;
  const more = [item.members ? sizeOf(item) : "", ...statesOf(item)].filter(Boolean);
  const arrow = { ancestor: "◂ ", descendant: "▸ " }[relation] ?? "";
  entry.textContent = arrow + [name, ...more].join(" · ");
  entry.ariaLabel = [item.title, ...more, relation].filter(Boolean).join(", ");
  entry.ariaCurrent = relation === "selected" ? "true" : null;
  entry.dataset.relation = relation;
}
