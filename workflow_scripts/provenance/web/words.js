// The words for items and their states, in the drawing, the lists and the status line.
const words = (() => {
  const { view } = selection;

  const MARKS = { altered: "≠", record: "✎", link: "⊘", missing: "∅", unrecorded: "?", stale: "↻", waived: "◇" };

  const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  /** Text without its middle, where it is too long. */
  const cut = (text, length = 21) => (text.length <= length ? text : `${text.slice(0, 8)}…${text.slice(9 - length)}`);
  const marked = (state) => `${MARKS[state]} ${state}`;

  /** The text in the box of a node inside an open group. */
  const memberLabel = (node) =>
    (node.state ? `${MARKS[node.state]} ` : "") + cut(node.group === node.leaf ? node.short : node.rest, 30);

  /** How many members a group has, and how many of them are related to the selection. */
  function sizeOf(group) {
    const related = group.members.filter((node) => view.ancestors.has(node) || view.descendants.has(node)).length;
    const part = related && related < group.members.length ? `${related} of ` : "";
    return `${part}${group.members.length} ${group.kind}`;
  }

  /** The lines of an item's box. */
  function linesOf(item) {
    if (item.members) {
      const name = item.step
        ? [item.step, item.inside ? counted(item.inside.length, "group") : item.name]
        : ["files of", item.name];
      const states = item.states.slice(0, 2).map(([kind, count]) => `${MARKS[kind]} ${count} ${kind}`);
      return [...name.filter(Boolean).map((text) => cut(text)), sizeOf(item), ...states];
    }
    const name = [...new Set([item.step || "file", item.rest])];
    return [...name.map((text) => cut(text)), ...(item.state ? [marked(item.state)] : [])];
  }

  /** The selection in a sentence, which screen readers speak. */
  function spoken() {
    const { item } = view;
    if (!item) return "Nothing is selected.";
    const what = item.members
      ? `group ${item.title}, ${sizeOf(item)}, ${item.folded ? "folded" : "open"}`
      : `${item.kind} ${item.title}`;
    const state = item.members ? item.states.map(([kind, count]) => `${count} ${kind}`).join(", ") : item.state;
    const lineage = `${counted(view.ancestors.size, "ancestor")}, ${counted(view.descendants.size, "descendant")}`;
    return `Selected: ${what}${state ? `, ${state}` : ""}. ${lineage}.`;
  }

  return { MARKS, counted, marked, memberLabel, sizeOf, linesOf, spoken };
})();
