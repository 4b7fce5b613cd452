// The look of the drawing, with the colours of page.css.
const drawing_style = (() => {
  const { kinds } = records;
  const { WIDTH } = layout;

  /** The style sheet for cytoscape, in the colours of the scheme that is set, light or dark. */
  function styleSheet() {
    const colours = getComputedStyle(document.documentElement);
    const colour = (name) => colours.getPropertyValue(`--${name}`).trim();
    const states = kinds.map((kind) => {
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
      {
        selector: "node.selected",
        style: { "border-width": 5, "border-color": colour("ink"), "border-style": "solid" },
      },
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

  return { styleSheet };
})();
