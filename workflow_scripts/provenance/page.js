// Draws the graph of provenance.html and answers its searches and selections. Text of records is only ever set as text,
// never as HTML. A node is a job, or a file that no job made; a group holds nodes of one step. An "item" is either.
const MARKS = { altered: "≠", record: "✎", link: "⊘", missing: "∅", unrecorded: "?", stale: "↻", waived: "◇" };
const WIDTH = 162; // of a box
const LINE = 17; // height of a line of text
const GAP = 16; // between boxes of a column
const COLUMN_GAP = 42;
const MEMBER_HEIGHT = 26;
const SHOWN = 12; // entries of a long list, until all are asked for
const MATCHES = 50; // that a search shows
const MEMBER_EDGES = 8; // with more related nodes than this, an open group's edges are drawn for all together
const MANY_GROUPS = 6; // with more groups than this, a step is drawn as one
const ARROWS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" };
const at = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const natural = new Intl.Collator("en", { numeric: true }).compare;

// --- The records ---------------------------------------------------------------------------------------------------

const data = JSON.parse(at("data").textContent);
const value = (number) => {
  const kept = data.shared[number];
  if (!Array.isArray(kept)) return kept.is;
  return Object.fromEntries(data.shapes[kept[0]].map((key, place) => [key, value(kept[place + 1])]));
};
const leaves = data.groups.map((group, id) => ({ ...group, key: `group ${id}`, members: [] }));
const nodes = data.nodes.map((node, id) => ({
  ...node,
  id,
  key: `node ${id}`,
  leaf: leaves[node.group],
  parents: new Set(),
  children: new Set(),
  findings: [],
}));
const files = data.files.map(([folder, name, sha256, bytes, owner]) => ({
  path: data.folders[folder] + name,
  sha256,
  bytes,
  owner: nodes[owner],
}));
const findings = data.findings.map(([kind, path, cause, job, node]) => ({
  kind,
  path,
  cause: value(cause),
  job,
  node: node === null ? null : nodes[node],
}));
const readers = new Map();
const pathStates = new Map();
const owners = new Map(files.map((file) => [file.path, file.owner]));
const named = new Map();

for (const node of nodes) {
  node.leaf.members.push(node);
  if (node.kind === "job") named.set(node.name, node);
  else owners.set(node.name, node);
  for (const file of node.inputs.flatMap(([, numbers]) => numbers.map((number) => files[number]))) {
    if (!readers.has(file.path)) readers.set(file.path, new Set());
    readers.get(file.path).add(node);
    if (file.owner !== node) {
      node.parents.add(file.owner);
      file.owner.children.add(node);
    }
  }
}
for (const finding of findings) {
  if (!pathStates.has(finding.path)) pathStates.set(finding.path, finding.kind);
  for (const node of new Set([finding.node, named.get(finding.job)])) node?.findings.push(finding);
}
for (const node of nodes) {
  const inside = node.step && node.name.startsWith(node.step) ? node.name.slice(node.step.length + 1) : node.name;
  node.rest = node.kind === "file" ? node.name.split("/").pop() : inside || node.name;
  node.title = node.name;
}
const families = familiesOf(leaves);
for (const group of [...leaves, ...families]) describe(group);
for (const node of nodes) node.short = node.rest.slice(node.leaf.common) || node.rest;

/** A step with many groups is drawn as one group, their family, until that is opened. */
function familiesOf(all) {
  const found = new Map();
  for (const group of all.filter((each) => each.step && each.name)) {
    const { step, column } = group,
      key = `family ${column} ${step}`;
    if (!found.has(key)) found.set(key, { key, step, column, name: "", folded: true, members: [], inside: [] });
    found.get(key).inside.push(group);
    found.get(key).members.push(...group.members);
  }
  const many = [...found.values()].filter((family) => family.inside.length > MANY_GROUPS);
  for (const family of many) for (const group of family.inside) group.family = family;
  return many;
}

/** What is told of a group; a group of one node is that node. */
function describe(group) {
  const count = (kind) => group.members.filter((node) => node.state === kind).length;
  group.members.sort((a, b) => natural(a.name, b.name));
  group.kind = group.step ? "jobs" : "files";
  group.title = [group.step || "files of", group.name].filter(Boolean).join(" ");
  const twins = [...leaves, ...families].filter(
    (other) =>
      other !== group && other.column !== group.column && other.step === group.step && other.name === group.name,
  );
  if (twins.length) group.title += ` (column ${group.column + 1})`;
  group.item = group.members.length === 1 ? group.members[0] : group;
  group.key = group.item.key;
  group.states = data.kinds.map((kind) => [kind, count(kind)]).filter(([, number]) => number);
  group.state = group.states[0]?.[0] ?? null;
  group.common = commonStart(group.members.map((node) => node.rest));
}

