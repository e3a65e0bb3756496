// What is shown stands behind the # of the address: a path, and parameters for filters, sorting and the drawer.

function address() {
  const text = location.hash.replace(/^#\/?/, "");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  return {
    path: path.split("/").filter(Boolean).map(decoded),
    params: new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)),
  };
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // somebody's own text behind the #
  }
}

function link(path, params) {
  const given = Object.entries(params || {}).filter(
    ([, value]) => value !== "" && value !== null && value !== undefined,
  );
  const query = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

const param = (name) => address().params.get(name) || "";

/** Change parameters of the address and leave the page as it is; with `entered`, going back undoes it. */
function setParams(changes, entered = false) {
  const { path, params } = address();
  for (const [name, value] of Object.entries(changes)) {
    if (value) params.set(name, value);
    else params.delete(name);
  }
  const now = link(path, Object.fromEntries(params));
  history[entered ? "pushState" : "replaceState"](null, "", now);
}
