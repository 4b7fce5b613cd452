// The panel next to the drawing: the record of the selected job, the readers of a file, the members of a group.
const MEMBERS = 40; // of a group, until all are asked for

const badgeOf = (state) => (state ? [badge(state), " "] : []);

const memberEntry = (item) => el("li", {}, link(item));

function causes(item) {
  const text = ({ path, cause }) => (path === item.name ? ` ${cause}` : ` ${path}: ${cause}`);
  const entries = item.findings.map((finding) => el("li", {}, badge(finding.kind), text(finding)));
  return el("ul", { class: "causes" }, entries);
}

function fileEntry(file, ...more) {
  return el(
    "li",
    { "aria-current": file.path === view.file ? "true" : null },
    el("div", {}, badgeOf(stateOfPath.get(file.path)), file.path),
    el("code", {}, file.sha256),
    el("div", { class: "note" }, `${file.bytes.toLocaleString("en")} bytes · `, ...more),
  );
}

function inputEntry(file) {
  const maker = file.owner;
  if (maker.kind === "file") return fileEntry(file, "a source: ", link(maker, "who reads it"));
  const same = maker.outputs.some(([, written]) => written.includes(file));
  return fileEntry(file, "made by ", link(maker), same ? "" : ", which has written other content since");
}

function outputEntry(file) {
  const found = [...(readersOf.get(file.path) ?? [])];
  if (!found.length) return fileEntry(file, "read by no job");
  if (found.length <= 3) return fileEntry(file, "read by ", ...found.flatMap((node) => [", ", link(node)]).slice(1));
  return fileEntry(file, folding(`read by ${found.length} jobs`, long(found, "members", memberEntry)));
}

function fileLists(title, named, entryOf) {
  const count = named.reduce((sum, [, inside]) => sum + inside.length, 0);
  const lists = named.flatMap(([name, inside]) => {
    const selected = inside.findIndex((file) => file.path === view.file);
    return [el("h4", {}, name), ...long(inside, "files", entryOf, Math.max(SHOWN, selected + 1))];
  });
  return [el("h3", {}, `${title} (${count})`), ...lists];
}

function jobPanel(node) {
  if (node.record === undefined) return [el("p", {}, "No record of this job can be read.")];
  const record = valueOf(node.record);
  const { started, ended, seconds, attempt, seed, threads, code, modules, software, machine, git } = record;
  const facts = {
    step: node.step,
    ...{ started, ended, seconds, attempt, seed: seed ?? "none", threads },
    record: el("span", {}, record.record, " ", el("code", {}, record.record_sha256)),
    "sealed by": el("code", {}, record.digest),
  };
  const commit = git.commit?.slice(0, 8) ?? "no checkout";
  const more = {
    [`code: ${Object.keys(modules).length} modules, ${code.slice(0, 8)}`]: { "all together": code, ...modules },
    "modules chosen by name": record.chosen_modules,
    [`software: Python ${software.python}`]: software,
    [`machine: ${machine.host}`]: machine,
    device: record.device,
    [`git: ${commit}${git.dirty ? ", uncommitted changes" : ""}`]: git,
  };
  return [
    table(facts),
    ...fileLists("Inputs", node.inputs, inputEntry),
    ...fileLists("Outputs", node.outputs, outputEntry),
    el("h3", {}, "Settings"),
    table(record.settings),
    el("h3", {}, "Code, software and machine"),
    ...Object.entries(more).map(([title, content]) => folding(title, table(content))),
  ];
}

function filePanel(node) {
  const contents = files.filter((file) => file.owner === node).map((file) => fileEntry(file, "as it was read"));
  const readers = [...node.children];
  return [
    el("p", {}, "No record at hand names the job that made this file."),
    el("ul", { class: "files" }, contents),
    el("h3", {}, `Read by (${readers.length})`),
    ...long(readers, "members", memberEntry),
  ];
}

function groupPanel(group) {
  const entryOf = (each) => el("li", {}, badgeOf(each.state), link(each.item ?? each, each.rest ?? each.title));
  const inside = group.inside ?? group.members;
  const worstFirst = [...kinds, null].flatMap((kind) => inside.filter((each) => each.state === kind));
  return [
    el("p", {}, sizeOf(group), ...group.states.flatMap(([kind, count]) => [" ", badge(kind), ` ${count}`])),
    el("div", { class: "actions" }, foldButton(group, true)),
    ...long(worstFirst, "members", entryOf, MEMBERS),
  ];
}

/** Show what is selected. */
function showPanel() {
  const { item } = view;
  const panel = at("panel");
  panel.hidden = !item;
  panel.replaceChildren();
  if (!item) return;
  const close = button("Close", "clear", { "aria-label": "Close and clear the selection" });
  const around = new Set([item.leaf, item.family ?? item.leaf?.family]);
  const links = [...around].filter((group) => group && group.item !== item);
  panel.append(
    el("h2", {}, item.title),
    el("div", { class: "actions" }, close, ...links.map((group) => link(group, `Group ${group.title}`))),
    item.findings?.length ? causes(item) : "",
    ...(item.members ? groupPanel(item) : item.kind === "job" ? jobPanel(item) : filePanel(item)),
  );
  panel.scrollTop = 0;
  panel.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
}

/** Select nothing; a focus that was in the panel goes to the graph. */
function clear() {
  const inside = at("panel").contains(document.activeElement);
  select(null);
  if (inside) at("graph").focus();
}
