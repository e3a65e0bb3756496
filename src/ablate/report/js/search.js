// Search over claims, papers, studies, arms, tables, figures, data sets and runs.

const MOST_FOUND = 30;

const index = once(async () => {
  const places = [];
  const add = (kind, text, more, path, params) =>
    places.push({ kind, text, low: `${kind} ${text} ${more}`.toLowerCase(), href: link(path, params) });
  for (const claim of CLAIMS)
    add("claim", claim.statement, `${claimKey(claim)} ${claim.verdict} ${claim.finding}`, ["board"], {
      open: opening("claim", [claimKey(claim)]),
    });
  for (const paper of CONTENT.papers) {
    add("paper", paper.title, `${paper.id} ${paper.authors}`, ["paper", paper.id]);
    for (const study of paper.studies) {
      const path = ["study", paper.id, study.id];
      add("study", study.title, `${paper.id} ${study.id}`, path);
      for (const table of study.tables)
        add("table", table.name, `${table.caption || ""} ${study.title} ${paper.id}`, path, { at: `t-${table.id}` });
      for (const each of study.figures)
        add("figure", each.id, `${each.caption || ""} ${study.title} ${paper.id}`, path, {
          at: `f-${paper.id}-${each.id}`,
        });
      for (const arm of study.arms)
        add("arm", study.names[arm] || arm, `${study.title} ${paper.id}`, ["compare"], { a: `${paper.id}/${study.id}/${arm}` });
    }
  }
  for (const data of CONTENT.data) add("data set", data.id, data.words.join(" "), ["data", data.id]);
  for (const run of Object.keys((await detail()).runs)) add("run", run, "", ["runs"], { open: opening("run", [run]) });
  return places;
});

function startSearch() {
  const [input, list] = [$("search"), $("found")];
  let at = -1;

  function mark(to) {
    const options = [...list.children];
    at = options.length ? (to + options.length) % options.length : -1;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    if (at >= 0) {
      input.setAttribute("aria-activedescendant", options[at].id);
      options[at].scrollIntoView({ block: "nearest" });
    } else input.removeAttribute("aria-activedescendant");
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    at = -1;
  }

  function choose(option) {
    input.value = "";
    input.blur();
    location.hash = option.dataset.href;
  }

  async function look() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) {
      close();
      return;
    }
    const found = (await index()).filter((place) => words.every((word) => place.low.includes(word)));
    fill(
      list,
      found.slice(0, MOST_FOUND).map((place, i) =>
        h(
          "li",
          {
            id: `found-${i}`,
            role: "option",
            "aria-selected": "false",
            "data-href": place.href,
            mousedown: (event) => event.preventDefault(),
            click: (event) => choose(event.currentTarget),
          },
          h("span", { class: "kind" }, place.kind),
          " ",
          place.text,
        ),
      ),
    );
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    say(`${found.length} found`);
    mark(0);
  }

  input.addEventListener("input", look);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const moves = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in moves) {
      event.preventDefault();
      mark(at + moves[event.key]);
    } else if (event.key === "Enter" && at >= 0) choose(list.children[at]);
    else if (event.key === "Escape") {
      input.value = "";
      close();
    }
  });
}
