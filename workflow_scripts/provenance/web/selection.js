// The state of the page: what is selected, and which groups are open. It is changed by the functions of this part only;
// what shows it is called through `listeners`, in their order, and reads it from here.
const listeners = []; // each is called with whether to keep the selection in the history
const view = { item: null, file: null, from: null, ancestors: new Set(), descendants: new Set() };

/** The group that is drawn for a leaf: itself, or the family while that is folded. */
const drawnFor = (leaf) => (leaf.family?.folded ? leaf.family : leaf);
const drawnGroups = () => [...new Set(leaves.map(drawnFor))];
const groupOf = (item) => (item.members ? item : drawnFor(item.leaf));
const membersOf = (item) => item.members ?? [item];

/** The nodes of an open group; of a folded one the selected node alone. */
function shown(group) {
  if (group.members.length === 1) return [];
  return group.folded ? group.members.filter((node) => node === view.item) : group.members;
}

function relationOf(item) {
  if (!view.item) return "";
  if (item === view.item) return "selected";
  const isAmong = (related) => membersOf(item).some((node) => related.has(node));
  return isAmong(view.ancestors) ? "ancestor" : isAmong(view.descendants) ? "descendant" : "unrelated";
}

/** Select a node, a group or, with null, nothing, and show it everywhere; a leaf's family opens for it. */
function select(chosen, { file = null, push = true } = {}) {
  if (chosen?.inside) chosen.folded = true;
  else if (chosen?.family) chosen.family.folded = false;
  const item = chosen?.item ?? chosen;
  const same = item === view.item && file === view.file;
  if (!same) Object.assign(view, { item, file, from: view.item });
  view.ancestors = reach(item, "parents");
  view.descendants = reach(item, "children");
  for (const listener of listeners) listener(push && !same);
}

/** All nodes that are reached from an item by following `next`, parents or children. */
function reach(item, next) {
  const starts = new Set(item ? membersOf(item) : []);
  const found = new Set(starts);
  for (const node of found) for (const each of node[next]) found.add(each); // which this loop then comes to
  return found.difference(starts);
}

/** Open a group or fold it; a family that opens gives way to its groups. */
function toggle(group) {
  if (!group.inside) group.folded = !group.folded;
  select(group.inside ? group.inside[0] : group);
}

function foldAll() {
  for (const group of groups) group.folded = true;
  select(view.item?.family ?? view.item);
}
