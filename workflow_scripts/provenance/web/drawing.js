// The drawing of the graph, by cytoscape: it shows the layout and the selection, and moves so that they can be seen.
const drawing = (() => {
  const { view, drawnGroups, groupOf, shown, relationOf, shape } = selection;
  const { linesOf, memberLabel } = words;
  const { at } = elements;
  const { MEMBER_HEIGHT, columns, place } = layout;
  const { drawnEdges } = edges;
  const { styleSheet } = drawing_style;

  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  let drawnShape = null;
  const cy = cytoscape({
    container: at("graph"),
    elements: [],
    style: styleSheet(),
    layout: { name: "preset" },
    minZoom: 0.05,
    maxZoom: 2.5,
    autoungrabify: true,
    boxSelectionEnabled: false,
    selectionType: "single",
    autounselectify: true,
  });

  /** Show the selection. */
  function show() {
    draw();
    if (view.item) reveal(view.item);
  }

  /** Bring the drawing up to date; what is folded or open changes where things are. */
  function draw() {
    const moved = shape() !== drawnShape;
    drawnShape = shape();
    cy.resize();
    const anchor = view.item && cy.getElementById(groupOf(view.item).key);
    const before = anchor?.nonempty() ? anchor.renderedPosition() : null;
    cy.batch(() => {
      if (moved) arrange();
      cy.edges().remove();
      cy.add(drawnEdges());
      for (const item of drawnGroups().flatMap((group) => [group.item, ...shown(group)])) {
        const element = cy.getElementById(item.key),
          relation = relationOf(item);
        const label = item.members || item.group.item === item ? linesOf(item).join("\n") : memberLabel(item);
        element.data("label", label).removeClass("selected ancestor descendant unrelated").addClass(relation);
      }
    });
    if (before && moved) {
      const after = cy.getElementById(groupOf(view.item).key).renderedPosition();
      cy.panBy({ x: before.x - after.x, y: before.y - after.y });
    }
  }

  /** Draw all nodes anew, where the layout has them. */
  function arrange() {
    place();
    const added = [];
    for (const slot of columns.flat()) {
      if (slot.passes || slot.narrow) {
        for (const { key, x, y } of slot.ends)
          added.push({ data: { id: key, w: 1, h: 1 }, classes: "passing", position: { x, y } });
      }
      if (slot.passes) continue;
      const inside = shown(slot),
        item = slot.item;
      const size = { id: item.key, state: item.state ?? undefined, w: slot.w, h: slot.h };
      const classes = item.members && !inside.length ? "folded" : "";
      added.push({ data: size, position: { x: slot.x, y: slot.y }, classes });
      for (const node of inside) {
        const member = { id: node.key, parent: slot.key, state: node.state ?? undefined, w: node.w, h: MEMBER_HEIGHT };
        added.push({ data: member, position: { x: node.x, y: node.y }, classes: "member" });
      }
    }
    cy.elements().remove();
    cy.add(added);
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

  /** Show the whole graph. */
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

  return { cy, show, draw, showWhole, showStart };
})();