/** The length of what all names start with, up to a separator. */
function commonStart(names) {
  let length = names.length > 1 ? names[0].length : 0;
  for (const name of names) while (!name.startsWith(names[0].slice(0, length))) length -= 1;
  while (length && !"/_".includes(names[0][length - 1])) length -= 1;
  return length;
}

const items = new Map([...leaves, ...families, ...nodes].map((item) => [item.key, item]));
const membersOf = (item) => item.members ?? [item];
const groupOf = (item) => (item.members ? item : item.group);

// --- The selection -------------------------------------------------------------------------------------------------

const view = { item: null, file: null, from: null, ancestors: new Set(), descendants: new Set() };

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

/** Select a node, a group or, with null, nothing, and show it everywhere. */
function select(item, { file = null, push = true } = {}) {
  if (item?.members) item = bringUp(item);
  const same = item === view.item && file === view.file;
  if (!same) Object.assign(view, { item, file, from: view.item });
  view.ancestors = item ? reach(membersOf(item), "parents") : new Set();
  view.descendants = item ? reach(membersOf(item), "children") : new Set();
  if (push && !same) history.pushState(null, "", item ? hashOf(item, file) : "#");
  showPanel();
  draw();
  if (item) reveal(item);
  at("status").textContent = spoken(item);
  document.body.dataset.selected = item ? item.title : "";
}

function spoken(item) {
  if (!item) return "Nothing is selected.";
  const what = item.members
    ? `group ${item.title}, ${sizeOf(item)}, ${item.folded ? "folded" : "open"}`
    : `${item.kind} ${item.title}`;
  const state = item.members ? item.states.map(([kind, count]) => `${count} ${kind}`).join(", ") : item.state;
  const lineage = `${counted(view.ancestors.size, "ancestor")}, ${counted(view.descendants.size, "descendant")}`;
  return `Selected: ${what}${state ? `, ${state}` : ""}. ${lineage}.`;
}

