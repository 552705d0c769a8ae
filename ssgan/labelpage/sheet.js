"use strict";
// A sheet: images that look alike. What does not belong is taken out by a click, or by the arrow keys and the space bar; the rest
// gets one name. And the name of a class that is not there yet: it is asked twice, for a typing error makes a class too.

async function tiles(next) {
  const sheet = at("sheet");
  if (sheet.dataset.id === next.image && sheet.children.length === next.sheet.images.length) return;
  shown = false;
  sheet.dataset.id = next.image;
  sheet.replaceChildren(...next.sheet.images.map(tile));
  arrange();
  remark("");
  sheet.firstChild.focus();
  at("said").textContent ||= "A click takes an image out, or the arrow keys and the space bar";
  forget([...next.sheet.images.map((id) => `small/${id}`), ...coming(next)]);
  const loaded = await Promise.all([...sheet.children].map((one, place) => fill(one, next.sheet.images[place])));
  if (sheet.dataset.id !== next.image) return; // somebody was faster than the network
  const notes = loaded.filter(Boolean);
  if (notes.length) remark(`${notes.length} of these: ${notes[0]}`);
  shown = !loaded.includes(null);
  if (!shown) unseen();
  ahead();
}

function tile(id, place) {
  const one = document.createElement("button");
  one.type = "button";
  one.className = "tile";
  one.tabIndex = place ? -1 : 0;
  one.setAttribute("aria-pressed", "false");
  one.setAttribute("aria-label", `Image ${place + 1}`);
  one.append(Object.assign(document.createElement("img"), { alt: "", draggable: false }));
  one.addEventListener("click", () => one.setAttribute("aria-pressed", String(!isOut(one))));
  return one;
}

// The note of the image, empty where it is the original; null where it cannot be shown.
async function fill(one, id) {
  const picture = one.firstChild;
  try {
    const { url, note } = await fetched(`small/${id}`);
    picture.src = url;
    await picture.decode();
    return note;
  } catch {
    return null;
  }
}

function isOut(one) {
  return one.getAttribute("aria-pressed") === "true";
}

function takenOut() {
  return [...at("sheet").children].flatMap((one, place) => (isOut(one) ? [place] : []));
}

function leave() {
  at("sheet").replaceChildren();
  delete at("sheet").dataset.id;
}

// As many columns as make the tiles largest.
function arrange() {
  const { clientWidth, clientHeight, children } = at("sheet");
  let best = 0;
  for (let columns = 1; columns <= children.length; columns += 1) {
    const side = Math.min(clientWidth / columns, clientHeight / Math.ceil(children.length / columns));
    if (side <= best) continue;
    best = side;
    at("sheet").style.setProperty("--columns", columns);
    at("sheet").style.setProperty("--rows", Math.ceil(children.length / columns));
  }
}

function onArrow(event) {
  const all = [...at("sheet").children];
  const columns = Number(at("sheet").style.getPropertyValue("--columns"));
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step || !all.length) return;
  event.preventDefault();
  const to = all[all.indexOf(document.activeElement) + step];
  if (!to) return;
  for (const one of all) one.tabIndex = one === to ? 0 : -1;
  to.focus();
}

// --- a name that is no class yet ---

let doubted = ""; // a name that the server does not know; sent once more, it becomes a class

function openNaming() {
  at("naming").hidden = false;
  at("name").focus();
}

function closeNaming(stay) {
  const hadFocus = at("naming").contains(document.activeElement);
  at("naming").hidden = !stay;
  at("name").value = "";
  settle();
  if (hadFocus && at("sheet").firstChild) at("sheet").firstChild.focus();
}

function settle() {
  doubted = "";
  at("doubt").hidden = true;
}

function doubt({ unknown, similar }) {
  doubted = unknown;
  const meant = similar.map((name) => {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
    button.addEventListener("click", () => act("label", name));
    return button;
  });
  const question = `“${unknown}” is no class yet. Name it once more to make it one.`;
  at("doubt").replaceChildren(question, ...(meant.length ? [" Did you mean ", ...meant, "?"] : []));
  at("doubt").hidden = false;
}

at("sheet").addEventListener("keydown", onArrow);
at("new").addEventListener("click", openNaming);
at("name").addEventListener("input", settle);
at("name").addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeNaming(!state.classes.length);
});
at("naming").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  if (name) act("label", name, name === doubted);
});
addEventListener("resize", arrange);
