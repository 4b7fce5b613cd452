// The address of the page names the selection: it can be copied, and the browser goes back and forth.
const places = new Map(); // of every item and file, by what its address says: {item, file}, `file` being a path
for (const item of [...nodes, ...groups]) addPlace(item, item.kind === "file" ? item.name : null);
for (const { path, owner } of files) addPlace(owner, path);

function addPlace(item, file) {
  places.set(nameOf(item, file), { item, file });
}

/** What an address says of an item, or of a file by its path. */
function nameOf(item, file) {
  const kind = file === null ? (item.members ? "group" : item.kind) : "file";
  return `${kind}=${file ?? item.title}`.toWellFormed();
}

/** The end of the address that selects an item or a file. */
const addressOf = (item, file = null) => `#${encodeURIComponent(nameOf(item, file)).replace("%3D", "=")}`;

/** Keep the selection in the browser's history, if it is a new one. */
function remember(isNew) {
  if (isNew) history.pushState(null, "", view.item ? addressOf(view.item, view.file) : "#");
}

/** Select what the address names. */
function followAddress() {
  if (location.hash && !location.hash.includes("=")) return; // a place on this page
  let name = location.hash.slice(1);
  try {
    name = decodeURIComponent(name);
  } catch {
    /* an address typed by hand: take it as it is */
  }
  const { item, file } = places.get(name) ?? { item: null, file: null };
  select(item, { file, push: false });
  if (name && !item)
    document.getElementById("status").textContent = `There is no ${name.replace("=", " ")} in these records.`;
}