const encode = (text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\uFFFD"));

function hashOf(item, file = null) {
  if (file !== null) return `#file=${encode(file)}`;
  return `#${item.members ? "group" : item.kind}=${encode(item.title)}`;
}

/** Select what the address names. */
function followAddress() {
  if (location.hash && !location.hash.includes("=")) return; // a place on this page
  const [kind, ...rest] = location.hash.slice(1).split("=");
  let name = rest.join("=");
  try {
    name = decodeURIComponent(name);
  } catch {
    /* an address typed by hand: take it as it is */
  }
  if (kind === "job") select(named.get(name) ?? null, { push: false });
  else if (kind === "group")
    select([...leaves, ...families].find((group) => group.title === name)?.item ?? null, { push: false });
  else if (kind === "file") select(owners.get(name) ?? null, { file: owners.has(name) ? name : null, push: false });
  else select(null, { push: false });
  if (name && !view.item) at("status").textContent = `There is no ${kind} ${name} in these records.`;
}

// --- Where things stand --------------------------------------------------------------------------------------------

// An edge that passes columns goes through a place in each of them, which all edges from the same group share.
const links = new Map();
const slots = [];
const passing = new Map();
let groups = []; // those that are drawn

/** See to it that a group is one of those that are drawn; returns what stands for it. */
function bringUp(group) {
  const family = group.family ?? group;
  if (!groups.includes(group)) {
    family.folded = family === group;
    regroup();
  }
  return group.item;
}

/** Sort every node to the group that is drawn for it: its own, or the family while that is folded. */
function regroup() {
  for (const node of nodes) node.group = node.leaf.family?.folded ? node.leaf.family : node.leaf;
  groups = [...new Set(leaves.map((leaf) => (leaf.family?.folded ? leaf.family : leaf)))];
  for (const kept of [links, passing]) kept.clear();
  slots.length = 0;
  prepareOrder();
}

function prepareOrder() {
  for (const node of nodes)
    for (const parent of node.parents) {
      if (parent.group !== node.group) links.set(`${parent.group.key} > ${node.group.key}`, [parent.group, node.group]);
    }
  for (const group of groups) (slots[group.column] ??= []).push(group);
  for (const [from, to] of links.values())
    for (let column = from.column + 1; column < to.column; column += 1) {
      const key = `${from.key} at ${column}`;
      if (passing.has(key)) continue;
      passing.set(key, { key, passes: from, column });
      slots[column].push(passing.get(key));
    }
  for (const slot of slots.flat()) {
    slot.left = [];
    slot.right = [];
    slot.ends = ["in", "out"].map((end) => ({ key: `${slot.key} ${end}`, passes: true, w: 0 }));
  }
  for (const [from, to] of links.values()) {
    const way = chain(from, to, from, to);
    way.slice(1).forEach((slot, place) => {
      slot.left.push(way[place]);
      way[place].right.push(slot);
    });
  }
  const rank = () =>
    slots.forEach((column) =>
      column.forEach((slot, place) => {
        slot.rank = place - (column.length - 1) / 2;
      }),
    );
  const sort = (column, side) => {
    for (const slot of column) slot.wish = mean(slot[side].map((other) => other.rank)) ?? slot.rank;
    column.sort((a, b) => a.wish - b.wish);
    rank();
  };
  rank();
  for (let round = 0; round < 4; round += 1) {
    slots.forEach((column) => sort(column, "left"));
    [...slots].reverse().forEach((column) => sort(column, "right"));
  }
}

const mean = (numbers) => (numbers.length ? numbers.reduce((sum, each) => sum + each, 0) / numbers.length : null);

function chain(from, to, first, last) {
  const way = [first];
  for (let column = from.column + 1; column < to.column; column += 1) way.push(passing.get(`${from.key} at ${column}`));
  return [...way, last];
}

/** Give every slot its size and place; an open group's nodes stand in a grid inside. */
function place() {
  let left = 0;
  for (const column of slots) {
    for (const slot of column) Object.assign(slot, slot.passes ? { w: 0, h: 0, head: 0 } : boxOf(slot));
    const width = Math.max(...column.map((slot) => slot.w));
    for (const slot of column) slot.x = left + width / 2;
    for (const slot of column)
      slot.ends.forEach((end, number) => {
        end.x = left + number * width;
      });
    for (const slot of column) slot.narrow = !slot.passes && slot.w < width;
    left += width + COLUMN_GAP;
    stack(
      column,
      column.map(() => 0),
    );
  }
  for (let round = 0; round < 3; round += 1)
    for (const side of ["left", "right"]) {
      for (const column of side === "left" ? slots : [...slots].reverse()) {
        const wishes = column.map(
          (slot) =>
            mean(followed(slot, side).map((other) => other.y)) ??
            (slot.left.length + slot.right.length ? slot.y : null),
        );
        const middle = mean(wishes.filter((wish) => wish !== null)) ?? 0;
        stack(
          column,
          wishes.map((wish) => wish ?? middle),
        );
      }
    }
  for (const slot of slots.flat()) for (const end of slot.ends) end.y = levelOf(slot);
  for (const group of groups)
    shown(group).forEach((node, number) => {
      const { rows, across, cell } = group;
      node.w = cell;
      node.x = group.x + (Math.floor(number / rows) - (across - 1) / 2) * (cell + 8);
      node.y = group.y + group.head / 2 + ((number % rows) - (rows - 1) / 2) * (MEMBER_HEIGHT + 8);
    });
}

/** What a slot should be level with: an edge that goes on with its next place, all else with all it is linked to. */
function followed(slot, side) {
  const same = slot.passes ? slot[side].filter((other) => other.passes) : [];
  return same.length ? same : slot[side];
}

/** Where edges meet a slot: the middle of its box, above which an open group has its label. */
const levelOf = (slot) => slot.y + slot.head / 2;

/** Stack a column's slots in their order, each as near to its wish as the others allow; edges that pass weigh most. */
function stack(column, wishes) {
  const blocks = [];
  let top = 0;
  column.forEach((slot, number) => {
    slot.offset = top + slot.h / 2;
    top += slot.h + GAP;
    const weight = slot.passes ? 4 : 1;
    let block = { weight, sum: weight * (wishes[number] - slot.offset), slots: [slot] };
    while (blocks.length && blocks.at(-1).sum / blocks.at(-1).weight > block.sum / block.weight) {
      const above = blocks.pop();
      block = {
        weight: above.weight + block.weight,
        sum: above.sum + block.sum,
        slots: [...above.slots, ...block.slots],
      };
    }
    blocks.push(block);
  });
  for (const { sum, weight, slots: inside } of blocks) for (const slot of inside) slot.y = slot.offset + sum / weight;
}

function boxOf(group) {
  const inside = shown(group),
    head = linesOf(group.item).length * LINE + 10;
  if (!inside.length) return { w: WIDTH, h: head + 6, head: 0, across: 0 };
  const longest = Math.max(...inside.map((node) => memberLabel(node).length));
  const wide = inside.length <= 10 ? 1 : Math.sqrt((1.6 * MEMBER_HEIGHT * inside.length) / (longest * 7));
  const cell = Math.min(Math.max(longest * 6.8 + 18, wide === 1 ? WIDTH - 20 : 60), 220);
  const rows = Math.ceil(inside.length / Math.ceil(wide)),
    across = Math.ceil(inside.length / rows);
  return {
    w: Math.max(across * (cell + 8) + 12, WIDTH),
    h: rows * (MEMBER_HEIGHT + 8) + 12 + head,
    head,
    rows,
    across,
    cell,
  };
}

// --- Labels --------------------------------------------------------------------------------------------------------

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;
const cut = (text, length = 21) => (text.length <= length ? text : `${text.slice(0, 8)}…${text.slice(9 - length)}`);
const marked = (state) => `${MARKS[state]} ${state}`;
const memberLabel = (node) =>
  (node.state ? `${MARKS[node.state]} ` : "") + cut(node.group === node.leaf ? node.short : node.rest, 30);

function sizeOf(group) {
  const related = group.members.filter((node) => view.ancestors.has(node) || view.descendants.has(node)).length;
  const part = related && related < group.members.length ? `${related} of ` : "";
  return `${part}${group.members.length} ${group.kind}`;
}

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

// --- The drawing ---------------------------------------------------------------------------------------------------

let drawnShape = null;
const cy = cytoscape({
  container: at("graph"),
  elements: [],
  style: drawingStyle(),
  layout: { name: "preset" },
  minZoom: 0.05,
  maxZoom: 2.5,
  autoungrabify: true,
  boxSelectionEnabled: false,
  selectionType: "single",
  autounselectify: true,
});

function drawingStyle() {
  const colours = getComputedStyle(document.documentElement);
  const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
  const states = data.kinds.map((kind) => {
    const name = kind === "link" ? "link-state" : kind;
    const tint = colour(kind === "link" ? "link-tint" : `${kind}-tint`);
    return {
      selector: `node[state = "${kind}"]`,
      style: { "border-color": colour(name), "background-color": tint, "border-width": 2 },
    };
  });
  const far = {
    "text-valign": "top",
    "text-margin-y": -4,
    padding: 8,
    "min-width": WIDTH - 16,
    "background-opacity": 0.45,
  };
  return [
    {
      selector: "node",
      style: {
        shape: "round-rectangle",
        width: "data(w)",
        height: "data(h)",
        label: "data(label)",
        color: colour("ink"),
        "background-color": colour("tint"),
        "border-color": colour("frame"),
        "border-width": 1.2,
        "font-size": 13,
        "font-family": "system-ui, DejaVu Sans, sans-serif",
        "text-wrap": "wrap",
        "text-max-width": 400,
        "line-height": 1.25,
        "text-valign": "center",
        "text-halign": "center",
        "min-zoomed-font-size": 5,
        "overlay-opacity": 0,
      },
    },
    {
      selector: "node.folded",
      style: { ghost: "yes", "ghost-offset-x": 4, "ghost-offset-y": 4, "ghost-opacity": 0.45 },
    },
    { selector: "node.member", style: { "font-size": 11.5 } },
    { selector: "node:parent", style: far },
    ...states,
    { selector: "node.passing", style: { "border-width": 0, opacity: 0, events: "no", label: "" } },
    {
      selector: "node.ancestor",
      style: { "border-style": "double", "border-width": 5, "border-color": colour("ancestor") },
    },
    {
      selector: "node.descendant",
      style: { "border-style": "dashed", "border-width": 2.5, "border-color": colour("descendant") },
    },
    { selector: "node.ancestor[^state]", style: { "background-color": colour("ancestor-tint") } },
    { selector: "node.descendant[^state]", style: { "background-color": colour("descendant-tint") } },
    { selector: "node.unrelated", style: { color: colour("soft"), ghost: "no", "border-color": colour("line") } },
    { selector: "node.unrelated[^state]", style: { "background-color": colour("paper") } },
    { selector: "node.selected", style: { "border-width": 5, "border-color": colour("ink"), "border-style": "solid" } },
    {
      selector: "edge",
      style: {
        width: 1.4,
        "line-color": colour("edge"),
        "curve-style": "unbundled-bezier",
        "source-endpoint": "90deg",
        "target-endpoint": "270deg",
        "control-point-distances": "data(distances)",
        "control-point-weights": "data(weights)",
        "edge-distances": "endpoints",
        events: "no",
        "target-arrow-color": colour("edge"),
        "arrow-scale": 0.8,
      },
    },
    { selector: "edge.onward", style: { "source-endpoint": "0 0" } },
    { selector: "edge.passing", style: { "target-endpoint": "0 0" } },
    { selector: "edge.arriving", style: { "target-arrow-shape": "triangle" } },
    {
      selector: "edge.unrelated",
      style: { "line-color": colour("line"), "target-arrow-color": colour("line"), "z-index": 0 },
    },
    {
      selector: "edge.ancestor",
      style: { width: 3, "line-color": colour("ancestor"), "target-arrow-color": colour("ancestor"), "z-index": 2 },
    },
    {
      selector: "edge.descendant",
      style: {
        width: 3,
        "line-style": "dashed",
        "line-color": colour("descendant"),
        "target-arrow-color": colour("descendant"),
        "z-index": 2,
      },
    },
  ];
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

function arrange() {
  place();
  const elements = [];
  for (const slot of slots.flat()) {
    if (slot.passes || slot.narrow) {
      for (const { key, x, y } of slot.ends)
        elements.push({ data: { id: key, w: 1, h: 1 }, classes: "passing", position: { x, y } });
    }
    if (slot.passes) continue;
    const inside = shown(slot),
      item = slot.item;
    const size = { id: item.key, state: item.state ?? undefined, w: slot.w, h: slot.h };
    elements.push({
      data: size,
      position: { x: slot.x, y: slot.y },
      classes: item.members && !inside.length ? "folded" : "",
    });
    for (const node of inside) {
      const member = { id: node.key, parent: slot.key, state: node.state ?? undefined, w: node.w, h: MEMBER_HEIGHT };
      elements.push({ data: member, position: { x: node.x, y: node.y }, classes: "member" });
    }
  }
  cy.elements().remove();
  cy.add(elements);
}

/** Where a node's edges end: at the node, or at its group where that is folded, has many columns or is much related. */
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

/** All edges between groups; those of the selection once more, from node to node. */
function edges() {
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
  const crowded = new Set([view.item, ...groups.filter((group) => related.get(group) > MEMBER_EDGES)]);
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

/** Bring the drawing and the list up to date; what is folded or open changes where things stand. */
function draw() {
  const shape = groups.map((group) => [group.key, ...shown(group).map((node) => node.id)].join()).join("|");
  const anchor = view.item && cy.getElementById(groupOf(view.item).key);
  const before = anchor?.nonempty() ? anchor.renderedPosition() : null;
  cy.batch(() => {
    if (shape !== drawnShape) arrange();
    cy.edges().remove();
    cy.add(edges());
    for (const item of [...groups.map((group) => group.item), ...groups.flatMap(shown)]) {
      const element = cy.getElementById(item.key),
        relation = relationOf(item);
      const label = item.members || item.group.item === item ? linesOf(item).join("\n") : memberLabel(item);
      element.data("label", label).removeClass("selected ancestor descendant unrelated").addClass(relation);
    }
  });
  if (before && shape !== drawnShape) {
    const after = cy.getElementById(groupOf(view.item).key).renderedPosition();
    cy.panBy({ x: before.x - after.x, y: before.y - after.y });
  }
  if (shape !== drawnShape) showList();
  drawnShape = shape;
  markList();
}

/** Move the drawing so that an item can be seen and read. */
function reveal(item) {
  const element = cy.getElementById(item.key);
  if (element.empty()) return;
  const box = element.renderedBoundingBox(),
    readable = cy.zoom() >= 0.6;
  if (readable && box.x1 > 8 && box.y1 > 8 && box.x2 < cy.width() - 8 && box.y2 < cy.height() - 8) return;
  const zoom = readable ? cy.zoom() : 0.9;
  const whole = box.x2 - box.x1 > cy.width() || box.y2 - box.y1 > cy.height();
  const target = whole ? { fit: { eles: element, padding: 24 } } : { zoom, center: { eles: element } };
  cy.stop();
  if (calm.matches || !document.body.dataset.ready) whole ? cy.fit(element, 24) : cy.zoom(zoom).center(element);
  else cy.animate({ ...target, duration: 200 });
}

function showWhole() {
  cy.fit(undefined, 24);
  if (cy.zoom() > 1.1) {
    cy.zoom(1.1);
    cy.center();
  }
}

/** At first the whole graph where it can be read, else its left end. */
function showStart() {
  showWhole();
  if (cy.zoom() >= 0.7) return;
  cy.zoom(0.85);
  cy.center();
  cy.panBy({ x: 24 - cy.elements().renderedBoundingBox().x1, y: 0 });
}

/** Open a group or fold it; a family that opens gives way to its groups. */
function toggle(group) {
  if (!group.inside) group.folded = !group.folded;
  select(group.inside ? group.inside[0] : group);
}

function foldAll() {
  for (const group of [...leaves, ...families]) group.folded = true;
  regroup();
  select(view.item?.family ?? view.item);
  showWhole();
}

// --- The panel -----------------------------------------------------------------------------------------------------

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, content] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), content);
    else if (content !== null && content !== undefined) made.setAttribute(name, content);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A link that selects an item; it can be copied, too. */
