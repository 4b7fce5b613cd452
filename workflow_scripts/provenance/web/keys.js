// Keys that move the selection through the graph.
const keys = (() => {
  const { view, membersOf, groupOf, shown, select, toggle } = selection;
  const { at } = elements;
  const { columns } = layout;
  const { clear } = panel;
  const { close: closeMatches } = search;

  const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };

  /** Where an arrow leads: along a link, to the nearest; or to what is above or below. */
  function neighbour(item, way) {
    const column = columns[groupOf(item).column].filter((slot) => !slot.passes);
    if (way === "left" || way === "right") {
      const next = new Map();
      for (const node of membersOf(item))
        for (const each of way === "left" ? node.parents : node.children) {
          if (each.group !== groupOf(item) || !item.members)
            next.set(each.group, [...new Set([...(next.get(each.group) ?? []), each])]);
        }
      const found = [...next].map(([group, inside]) =>
        inside.length === 1 ? inside[0] : group.folded ? group : nearest(inside, item),
      );
      return found.includes(view.from) ? view.from : nearest(found, item);
    }
    const group = groupOf(item),
      place = column.indexOf(group),
      inside = group.folded ? [] : group.members;
    const above = column[place - 1],
      below = column[place + 1]?.item,
      lastOf = (each) => (each?.folded === false ? each.members.at(-1) : each?.item);
    if (item.members) return way === "up" ? lastOf(above) : (inside[0] ?? below);
    if (item === group.item) return way === "up" ? lastOf(above) : below;
    return group.members[group.members.indexOf(item) + (way === "up" ? -1 : 1)] ?? (way === "up" ? group : below);
  }

  /** Of some items the one that is drawn nearest to another, by columns first. */
  function nearest(items, item) {
    const height = (each) => (shown(groupOf(each)).includes(each) ? each.y : groupOf(each).y);
    const apart = (each) => Math.abs(groupOf(each).column - groupOf(item).column);
    const away = (each) => apart(each) * 1e6 + Math.abs(height(each) - height(item));
    return [...items].sort((a, b) => away(a) - away(b))[0];
  }

  /** Do what a key asks for, wherever the focus is but in a field. */
  function press(event) {
    const typing = event.target.matches("input"),
      inList = at("list").contains(event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (event.key === "/") {
      event.preventDefault();
      at("search").focus();
      at("search").select();
      return;
    }
    if (event.key === "Escape") {
      closeMatches();
      clear();
      return;
    }
    if (!inList && event.target !== at("graph") && event.target !== document.body) return;
    if (event.key in ARROWS) {
      event.preventDefault();
      const next = view.item ? neighbour(view.item, ARROWS[event.key]) : columns[0].find((slot) => !slot.passes).item;
      if (next) select(next);
      if (inList) at("list").querySelector('[aria-current="true"]')?.focus();
    } else if (event.key === "Enter" && !inList && view.item) {
      event.preventDefault();
      if (view.item.members) toggle(view.item);
      else at("panel").focus();
    }
  }

  return { press };
})();
