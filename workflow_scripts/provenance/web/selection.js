// The state of the page: what is selected, and which groups are open. It is changed by the functions of this part only;
// what shows it is called through `listeners`, in their order, and reads it from here.
const selection = (() => {
  const { nodes, leaves, groups } = records;

  const listeners = []; // each is called with {push, same}: whether to keep it in the history, whether it is as before
  const view = { item: null, file: null, from: null, ancestors: new Set(), descendants: new Set() };
  let drawn = [];
  regroup();

  /** The groups that are drawn. */
  const drawnGroups = () => drawn;
  const membersOf = (item) => item.members ?? [item];
  const groupOf = (item) => (item.members ? item : item.group);

  /** The nodes of an open group; of a folded one the selected node alone. */
  function shown(group) {
    if (group.members.length === 1) return [];
    return group.folded ? group.members.filter((node) => node === view.item) : group.members;
  }

  function relationOf(item) {
    if (!view.item) return "";
    if (item === view.item) return "selected";
    const is = (set) => membersOf(item).some((node) => set.has(node));
    return is(view.ancestors) ? "ancestor" : is(view.descendants) ? "descendant" : "unrelated";
  }

  /** Text that is another one when other groups or nodes are drawn. */
  const shape = () => drawn.map((group) => [group.key, ...shown(group).map((node) => node.id)].join()).join("|");

  /** Select a node, a group or, with null, nothing, and show it everywhere. */
  function select(item, { file = null, push = true } = {}) {
    if (item?.members) item = bringUp(item);
    const same = item === view.item && file === view.file;
    if (!same) Object.assign(view, { item, file, from: view.item });
    view.ancestors = item ? reach(membersOf(item), "parents") : new Set();
    view.descendants = item ? reach(membersOf(item), "children") : new Set();
    for (const listener of listeners) listener({ push, same });
  }

  /** All nodes that are reached from some by following `next`, parents or children. */
  function reach(starts, next) {
    const found = new Set(),
      todo = [...starts];
    while (todo.length)
      for (const each of todo.pop()[next])
        if (!found.has(each)) {
          found.add(each);
          todo.push(each);
        }
    for (const each of starts) found.delete(each);
    return found;
  }

  /** See to it that a group is one of those that are drawn; returns the item that represents it. */
  function bringUp(group) {
    const family = group.family ?? group;
    if (!drawn.includes(group)) {
      family.folded = family === group;
      regroup();
    }
    return group.item;
  }

  /** Sort every node to the group that is drawn for it: its own, or the family while that is folded. */
  function regroup() {
    for (const node of nodes) node.group = node.leaf.family?.folded ? node.leaf.family : node.leaf;
    drawn = [...new Set(leaves.map((leaf) => (leaf.family?.folded ? leaf.family : leaf)))];
  }

  /** Open a group or fold it; a family that opens gives way to its groups. */
  function toggle(group) {
    if (!group.inside) group.folded = !group.folded;
    select(group.inside ? group.inside[0] : group);
  }

  function foldAll() {
    for (const group of groups) group.folded = true;
    regroup();
    select(view.item?.family ?? view.item);
  }

  return { listeners, view, drawnGroups, membersOf, groupOf, shown, relationOf, shape, select, toggle, foldAll };
})();