function link(item, text = item.title, file = null) {
  const onclick = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    closeMatches();
    select(item, { file });
  };
  return el("a", { href: hashOf(item, file), onclick }, text);
}

const badge = (state) => el("span", { class: "badge", "data-state": state }, marked(state));
const bytes = (number) => {
  const unit = Math.min(Math.floor(Math.log10(Math.max(number, 1)) / 3), 3);
  return unit
    ? `${(number / 1000 ** unit).toFixed(1)} ${["kB", "MB", "GB"][unit - 1]} (${number} bytes)`
    : `${number} bytes`;
};

/** A list that shows its first entries, and the others when asked. */
function long(entries, name, show, most = SHOWN) {
  const list = el("ul", { class: name }, entries.slice(0, most).map(show));
  if (entries.length <= most) return [list];
  const more = el(
    "button",
    {
      type: "button",
      onclick: () => {
        list.append(...entries.slice(most).map(show));
        more.remove();
      },
    },
    `Show all ${entries.length}`,
  );
  return [list, more];
}

function flat(content, start = "") {
  if (content === null || typeof content !== "object" || Array.isArray(content) || !Object.keys(content).length) {
    return [[start, typeof content === "string" ? content : JSON.stringify(content)]];
  }
  return Object.entries(content).flatMap(([key, part]) => flat(part, start ? `${start}.${key}` : key));
}

