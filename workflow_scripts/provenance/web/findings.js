// The list of what the audit found, above the graph.
function showFindings() {
  const entryOf = ({ kind, path, cause, node }) => {
    const file = places.has(`file=${path}`) ? path : null;
    return el("li", {}, badge(kind), " ", node ? link(node, path, file) : path, `: ${cause}`);
  };
  at("found-faults")?.append(...long(findings, "", entryOf, 20));
}
