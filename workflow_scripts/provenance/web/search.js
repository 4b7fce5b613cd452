// The search for jobs and files by a part of their names.
const MATCHES = 50; // that a search shows

const wanted = [...places.values()].filter(({ item }) => !item.members);
const nameOfMatch = ({ item, file }) => file ?? item.name;

/** Show what has the text of the field in its name. */
function showMatches() {
  const text = at("search").value.trim().toLowerCase();
  at("matches").hidden = !text;
  if (!text) return;
  const found = wanted.filter((match) => nameOfMatch(match).toLowerCase().includes(text));
  const jobs = found.filter(({ file }) => file === null).length;
  const more = found.length > MATCHES ? `; the first ${MATCHES} are shown` : "";
  at("found").textContent = found.length
    ? `${counted(jobs, "job")} and ${counted(found.length - jobs, "file")}${more}`
    : "Nothing has this in its name.";
  const entries = found.slice(0, MATCHES).map((match) => {
    const { item, file } = match;
    const what = file === null ? "job" : item.kind === "file" ? "file" : `file of ${item.name}`;
    return el("li", {}, link(item, [nameOfMatch(match), el("span", {}, ` · ${what}`)], file));
  });
  at("matches").querySelector("ul").replaceChildren(...entries);
}

function closeMatches() {
  at("matches").hidden = true;
}

/** Keys while the field or a match has the focus. */
function moveInMatches(event) {
  const all = [at("search"), ...at("matches").querySelectorAll("a")];
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Enter" && event.target === all[0]) all[1]?.click();
  else if (event.key === "Escape") {
    at("search").value = "";
    closeMatches();
    all[0].focus();
  } else if (step && !at("matches").hidden)
    all[Math.min(Math.max(all.indexOf(event.target) + step, 0), all.length - 1)].focus();
  else return;
  event.preventDefault();
  event.stopPropagation();
}