const values = (pairs) =>
  el(
    "dl",
    { class: "values" },
    pairs.flatMap(([key, text]) => [el("dt", {}, key), el("dd", {}, text)]),
  );
const folding = (title, content) => el("details", {}, el("summary", {}, title), values(flat(content)));
const causes = (item) =>
  el(
    "ul",
    { class: "causes" },
    item.findings.map((finding) =>
      el(
        "li",
        {},
        badge(finding.kind),
        finding.path === item.name ? ` ${finding.cause}` : ` ${finding.path}: ${finding.cause}`,
      ),
    ),
  );

function fileEntry(file, ...more) {
  const state = pathStates.get(file.path);
  return el(
    "li",
    { "aria-current": file.path === view.file ? "true" : null },
    el("div", {}, state ? badge(state) : null, state ? " " : null, file.path),
    el("code", {}, file.sha256),
    el("div", { class: "note" }, `${bytes(file.bytes)} · `, ...more),
  );
}

const inputEntry = (file) => {
  const maker = file.owner;
  if (maker.kind === "file") return fileEntry(file, "a source: ", link(maker, "who reads it"));
  const same = maker.outputs.some(([, numbers]) => numbers.some((number) => files[number] === file));
  return fileEntry(file, "made by ", link(maker), same ? null : ", which has written other content since");
};

