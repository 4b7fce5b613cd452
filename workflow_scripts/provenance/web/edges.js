// Which edges are drawn, and their ends and curves: between groups, and from node to node for what is selected.
const edges = (() => {
  const { view, membersOf, shown, relationOf, drawnGroups } = selection;
  const { links, chain, levelOf } = layout;

  const MEMBER_EDGES = 8; // with more related nodes than this, an open group's edges are drawn for all together

  /** All edges between groups; those of the selection once more, from node to node. */
  function drawnEdges() {
    const found = new Map();
    const add = (passed, relation) =>
      wayThrough(passed).forEach((to, number, way) => {
        if (number === 0) return;
        const from = way[number - 1],
          id = `${from.key} > ${to.key}`;
        if (relation || !found.has(id)) found.set(id, [from, to, relation]);
      });
    for (const [from, to] of links.values()) add(chain(from, to, from, to), view.item ? "unrelated" : "");
    const related = new Map();
    for (const { group } of [...view.ancestors, ...view.descendants]) related.set(group, (related.get(group) ?? 0) + 1);
    const crowded = new Set([view.item, ...drawnGroups().filter((group) => related.get(group) > MEMBER_EDGES)]);
    const chosen = new Set(view.item ? membersOf(view.item) : []);
    const follow = (into, from, relation) => {
      for (const node of into)
        for (const parent of node.parents) {
          if (node.group === parent.group || !(from.has(parent) || (relation === "descendant" && chosen.has(parent))))
            continue;
          add(chain(parent.group, node.group, standIn(parent, crowded), standIn(node, crowded)), relation);
        }
    };
    follow([...chosen, ...view.ancestors], view.ancestors, "ancestor");
    follow(view.descendants, view.descendants, "descendant");
    return [...found].map(([id, [from, to, relation]]) => edgeBetween(from, to, id, relation));
  }

  /** Where a node's edges end: at it, or at its group where that is folded, has many columns or is much related. */
  function standIn(node, crowded) {
    const { group } = node;
    return group.across === 1 && shown(group).includes(node) && !crowded.has(group) ? node : group;
  }

  /** The points of an edge: it crosses whole columns level, so that it passes nothing but gaps. */
  function wayThrough(passed) {
    const last = passed.length - 1;
    return passed.flatMap((slot, number) => {
      if (slot.passes) return slot.ends;
      if (!slot.narrow) return [slot];
      return number === 0 ? [slot, slot.ends[1]] : number === last ? [slot.ends[0], slot] : [slot];
    });
  }

  /** An edge that leaves and arrives level, as an S. */
  function edgeBetween(from, to, id, relation) {
    const level = (each) => (each.head ? levelOf(each) : each.y);
    const x = to.x - from.x - (from.w + to.w) / 2,
      y = level(to) - level(from);
    const square = x * x + y * y || 1,
      weight = (x * x) / 2 / square;
    const distance = (x / 2) * (y / Math.sqrt(square));
    const curve = { distances: [-distance, distance], weights: [weight, 1 - weight] };
    const ends = `${from.passes ? "onward" : ""} ${to.passes ? "passing" : "arriving"}`;
    return { group: "edges", data: { id, source: from.key, target: to.key, ...curve }, classes: `${relation} ${ends}` };
  }

  return { drawnEdges };
})();
