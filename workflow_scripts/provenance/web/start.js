// What starts last: who shows a new selection, what the mouse, the keys and the buttons do, and the first look.
const { at } = elements;
const { cy } = drawing;

selection.listeners.push(address.remember, search.close, panel.show, drawing.show, list.show, () => {
  at("status").textContent = words.spoken();
  document.body.dataset.selected = selection.view.item?.title ?? "";
});

document.querySelector(".legend").open = innerWidth > 700;
for (const mark of document.querySelectorAll("[data-mark]")) mark.textContent = words.MARKS[mark.dataset.mark];
findings.show();
drawing.draw();
list.show();
drawing.showStart();
address.follow();

let tapped = [];
cy.on("tap", (event) => {
  tapped = [tapped[1], event.target];
  if (event.target === cy) panel.clear();
  else selection.select(records.items.get(event.target.id()));
});
cy.on("dbltap", "node", () => {
  // The library takes two quick taps for a double one wherever they are; and what was tapped may be drawn anew.
  const [first, second] = tapped.map((target) => (target && target !== cy ? target.id() : null));
  if (first === second && records.items.get(second)?.members) selection.toggle(records.items.get(second));
});
// The wheel alone scrolls the page: the library must not hear of it.
const hideScrolling = (event) => {
  if (!event.ctrlKey) event.stopPropagation();
};
document.querySelector(".stage").addEventListener("wheel", hideScrolling, { capture: true });
at("fold").addEventListener("click", () => {
  selection.foldAll();
  drawing.showWhole();
});
at("whole").addEventListener("click", drawing.showWhole);
const zoom = (factor) =>
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
at("smaller").addEventListener("click", () => zoom(1 / 1.3));
at("larger").addEventListener("click", () => zoom(1.3));
at("search").addEventListener("input", search.show);
at("search").addEventListener("focus", search.show);
document.querySelector(".search").addEventListener("keydown", search.move);
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) search.close();
});
document.addEventListener("keydown", keys.press);
addEventListener("popstate", address.follow);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cy.style(drawing_style.styleSheet()));
window.provenanceGraph = cy; // for those who want to look at the drawing from the console, and for the tests
document.body.dataset.ready = "true";