const readersOf = (path) => [...(readers.get(path) ?? [])];
const outputEntry = (file) => {
  const found = readersOf(file.path);
  if (!found.length) return fileEntry(file, "read by no job");
  if (found.length <= 3)
    return fileEntry(file, "read by ", ...found.flatMap((node, place) => [place ? ", " : "", link(node)]));
  return fileEntry(
    file,
    el(
      "details",
      {},
      el("summary", {}, `read by ${found.length} jobs`),
      long(found, "members", (node) => el("li", {}, link(node))),
    ),
  );
};

function fileLists(title, named, entry) {
  const count = named.reduce((sum, [, numbers]) => sum + numbers.length, 0);
  const lists = named.flatMap(([name, numbers]) => {
    const entries = numbers.map((number) => files[number]);
    const first = entries.findIndex((file) => file.path === view.file);
    return [el("h4", {}, name), ...long(entries, "files", entry, Math.max(SHOWN, first + 1))];
  });
  return [el("h3", {}, `${title} (${count})`), ...lists];
}

function jobPanel(node) {
  if (node.record === undefined) return [el("p", {}, "No record of this job can be read.")];
  const record = value(node.record);
  const facts = [
    ["step", node.step],
    ["started", record.started],
    ["ended", record.ended],
    ["seconds", String(record.seconds)],
    ["attempt", String(record.attempt)],
    ["seed", String(record.seed ?? "none")],
    ["threads", String(record.threads)],
    ["record", el("span", {}, record.record, " ", el("code", {}, record.record_sha256))],
    ["sealed by", el("code", {}, record.digest)],
  ];
  return [
    values(facts),
    ...fileLists("Inputs", node.inputs, inputEntry),
    ...fileLists("Outputs", node.outputs, outputEntry),
    el("h3", {}, "Settings"),
    values(flat(record.settings)),
    el("h3", {}, "Code, software and machine"),
    folding(`code: ${Object.keys(record.modules).length} modules, ${record.code.slice(0, 8)}`, {
      "all together": record.code,
      ...record.modules,
    }),
    folding("modules chosen by name", record.chosen_modules),
    folding(`software: Python ${record.software.python}`, record.software),
    folding(`machine: ${record.machine.host}`, record.machine),
    folding("device", record.device),
    folding(
      `git: ${record.git.commit?.slice(0, 8) ?? "no checkout"}${record.git.dirty ? ", uncommitted changes" : ""}`,
      record.git,
    ),
  ];
}

function filePanel(node) {
  const contents = files.filter((file) => file.owner === node);
  const reading = [...node.children];
  return [
    el("p", {}, "No record at hand tells of a job that made this file."),
    el(
      "ul",
      { class: "files" },
      contents.map((file) => fileEntry(file, "as it was read")),
    ),
    el("h3", {}, `Read by (${reading.length})`),
    ...long(reading, "members", (each) => el("li", {}, link(each))),
  ];
}

