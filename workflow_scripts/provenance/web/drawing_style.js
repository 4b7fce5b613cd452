// The look of the drawing, with the colours of page.css; what frames and grounds say is as in the legend.

/** The style sheet for cytoscape, in the colours of the scheme that is set, light or dark. */
function styleSheet() {
  const page = getComputedStyle(document.documentElement);
  const colour = (name) => page.getPropertyValue(`--${name}`).trim();
  const swatch = (which) => {
    const { borderTopColor, backgroundColor } = getComputedStyle(document.querySelector(`.swatch${which}`));
    return { "border-color": borderTopColor, "background-color": backgroundColor };
  };
  const frame = (which) => ({ "border-color": swatch(which)["border-color"] });
  const line = (drawn, style) => ({ "line-color": drawn, "target-arrow-color": drawn, ...style });
  const lineage = (which, style) => line(swatch(which)["border-color"], { width: 3, "z-index": 2, ...style });
  const styles = {
    node: {
      ...swatch(""),
      shape: "round-rectangle",
      width: "data(w)",
      height: "data(h)",
      label: "data(label)",
      color: colour("ink"),
      "border-width": 1.2,
      "font-size": LETTERS.box,
      "font-family": FONT,
      "text-wrap": "wrap",
      "text-max-width": 400,
      "line-height": 1.25,
      "text-valign": "center",
      "text-halign": "center",
      "min-zoomed-font-size": 5,
      "overlay-opacity": 0,
    },
    "node.folded": { ghost: "yes", "ghost-offset-x": 4, "ghost-offset-y": 4, "ghost-opacity": 0.45 },
    "node.member": { "font-size": LETTERS.member },
    "node:parent": {
      "text-valign": "top",
      "text-margin-y": -4,
      padding: 8,
      "background-opacity": 0.45,
      "min-width": WIDEST.box - 16,
    },
    ...Object.fromEntries(
      kinds.map((kind) => [`node[state="${kind}"]`, { ...swatch(`[data-state="${kind}"]`), "border-width": 2 }]),
    ),
    "node.ancestor[^state]": swatch(".ancestor"),
    "node.ancestor": { ...frame(".ancestor"), "border-style": "double", "border-width": 5 },
    "node.descendant[^state]": swatch(".descendant"),
    "node.descendant": { ...frame(".descendant"), "border-style": "dashed", "border-width": 2.5 },
    "node.unrelated": { color: colour("soft"), ghost: "no", "border-color": colour("line") },
    "node.unrelated[^state]": { "background-color": colour("paper") },
    "node.selected": { ...frame(".selected"), "border-width": 5 },
    edge: line(getComputedStyle(at("graph")).color, {
      width: 1.4,
      "curve-style": "unbundled-bezier",
      "source-endpoint": "90deg",
      "target-endpoint": "270deg",
      "control-point-distances": "data(distances)",
      "control-point-weights": "data(weights)",
      "edge-distances": "endpoints",
      events: "no",
      "target-arrow-shape": "triangle",
      "arrow-scale": 0.8,
    }),
    "edge.unrelated": line(colour("line"), { "z-index": 0 }),
    "edge.ancestor": lineage(".ancestor", {}),
    "edge.descendant": lineage(".descendant", { "line-style": "dashed" }),
  };
  return Object.entries(styles).map(([selector, style]) => ({ selector, style }));
}
