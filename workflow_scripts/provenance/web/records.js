// What the records say: nodes, files, groups and findings, as objects that name each other, read once from the page.
// A node is a job, or a file that no job made. A leaf is a group of nodes of one step; a family is a group of leaves.
// An "item" is a node or a group.
const MANY_GROUPS = 6; // with more groups than this, a step is drawn as one

const data = JSON.parse(document.getElementById("data").textContent);
const { kinds } = data;
const natural = new Intl.Collator("en", { numeric: true }).compare;
const leaves = data.groups.map((group, id) => ({ ...group, key: `group ${id}`, members: [] }));
const nodes = data.nodes.map((node, id) => {
  const unlinked = { parents: new Set(), children: new Set(), findings: [] };
  return { ...node, ...unlinked, key: `node ${id}`, title: node.name, leaf: leaves[node.group] };
});
const files = data.files.map(([folder, name, sha256, bytes, owner]) => {
  return { path: data.folders[folder] + name, sha256, bytes, owner: nodes[owner] };
});
const findings = data.findings.map(([kind, path, cause, job, node]) => {
  return { kind, path, cause: valueOf(cause), job, node: nodes[node] ?? null };
});
const readersOf = new Map(); // nodes, by the path of what they read
const stateOfPath = new Map(findings.map(({ path, kind }) => [path, kind]).reverse()); // the first finding's

for (const node of nodes) {
  node.leaf.members.push(node);
  for (const side of ["inputs", "outputs"])
    node[side] = node[side].map(([name, numbers]) => [name, numbers.map((number) => files[number])]);
  for (const { path, owner } of node.inputs.flatMap(([, read]) => read)) {
    if (!readersOf.has(path)) readersOf.set(path, new Set());
    readersOf.get(path).add(node);
    if (owner === node) continue;
    node.parents.add(owner);
    owner.children.add(node);
  }
  const inside = node.step && node.name.startsWith(node.step) ? node.name.slice(node.step.length + 1) : node.name;
  node.rest = node.kind === "file" ? node.name.split("/").pop() : inside || node.name;
}

const jobNamed = new Map(nodes.filter((node) => node.kind === "job").map((node) => [node.name, node]));
for (const finding of findings)
  for (const node of new Set([finding.node, jobNamed.get(finding.job)])) node?.findings.push(finding);

const groups = [...leaves, ...familiesOf(leaves)];
for (const group of groups) describe(group);
const items = new Map([...groups, ...nodes].map((item) => [item.key, item]));

/** A value of the records by its number (see class Shared in page_data.py). */
function valueOf(number) {
  const kept = data.shared[number];
  if (!Array.isArray(kept)) return kept.is;
  return Object.fromEntries(data.shapes[kept[0]].map((key, place) => [key, valueOf(kept[place + 1])]));
}

/** A step with many groups is drawn as one group, their family, until that is opened. */
function familiesOf(all) {
  const named = all.filter((leaf) => leaf.step && leaf.name);
  const found = [...Map.groupBy(named, ({ column, step }) => `family ${column} ${step}`)];
  return found
    .filter(([, inside]) => inside.length > MANY_GROUPS)
    .map(([key, inside]) => {
      const { step, column } = inside[0];
      const members = inside.flatMap((leaf) => leaf.members);
      const family = { key, step, column, name: "", folded: true, members, inside };
      for (const leaf of inside) leaf.family = family;
      return family;
    });
}

/** What is shown of a group; a group of one node is that node. */
function describe(group) {
  group.members.sort((a, b) => natural(a.name, b.name));
  group.kind = group.step ? "jobs" : "files";
  group.title = [group.step || "files of", group.name].filter(Boolean).join(" ");
  const isTwin = ({ step, name, column }) => step === group.step && name === group.name && column !== group.column;
  if (groups.some(isTwin)) group.title += ` (column ${group.column + 1})`;
  group.item = group.members.length === 1 ? group.members[0] : group;
  group.key = group.item.key;
  const count = (kind) => group.members.filter((node) => node.state === kind).length;
  group.states = kinds.map((kind) => [kind, count(kind)]).filter(([, number]) => number);
  group.state = group.states[0]?.[0] ?? null;
  if (group.inside) return;
  const common = commonStart(group.members.map((node) => node.rest));
  for (const node of group.members) node.short = node.rest.slice(common) || node.rest;
}

/** The length of what all names start with, up to a separator. */
function commonStart(names) {
  let length = names.length > 1 ? names[0].length : 0;
  for (const name of names) while (!name.startsWith(names[0].slice(0, length))) length -= 1;
  while (length && !"/_".includes(names[0][length - 1])) length -= 1;
  return length;
}
