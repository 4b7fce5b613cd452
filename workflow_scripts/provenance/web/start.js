// What starts last: who shows a new selection, what the mouse, the keys and the buttons do, and the first look.
listeners.push(remember, closeMatches, showPanel, showDrawing, showList, () => {
  at("status").textContent = spoken();
  document.body.dataset.selected = view.item?.title ?? "";
});

document.querySelector(".legend").open = innerWidth > 700;
for (const each of document.querySelectorAll("[data-mark]")) each.textContent = MARKS[each.dataset.mark];
showFindings();
draw();
showList();
showStart();
followAddress();

const zoomBy = (factor) =>
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });

/** What buttons do: those that have an id by it, the others by their data-action, with an item. */
const actions = {
  fold: () => {
    foldAll();
    showWhole();
  },
  whole: showWhole,
  smaller: () => zoomBy(1 / 1.3),
  larger: () => zoomBy(1.3),
  clear,
  select: (item) => select(item),
  toggle: (item, inList) => {
    toggle(item);
    document.querySelector(inList ? "#list [aria-current]" : "#panel [aria-expanded]")?.focus();
  },
};
document.addEventListener("click", ({ target }) => {
  if (target !== at("search")) closeMatches();
  const clicked = target.closest("button");
  const { action, key, group } = clicked?.dataset ?? {};
  actions[action ?? clicked?.id]?.(items.get(key ?? group), at("list").contains(clicked));
});

let tapped = [];
cy.on("tap", (event) => {
  tapped = [tapped[1], event.target === cy ? null : event.target.id()];
  if (event.target === cy) clear();
  else select(items.get(event.target.id()));
});
cy.on("dbltap", "node", () => {
  // The library takes two quick taps for a double one wherever they are; and what was tapped may be drawn anew.
  const item = items.get(tapped[1]);
  if (tapped[0] === tapped[1] && item?.members) toggle(item);
});
// The wheel alone scrolls the page: the library must not hear of it.
const hideScrolling = (event) => event.ctrlKey || event.stopPropagation();
document.querySelector(".stage").addEventListener("wheel", hideScrolling, { capture: true });
at("search").addEventListener("input", showMatches);
at("search").addEventListener("focus", showMatches);
document.querySelector(".search").addEventListener("keydown", moveInMatches);
document.addEventListener("keydown", press);
addEventListener("popstate", followAddress);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => cy.style(styleSheet()));
window.provenanceGraph = cy; // for those who want to look at the drawing from the console, and for the tests
document.body.dataset.ready = "true";
