// The address of the page names the selection: it can be copied, and the browser goes back and forth.
const address = (() => {
  const { groups, byName, owners } = records;
  const { view, select } = selection;

  const encode = (text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, "\uFFFD"));

  /** The end of the address that selects an item, or a file by its path. */
  function hashOf(item, file = null) {
    if (file !== null) return `#file=${encode(file)}`;
    return `#${item.members ? "group" : item.kind}=${encode(item.title)}`;
  }

  /** Keep the selection in the browser's history. */
  function remember({ push, same }) {
    if (push && !same) history.pushState(null, "", view.item ? hashOf(view.item, view.file) : "#");
  }

  /** Select what the address names. */
  function follow() {
    if (location.hash && !location.hash.includes("=")) return; // a place on this page
    const [kind, ...rest] = location.hash.slice(1).split("=");
    let name = rest.join("=");
    try {
      name = decodeURIComponent(name);
    } catch {
      /* an address typed by hand: take it as it is */
    }
    if (kind === "job") select(byName.get(name) ?? null, { push: false });
    else if (kind === "group") select(groups.find((group) => group.title === name)?.item ?? null, { push: false });
    else if (kind === "file") select(owners.get(name) ?? null, { file: owners.has(name) ? name : null, push: false });
    else select(null, { push: false });
    if (name && !view.item)
      document.getElementById("status").textContent = `There is no ${kind} ${name} in these records.`;
  }

  return { hashOf, remember, follow };
})();
