// The words for items and their states, in the drawing, the lists and the status line.
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

/** Text without its middle, where it is wider than the widest box of this kind. */
function cut(text, kind) {
  let fitting = text;
  for (let kept = text.length - 1; kept > 2 && widthOf(fitting, kind) > WIDEST[kind] - 2 * MARGIN; kept -= 1)
    fitting = `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
  return fitting;
}

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const marked = (state) => `${MARKS[state]} ${state}`;

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

/** The text in the box of a node inside an open group. */
function memberLabel(node) {
  const mark = node.state ? `${MARKS[node.state]} ` : "";
  return cut(mark + (groupOf(node) === node.leaf ? node.short : node.rest), "member");
}

/** The lines of an item's box. */
function linesOf(item) {
  const inside = item.inside ? counted(item.inside.length, "group") : item.name;
  const name = item.members ? [item.step || "files of", inside, sizeOf(item)] : [item.step || "file", item.rest];
  const lines = [...new Set(name), ...statesOf(item).slice(0, 2)];
  return lines.filter(Boolean).map((text) => cut(text, "box"));
}

/** The selection in a sentence, which screen readers speak. */
function spoken() {
  const { item, ancestors, descendants } = view;
  if (!item) return "Nothing is selected.";
  const what = item.members
    ? [`group ${item.title}`, sizeOf(item), item.folded ? "folded" : "open"]
    : [`${item.kind} ${item.title}`];
  const states = item.members ? item.states.map(([kind, count]) => `${count} ${kind}`) : [item.state];
  const lineage = `${counted(ancestors.size, "ancestor")}, ${counted(descendants.size, "descendant")}`;
  return `Selected: ${[...what, ...states].filter(Boolean).join(", ")}. ${lineage}.`;
}
