// Which edges are drawn, and their curves: between groups, and from node to node for what is selected.
const MEMBER_EDGES = 8; // with more related nodes than this, an open group's edges are drawn for all together

/** All edges between groups; those of the selection once more, from node to node. */
function drawnEdges() {
  const found = new Map();
  const add = (way, relation) => found.set(linkId(way[0], way.at(-1)), { way, relation });
  for (const way of ways.values()) add(way, view.item ? "unrelated" : "");
  const { item, ancestors, descendants } = view;
  const chosen = new Set(item ? membersOf(item) : []);
  const related = Map.groupBy([...ancestors, ...descendants], groupOf);
  /** Where a node's edges end: at it, or at its group where that is folded, has many columns or is much related. */
  const endOf = (node) => {
    const group = groupOf(node);
    const isCrowded = group === item || related.get(group)?.length > MEMBER_EDGES;
    return group.across === 1 && shown(group).includes(node) && !isCrowded ? node : group;
  };
  const follow = (into, from, relation) => {
    for (const node of into)
      for (const parent of node.parents) {
        const way = ways.get(linkId(groupOf(parent), groupOf(node)));
        if (way && from.has(parent)) add([endOf(parent), ...way.slice(1, -1), endOf(node)], relation);
      }
  };
  follow(chosen.union(ancestors), ancestors, "ancestor");
  follow(descendants, chosen.union(descendants), "descendant");
  return [...found].map(([id, { way, relation }]) => {
    const data = { id, source: way[0].key, target: way.at(-1).key, ...curveThrough(way) };
    return { group: "edges", data, classes: relation };
  });
}

/** The control points of an edge, as the library wants them: how far along the line between its ends, and beside it. */
function curveThrough(way) {
  const [first, last] = [way[0], way.at(-1)];
  const [x, y] = [first.x + first.w / 2, heightOf(first)];
  const [across, down] = [last.x - last.w / 2 - x, heightOf(last) - y];
  const length = Math.hypot(across, down) || 1;
  const points = way.slice(1).flatMap((to, place) => pointsBetween(way[place], to));
  return {
    weights: points.map((point) => ((point.x - x) * across + (point.y - y) * down) / length ** 2),
    distances: points.map((point) => ((point.y - y) * across - (point.x - x) * down) / length),
  };
}

/** Control points that make an S between two columns, and keep the edge level beside other boxes of the columns. */
function pointsBetween(from, to) {
  const half = COLUMN_GAP / 2;
  const leaving = [from.end - half, from.end + half].filter((x) => x > from.x + from.w / 2);
  const arriving = [to.start - half, to.start + half].filter((x) => x < to.x - to.w / 2);
  return [...leaving.map((x) => ({ x, y: heightOf(from) })), ...arriving.map((x) => ({ x, y: heightOf(to) }))];
}

/** Where edges meet an item: the middle of its box, above which an open group has its label. */
const heightOf = (item) => item.y + item.head / 2;
