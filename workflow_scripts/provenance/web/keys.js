// Keys that move the selection through the graph.
const ARROWS = { ArrowLeft: "parents", ArrowRight: "children", ArrowUp: -1, ArrowDown: 1 };

/** What an item is linked to by `next`, parents or children: where one came from, else what is drawn nearest. */
function alongLinks(item, next) {
  const linked = new Set(membersOf(item).flatMap((node) => [...node[next]]));
  const inGroups = Map.groupBy(linked, groupOf);
  inGroups.delete(item);
  const found = [...inGroups].map(([group, inside]) =>
    group.folded && inside.length > 1 ? group : nearest(inside, item),
  );
  return found.includes(view.from) ? view.from : nearest(found, item);
}

/** Of some items the one that is drawn nearest to another, by columns first. */
function nearest(all, item) {
  const height = (each) => (shown(groupOf(each)).includes(each) ? each.y : groupOf(each).y);
  const apart = (each) => Math.abs(groupOf(each).column - groupOf(item).column);
  const away = (each) => apart(each) * 1e6 + Math.abs(height(each) - height(item));
  return [...all].sort((a, b) => away(a) - away(b))[0];
}

/** What is above or below an item in its column; the nodes of an open group come after it. */
function withinColumn(item, step) {
  const isOpen = (group) => group.item === group && (!group.folded || (group !== item && group === groupOf(item)));
  const all = groupsIn(columns[groupOf(item).column]);
  const order = all.flatMap((group) => [group.item, ...(isOpen(group) ? group.members : [])]);
  return order[order.indexOf(item) + step];
}

/** Do what a key asks for, wherever the focus is but in a field. */
function press(event) {
  const { key, target } = event;
  const inList = at("list").contains(target);
  if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input")) return;
  if (key === "Escape") {
    closeMatches();
    clear();
  }
  if (key === "/") {
    event.preventDefault();
    at("search").focus();
    at("search").select();
  }
  if (!inList && target !== at("graph") && target !== document.body) return;
  if (key in ARROWS) {
    event.preventDefault();
    const way = ARROWS[key];
    const move = typeof way === "number" ? withinColumn : alongLinks;
    const next = view.item ? move(view.item, way) : groupsIn(columns[0])[0].item;
    if (next) select(next);
    if (inList) at("list").querySelector("[aria-current]")?.focus();
  } else if (key === "Enter" && !inList && view.item) {
    event.preventDefault();
    if (view.item.members) toggle(view.item);
    else at("panel").focus();
  }
}
