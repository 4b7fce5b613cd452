// The look of the drawing, with the colours of page.css.
const drawing_style = (() => {
  const { kinds } = records;
  const { FONT, LETTERS } = words;
  const { WIDTH } = layout;

  const look = (selector, style) => ({ selector, style });

  /** The style sheet for cytoscape, in the colours of the scheme that is set, light or dark. */
  function styleSheet() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    const states = kinds.map((kind) => {
      const frame = colour(kind === "link" ? "link-state" : kind);
      const style = { "border-color": frame, "background-color": colour(`${kind}-tint`), "border-width": 2 };
      return look(`node[state = "${kind}"]`, style);
    });
    const lineage = (kind, style) => {
      const drawn = { width: 3, "line-color": colour(kind), "target-arrow-color": colour(kind), "z-index": 2 };
      return look(`edge.${kind}`, { ...drawn, ...style });
    };
    const around = { "text-valign": "top", "text-margin-y": -4, padding: 8, "background-opacity": 0.45 };
    return [
      look("node", {
        shape: "round-rectangle",
        width: "data(w)",
        height: "data(h)",
        label: "data(label)",
        color: colour("ink"),
        "background-color": colour("tint"),
        "border-color": colour("frame"),
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
      }),
      look("node.folded", { ghost: "yes", "ghost-offset-x": 4, "ghost-offset-y": 4, "ghost-opacity": 0.45 }),
      look("node.member", { "font-size": LETTERS.member }),
      look("node:parent", { ...around, "min-width": WIDTH - 16 }),
      ...states,
      look("node.passing", { "border-width": 0, opacity: 0, events: "no", label: "" }),
      look("node.ancestor", { "border-style": "double", "border-width": 5, "border-color": colour("ancestor") }),
      look("node.descendant", { "border-style": "dashed", "border-width": 2.5, "border-color": colour("descendant") }),
      look("node.ancestor[^state]", { "background-color": colour("ancestor-tint") }),
      look("node.descendant[^state]", { "background-color": colour("descendant-tint") }),
      look("node.unrelated", { color: colour("soft"), ghost: "no", "border-color": colour("line") }),
      look("node.unrelated[^state]", { "background-color": colour("paper") }),
      look("node.selected", { "border-width": 5, "border-color": colour("ink"), "border-style": "solid" }),
      look("edge", {
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
      }),
      look("edge.onward", { "source-endpoint": "0 0" }),
      look("edge.passing", { "target-endpoint": "0 0" }),
      look("edge.arriving", { "target-arrow-shape": "triangle" }),
      look("edge.unrelated", { "line-color": colour("line"), "target-arrow-color": colour("line"), "z-index": 0 }),
      lineage("ancestor", {}),
      lineage("descendant", { "line-style": "dashed" }),
    ];
  }

  return { styleSheet };
})();
