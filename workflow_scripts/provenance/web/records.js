// What the records say: nodes, files, groups and findings, as objects that name each other, read once from the page.
// A node is a job, or a file that no job made. A leaf is a group of nodes of one step; a family is a group of leaves.
// An "item" is a node or a group.
const records = (() => {
  const MANY_GROUPS = 6; // with more groups than this, a step is drawn as one

  const data = JSON.parse(document.getElementById("data").textContent);
  const { kinds } = data;
  const natural = new Intl.Collator("en", { numeric: true }).compare;
  const leaves = data.groups.map((group, id) => ({ ...group, key: `group ${id}`, members: [] }));
  const nodes = data.nodes.map((node, id) => {
    const unlinked = { parents: new Set(), children: new Set(), findings: [] };
    return { ...node, ...unlinked, id, key: `node ${id}`, leaf: leaves[node.group] };
  });
  const files = data.files.map(([folder, name, sha256, bytes, owner]) => {
    return { path: data.folders[folder] + name, sha256, bytes, owner: nodes[owner] };
  });
  const findings = data.findings.map(([kind, path, cause, job, node]) => {
    return { kind, path, cause: value(cause), job, node: nodes[node] ?? null };
  });
  const byName = new Map(); // jobs
  const owners = new Map(files.map((file) => [file.path, file.owner])); // of files, by path
  const readers = new Map(); // of files, by path
  const pathStates = new Map();

  for (const node of nodes) {
    node.leaf.members.push(node);
    if (node.kind === "job") byName.set(node.name, node);
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
    for (const node of new Set([finding.node, byName.get(finding.job)])) node?.findings.push(finding);
  }

  for (const node of nodes) {
    const inside = node.step && node.name.startsWith(node.step) ? node.name.slice(node.step.length + 1) : node.name;
    node.rest = node.kind === "file" ? node.name.split("/").pop() : inside || node.name;
    node.title = node.name;
  }

  const families = familiesOf(leaves);
  const groups = [...leaves, ...families];
  for (const group of groups) describe(group);
  for (const node of nodes) node.short = node.rest.slice(node.leaf.common) || node.rest;
  const items = new Map([...groups, ...nodes].map((item) => [item.key, item]));

  /** A value of the records by its number (see class Shared in page_data.py). */
  function value(number) {
    const kept = data.shared[number];
    if (!Array.isArray(kept)) return kept.is;
    return Object.fromEntries(data.shapes[kept[0]].map((key, place) => [key, value(kept[place + 1])]));
  }

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

  /** What is shown of a group; a group of one node is that node. */
  function describe(group) {
    const count = (kind) => group.members.filter((node) => node.state === kind).length;
    group.members.sort((a, b) => natural(a.name, b.name));
    group.kind = group.step ? "jobs" : "files";
    group.title = [group.step || "files of", group.name].filter(Boolean).join(" ");
    const isTwin = ({ step, name, column }) => step === group.step && name === group.name && column !== group.column;
    if (groups.some(isTwin)) group.title += ` (column ${group.column + 1})`;
    group.item = group.members.length === 1 ? group.members[0] : group;
    group.key = group.item.key;
    group.states = kinds.map((kind) => [kind, count(kind)]).filter(([, number]) => number);
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

  return { kinds, value, nodes, leaves, groups, items, files, findings, byName, owners, readers, pathStates };
})();
