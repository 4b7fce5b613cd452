// The panel next to the drawing: the record of the selected job, the readers of a file, the members of a group.
const panel = (() => {
  const { kinds, value, files, readers, pathStates } = records;
  const { view, select } = selection;
  const { counted, sizeOf } = words;
  const { SHOWN, at, el, link, button, foldButton, badge, bytes, long, flat, values, folding } = elements;

  const MEMBERS = 40; // of a group, until all are asked for

  const mark = (state) => (state ? [badge(state), " "] : []);

  function causes(item) {
    const text = ({ path, cause }) => (path === item.name ? ` ${cause}` : ` ${path}: ${cause}`);
    const entries = item.findings.map((finding) => el("li", {}, badge(finding.kind), text(finding)));
    return el("ul", { class: "causes" }, entries);
  }

  function fileEntry(file, ...more) {
    const state = pathStates.get(file.path);
    return el(
      "li",
      { "aria-current": file.path === view.file ? "true" : null },
      el("div", {}, mark(state), file.path),
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

  const outputEntry = (file) => {
    const found = [...(readers.get(file.path) ?? [])];
    if (!found.length) return fileEntry(file, "read by no job");
    if (found.length <= 3)
      return fileEntry(file, "read by ", ...found.flatMap((node, place) => [place ? ", " : "", link(node)]));
    const jobs = long(found, "members", (node) => el("li", {}, link(node)));
    return fileEntry(file, el("details", {}, el("summary", {}, `read by ${found.length} jobs`), jobs));
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
    const record = value(node.record),
      { commit, dirty } = record.git;
    const facts = [
      ["step", node.step],
      ...["started", "ended", "seconds", "attempt"].map((key) => [key, String(record[key])]),
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
      folding(`git: ${commit?.slice(0, 8) ?? "no checkout"}${dirty ? ", uncommitted changes" : ""}`, record.git),
    ];
  }

  function filePanel(node) {
    const contents = files.filter((file) => file.owner === node).map((file) => fileEntry(file, "as it was read"));
    const reading = [...node.children];
    return [
      el("p", {}, "No record at hand names the job that made this file."),
      el("ul", { class: "files" }, contents),
      el("h3", {}, `Read by (${reading.length})`),
      ...long(reading, "members", (each) => el("li", {}, link(each))),
    ];
  }

  function groupPanel(group) {
    const entry = (node) => el("li", {}, mark(node.state), link(node.item ?? node, node.rest ?? node.title));
    const worstFirst = [...(group.inside ?? group.members)].sort((a, b) => rankOf(a) - rankOf(b));
    return [
      el("p", {}, sizeOf(group), ...group.states.flatMap(([kind, count]) => [" ", badge(kind), ` ${count}`])),
      el("div", { class: "actions" }, foldButton(group, "#panel [aria-expanded]", true)),
      ...long(worstFirst, "members", entry, MEMBERS),
    ];
  }

  const rankOf = (node) => (node.state ? kinds.indexOf(node.state) : kinds.length);

  /** Show what is selected. */
  function show() {
    const { item } = view,
      panel = at("panel");
    panel.hidden = !item;
    document.querySelector(".stage").classList.toggle("with-panel", Boolean(item));
    panel.replaceChildren();
    if (!item) return;
    const close = button("Close", clear, { "aria-label": "Close and clear the selection" });
    const own = item.members ? groupPanel(item) : item.kind === "job" ? jobPanel(item) : filePanel(item);
    const around = [item.members ? item.family : item.leaf, item.leaf?.family].filter(
      (group) => group && group.item !== item,
    );
    const links = around.map((group) => link(group, `Group ${group.title}`));
    const lineage = `◂ ${counted(view.ancestors.size, "ancestor")}, ▸ ${counted(view.descendants.size, "descendant")}`;
    panel.append(el("h2", {}, item.title), el("div", { class: "actions" }, close, links));
    panel.append(el("p", { class: "note" }, lineage));
    if (!item.members && item.findings.length) panel.append(causes(item));
    panel.append(...own);
    panel.scrollTop = 0;
    panel.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  /** Select nothing; a focus that was in the panel goes to the graph. */
  function clear() {
    const inside = at("panel").contains(document.activeElement);
    select(null);
    if (inside) at("graph").focus();
  }

  return { show, clear };
})();