function groupPanel(group) {
  const entry = (node) =>
    el(
      "li",
      {},
      node.state ? badge(node.state) : null,
      node.state ? " " : null,
      link(node.item ?? node, node.rest ?? node.title),
    );
  const worstFirst = [...(group.inside ?? group.members)].sort((a, b) => rankOf(a) - rankOf(b));
  return [
    el("p", {}, sizeOf(group), ...group.states.flatMap(([kind, count]) => [" ", badge(kind), ` ${count}`])),
    el("div", { class: "actions" }, foldButton(group)),
    ...long(worstFirst, "members", entry, 40),
  ];
}

const rankOf = (node) => (node.state ? data.kinds.indexOf(node.state) : data.kinds.length);

function foldButton(group) {
  const onclick = () => {
    toggle(group);
    at("panel").querySelector("[aria-expanded]")?.focus();
  };
  return el(
    "button",
    { type: "button", "aria-expanded": String(!group.folded), onclick },
    `${group.folded ? "Unfold" : "Fold"} ${group.title}`,
  );
}

function showPanel() {
  const { item } = view,
    panel = at("panel");
  panel.hidden = !item;
  document.querySelector(".stage").classList.toggle("with-panel", Boolean(item));
  cy.resize();
  panel.replaceChildren();
  if (!item) return;
  const close = el(
    "button",
    { type: "button", "aria-label": "Close and clear the selection", onclick: clear },
    "Close",
  );
  const own = item.members ? groupPanel(item) : item.kind === "job" ? jobPanel(item) : filePanel(item);
  const around = [item.members ? item.family : item.leaf, item.leaf?.family].filter(
    (group) => group && group.item !== item,
  );
  panel.append(
    el("h2", {}, item.title),
    el(
      "div",
      { class: "actions" },
      close,
      around.map((group) => link(group, `Group ${group.title}`)),
    ),
    el(
      "p",
      { class: "note" },
      `◂ ${counted(view.ancestors.size, "ancestor")}, ▸ ${counted(view.descendants.size, "descendant")}`,
    ),
  );
  if (!item.members && item.findings.length) panel.append(causes(item));
  panel.append(...own);
  panel.scrollTop = 0;
  panel.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

function clear() {
  const inside = at("panel").contains(document.activeElement);
  select(null);
  if (inside) at("graph").focus();
}

// --- The list under the graph, which mirrors it ----------------------------------------------------------------------

function showList() {
  const row = (item, ...more) =>
    el(
      "div",
      { class: "row" },
      el("button", { type: "button", "data-key": item.key, "data-state": item.state, onclick: () => select(item) }),
      ...more,
    );
  const unit = (group) => {
    if (group.item !== group) return el("li", {}, row(group.item));
    const button = el(
      "button",
      {
        type: "button",
        "aria-expanded": String(!group.folded),
        "aria-label": `${group.folded ? "Unfold" : "Fold"} ${group.title}`,
        onclick: () => {
          toggle(group);
          at("list").querySelector(".row:has([aria-current]) [aria-expanded], [aria-current]")?.focus();
        },
      },
      group.folded ? "Unfold" : "Fold",
    );
    return el(
      "li",
      {},
      row(group, button),
      el(
        "ul",
        {},
        shown(group).map((node) => el("li", {}, row(node))),
      ),
    );
  };
  at("list").replaceChildren(
    ...slots.map((column) => {
      const inside = column.filter((slot) => !slot.passes);
      const steps = [...new Set(inside.map((group) => group.step || "files"))].join(", ");
      return el("section", { "aria-label": steps }, el("h3", {}, steps), el("ul", {}, inside.map(unit)));
    }),
  );
}

function markList() {
  for (const button of at("list").querySelectorAll("[data-key]")) {
    const item = items.get(button.dataset.key),
      relation = relationOf(item);
    const name = item.members ? `${item.title}, ${sizeOf(item)}` : item.group.item === item ? item.title : item.short;
    const states = item.members
      ? item.states.map(([kind, count]) => `${MARKS[kind]} ${count} ${kind}`)
      : item.state
        ? [marked(item.state)]
        : [];
    const arrow = { ancestor: "◂ ", descendant: "▸ " }[relation] ?? "";
    button.textContent = `${arrow}${[name, ...states].join(" · ")}`;
    button.setAttribute(
      "aria-label",
      [item.title, item.members ? sizeOf(item) : "", ...states, relation].filter(Boolean).join(", "),
    );
    button.dataset.relation = relation;
    if (relation === "selected") button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
}

function showFindings() {
  const waived = findings.filter((finding) => finding.kind === "waived").length,
    faults = findings.length - waived;
  const title = `${counted(faults, "finding")}${waived ? `, ${waived} waived` : ""}`;
  if (!findings.length) return at("findings").append(el("p", {}, "✓ There are no findings."));
  const entry = ({ kind, path, cause, node }) =>
    el("li", {}, badge(kind), " ", node ? link(node, path, owners.has(path) ? path : null) : path, `: ${cause}`);
  const inside = el(
    "div",
    { class: "scrolled", tabindex: "0", role: "region", "aria-label": title },
    ...long(findings, "", entry, 20),
  );
  return at("findings").append(
    el("details", findings.length <= 5 ? { open: "" } : {}, el("summary", {}, title), inside),
  );
}

// --- The search ----------------------------------------------------------------------------------------------------

const wanted = [
  ...nodes
    .filter((node) => node.kind === "job")
    .map((node) => ({ text: node.name, low: node.name.toLowerCase(), item: node, file: null })),
  ...[...owners].map(([path, item]) => ({ text: path, low: path.toLowerCase(), item, file: path })),
];

function search() {
  const text = at("search").value.trim().toLowerCase(),
    box = at("matches");
  box.hidden = !text;
  if (!text) return;
  const found = wanted.filter((each) => each.low.includes(text));
  const jobs = found.filter((each) => each.file === null).length;
  const more = found.length > MATCHES ? `; the first ${MATCHES} are shown` : "";
  at("found").textContent = found.length
    ? `${counted(jobs, "job")} and ${counted(found.length - jobs, "file")}${more}`
    : "Nothing has this in its name.";
  box.querySelector("ul").replaceChildren(
    ...found.slice(0, MATCHES).map(({ text: name, item, file }) => {
      const made = link(item, name, file);
      made.append(
        el("span", {}, file === null ? " · job" : item.kind === "file" ? " · file" : ` · file of ${item.name}`),
      );
      return el("li", {}, made);
    }),
  );
}

function closeMatches() {
  at("matches").hidden = true;
}

function moveInMatches(event) {
  const all = [at("search"), ...at("matches").querySelectorAll("a")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Enter" && event.target === all[0]) all[1]?.click();
  else if (event.key === "Escape") {
    at("search").value = "";
    closeMatches();
    all[0].focus();
  } else if (step && !at("matches").hidden)
    all[Math.min(Math.max(all.indexOf(event.target) + step, 0), all.length - 1)].focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}

// --- Keys and the mouse --------------------------------------------------------------------------------------------

/** Where an arrow leads: along a link, to the nearest; or to what stands above or below. */
function neighbour(item, way) {
  const column = slots[groupOf(item).column].filter((slot) => !slot.passes);
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

function nearest(items, item) {
  const height = (each) => (shown(groupOf(each)).includes(each) ? each.y : groupOf(each).y);
  const columns = (each) => Math.abs(groupOf(each).column - groupOf(item).column);
  const away = (each) => columns(each) * 1e6 + Math.abs(height(each) - height(item));
  return [...items].sort((a, b) => away(a) - away(b))[0];
}

function onKey(event) {
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
    const next = view.item ? neighbour(view.item, ARROWS[event.key]) : slots[0].find((slot) => !slot.passes).item;
    if (next) select(next);
    if (inList) at("list").querySelector('[aria-current="true"]')?.focus();
  } else if (event.key === "Enter" && !inList && view.item) {
    event.preventDefault();
    if (view.item.members) toggle(view.item);
    else at("panel").focus();
  }
}

function start() {
  regroup();
  document.querySelector(".legend").open = innerWidth > 700;
  for (const mark of document.querySelectorAll("[data-mark]")) mark.textContent = MARKS[mark.dataset.mark];
  showFindings();
  draw();
  showStart();
  followAddress();
  let tapped = [];
  cy.on("tap", (event) => {
    tapped = [tapped[1], event.target];
    if (event.target === cy) clear();
    else select(items.get(event.target.id()));
  });
  cy.on("dbltap", "node", () => {
    // The library takes two quick taps for a double one wherever they are; and what was tapped may be drawn anew.
    const [first, second] = tapped.map((target) => (target && target !== cy ? target.id() : null));
    if (first === second && items.get(second)?.members) toggle(items.get(second));
  });
  // The wheel alone scrolls the page: the library must not hear of it.
  document.querySelector(".stage").addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey) event.stopPropagation();
    },
    { capture: true },
  );
  at("fold").addEventListener("click", foldAll);
  at("whole").addEventListener("click", showWhole);
  const zoom = (factor) =>
    cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  at("smaller").addEventListener("click", () => zoom(1 / 1.3));
  at("larger").addEventListener("click", () => zoom(1.3));
  at("search").addEventListener("input", search);
  at("search").addEventListener("focus", search);
  document.querySelector(".search").addEventListener("keydown", moveInMatches);
  document.addEventListener("click", (event) => {
    if (!event.target.closest(".search")) closeMatches();
  });
  document.addEventListener("keydown", onKey);
  addEventListener("popstate", followAddress);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cy.style(drawingStyle()));
  window.provenanceGraph = cy; // for those who want to look at the drawing from the console, and for the tests
  document.body.dataset.ready = "true";
}

start();
