// The words for items and their states, in the drawing, the lists and the status line.
const words = (() => {
  const { view } = selection;

  const MARKS = { altered: "≠", record: "✎", link: "⊘", missing: "∅", unrecorded: "?", stale: "↻", waived: "◇" };

  const FONT = "system-ui, DejaVu Sans, sans-serif";
  const LETTERS = { box: 13, member: 11.5 }; // their sizes
  const WIDEST = { box: 162, member: 220 }; // the widths of boxes that texts are cut to
  const MARGIN = 8; // at least so much left and right of a text

  const pen = document.createElement("canvas").getContext("2d");
  /** How wide a text is in the drawing. */
  function widthOf(text, kind) {
    pen.font = `${LETTERS[kind]}px ${FONT}`;
    return pen.measureText(text).width;
  }

  const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
  /** Text without its middle, where it is wider than the widest box of this kind. */
  function cut(text, kind) {
    let shown = text;
    for (let kept = text.length - 1; kept > 2 && widthOf(shown, kind) > WIDEST[kind] - 2 * MARGIN; kept -= 1)
      shown = `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
    return shown;
  }
  const marked = (state) => `${MARKS[state]} ${state}`;

  /** The text in the box of a node inside an open group. */
  const memberLabel = (node) =>
    cut((node.state ? `${MARKS[node.state]} ` : "") + (node.group === node.leaf ? node.short : node.rest), "member");

  /** How many members a group has, and how many of them are related to the selection. */
  function sizeOf(group) {
    const related = group.members.filter((node) => view.ancestors.has(node) || view.descendants.has(node)).length;
    const part = related && related < group.members.length ? `${related} of ` : "";
    return `${part}${group.members.length} ${group.kind}`;
  }

  /** What is found of an item, the worst first; of a group, how often. */
  function statesOf(item) {
    if (item.members) return item.states.map(([kind, count]) => `${MARKS[kind]} ${count} ${kind}`);
    return item.state ? [marked(item.state)] : [];
  }

  /** The lines of an item's box. */
  function linesOf(item) {
    const states = statesOf(item).slice(0, 2);
    if (item.members) {
      const name = item.step
        ? [item.step, item.inside ? counted(item.inside.length, "group") : item.name]
        : ["files of", item.name];
      return [...name.filter(Boolean), sizeOf(item), ...states].map((text) => cut(text, "box"));
    }
    const name = [...new Set([item.step || "file", item.rest])];
    return [...name, ...states].map((text) => cut(text, "box"));
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

  return { MARKS, FONT, LETTERS, WIDEST, MARGIN, widthOf, counted, marked, memberLabel, sizeOf, statesOf, linesOf, spoken };
})();
