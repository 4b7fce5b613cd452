// The drawing of the graph, by cytoscape: it shows the layout and the selection, and moves so that they can be seen.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const cy = cytoscape({
  container: at("graph"),
  style: styleSheet(),
  minZoom: 0.05,
  maxZoom: 2.5,
  autoungrabify: true,
  boxSelectionEnabled: false,
  autounselectify: true,
});

/** Show the selection. */
function showDrawing() {
  draw();
  if (view.item) reveal(view.item);
}

/** Draw everything anew; the selected group stays where it is on the screen. */
function draw() {
  const placeOf = (item) => ({ ...cy.getElementById(item ? groupOf(item).key : "").renderedPosition() });
  const before = placeOf(view.item);
  layOut();
  cy.resize();
  cy.batch(() => {
    cy.elements().remove();
    cy.add([...drawnGroups().flatMap(boxesOf), ...drawnEdges()]);
  });
  const after = placeOf(view.item);
  if ("x" in before) cy.panBy({ x: before.x - after.x, y: before.y - after.y });
}

/** The box of a group, and those of the nodes that are shown inside. */
function boxesOf(group) {
  const inside = shown(group);
  const isFolded = group.item === group && !inside.length;
  const box = ({ x, y, w, h }, item, label, look, parent) => ({
    data: { id: item.key, state: item.state ?? undefined, label, w, h, parent },
    position: { x, y },
    classes: `${look} ${relationOf(item)}`,
  });
  return [
    box(group, group.item, linesOf(group.item).join("\n"), isFolded ? "folded" : ""),
    ...inside.map((node) => box(node, node, memberLabel(node), "member", group.key)),
  ];
}

/** Move the drawing so that an item can be seen and read. */
function reveal(item) {
  const element = cy.getElementById(item.key);
  if (element.empty()) return;
  const box = element.renderedBoundingBox();
  const readable = cy.zoom() >= 0.6;
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
  if (cy.zoom() > 1.1) cy.zoom(1.1).center();
}

/** At first the whole graph where it can be read, else its left end. */
function showStart() {
  showWhole();
  if (cy.zoom() >= 0.7) return;
  cy.zoom(0.85).center();
  cy.panBy({ x: 24 - cy.elements().renderedBoundingBox().x1, y: 0 });
}
