// The list of what the audit found, above the graph.
const findings = (() => {
  const { findings, owners } = records;
  const { counted } = words;
  const { at, el, link, badge, long } = elements;

  function show() {
    const waived = findings.filter((finding) => finding.kind === "waived").length,
      faults = findings.length - waived;
    const title = `${counted(faults, "finding")}${waived ? `, ${waived} waived` : ""}`;
    if (!findings.length) return at("findings").append(el("p", {}, at("findings").dataset.none));
    const entry = ({ kind, path, cause, node }) =>
      el("li", {}, badge(kind), " ", node ? link(node, path, owners.has(path) ? path : null) : path, `: ${cause}`);
    const region = { class: "scrolled", tabindex: "0", role: "region", "aria-label": title };
    const inside = el("div", region, ...long(findings, "", entry, 20));
    const open = findings.length <= 5 ? { open: "" } : {};
    return at("findings").append(el("details", open, el("summary", {}, title), inside));
  }

  return { show };
})();
