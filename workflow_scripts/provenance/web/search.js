// The search for jobs and files by a part of their names.
const search = (() => {
  const { nodes, owners } = records;
  const { counted } = words;
  const { at, el, link } = elements;

  const MATCHES = 50; // that a search shows

  const entry = (text, item, file) => ({ text, low: text.toLowerCase(), item, file });
  const wanted = [
    ...nodes.filter((node) => node.kind === "job").map((node) => entry(node.name, node, null)),
    ...[...owners].map(([path, item]) => entry(path, item, path)),
  ];

  /** Show what has the text of the field in its name. */
  function show() {
    const text = at("search").value.trim().toLowerCase(),
      box = at("matches");
    box.hidden = !text;
    if (!text) return;
    const found = wanted.filter((each) => each.low.includes(text));
    const jobs = found.filter((each) => each.file === null).length;
    const more = found.length > MATCHES ? `; the first ${MATCHES} are shown` : "";
    at("found").textContent = found.length
      ? `${counted(jobs, "job")} and ${counted(found.length - jobs, "file")}${more}`
      : "Nothing has this in its name.";
    box.querySelector("ul").replaceChildren(
      ...found.slice(0, MATCHES).map(({ text: name, item, file }) => {
        const made = link(item, name, file);
        const what = file === null ? "job" : item.kind === "file" ? "file" : `file of ${item.name}`;
        made.append(el("span", {}, ` · ${what}`));
        return el("li", {}, made);
      }),
    );
  }

  function close() {
    at("matches").hidden = true;
  }

  /** Keys while the field or a match has the focus. */
  function move(event) {
    const all = [at("search"), ...at("matches").querySelectorAll("a")];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && event.target === all[0]) all[1]?.click();
    else if (event.key === "Escape") {
      at("search").value = "";
      close();
      all[0].focus();
    } else if (step && !at("matches").hidden)
      all[Math.min(Math.max(all.indexOf(event.target) + step, 0), all.length - 1)].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return { show, close, move };
})();
