"use strict";
// One image at a time. Nothing counts here before the server has it on disk; the server says what comes next.

const at = (id) => document.getElementById(id);
let state = null;
let shown = false; // the image that is due is on the screen: only what can be seen can be labeled
let busy = false; // an act is on its way
const asked = new Map(); // sha256 of an image -> promise of where the browser keeps it, and of a note

async function ask(path, body) {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(path, options);
  return { ok: response.ok, answer: await response.json() };
}

async function act(what, label = "") {
  if (!state || busy || (what !== "undo" && !state.image) || (what === "label" && !shown)) return;
  if (what === "undo" && !state.can_undo) return;
  busy = true;
  try {
    const { ok, answer } = await ask("act", { do: what, image: state.image, label });
    complain(ok ? "" : `Not saved: ${answer.error}.`);
    if (ok) say(what, label);
    if (ok || answer.state) show(ok ? answer : answer.state);
  } catch {
    complain("Not saved: ssgan label does not answer. Start it again; what you labeled before is safe on disk.");
  } finally {
    busy = false;
  }
}

function say(what, label) {
  at("said").textContent = { label: `Labeled ${label}`, skip: "Skipped: it comes again next time", undo: "Taken back" }[what];
}

function complain(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function show(next) {
  const old = state;
  state = next;
  const skipped = next.skipped ? ` · ${next.skipped} skipped` : "";
  at("count").textContent = next.image ? `${next.place + 1} of ${next.total}${skipped}` : `${next.labeled} of ${next.total} labeled`;
  at("bar").max = next.total || 1;
  at("bar").value = next.place;
  at("undo").disabled = !next.can_undo;
  at("skip").disabled = !next.image;
  document.title = next.image ? `${next.place + 1}/${next.total} · ssgan label` : "done · ssgan label";
  if (!old) buttons(next.classes);
  for (const button of at("classes").children) button.disabled = !next.image;
  at("stage").hidden = !next.image;
  at("end").hidden = Boolean(next.image);
  if (next.image) picture(next);
  else end(next);
}

async function picture(next) {
  const image = at("image");
  if (image.dataset.id === next.image) return;
  shown = false;
  image.dataset.id = next.image;
  image.classList.add("waiting");
  image.alt = `Image ${next.place + 1} of ${next.total}`;
  remark("");
  forget([next.image, ...next.following]);
  try {
    const { url, note } = await fetched(next.image);
    if (image.dataset.id !== next.image) return; // somebody was faster than the network
    image.src = url;
    remark(note);
  } catch {
    unseen();
  }
}

// Every image is asked for once: the one that is due, then, as soon as it is on the screen, those that follow.
function fetched(id) {
  if (!asked.has(id)) asked.set(id, bytes(id));
  return asked.get(id);
}

async function bytes(id) {
  try {
    const response = await fetch(`image/${id}`);
    if (!response.ok) throw new Error(response.statusText);
    const note = JSON.parse(response.headers.get("Ssgan-Note") ?? '""'); // why it is not the original
    return { url: URL.createObjectURL(await response.blob()), note };
  } catch (error) {
    asked.delete(id); // the next time it is asked for anew
    throw error;
  }
}

async function ahead() {
  for (const id of state.following) await fetched(id).catch(() => {}); // it is said when its turn comes
}

function forget(kept) {
  for (const [id, coming] of asked) {
    if (kept.includes(id)) continue;
    asked.delete(id);
    coming.then(({ url }) => URL.revokeObjectURL(url), () => {});
  }
}

function remark(note) {
  at("note").textContent = note;
  at("note").hidden = !note;
}

function unseen() {
  complain("This image cannot be shown. Skip it, or see whether ssgan label still runs.");
}

function end(next) {
  at("end-title").textContent = next.skipped ? "End of the queue" : "All done";
  const skipped = next.skipped ? `, ${next.skipped} skipped: these come again next time` : "";
  at("end-words").textContent = `${next.labeled} of ${next.total} images labeled${skipped}.`;
  at("image").removeAttribute("src");
  delete at("image").dataset.id;
  forget([]);
  at("end-title").focus();
}

function buttons(classes) {
  for (const { name, key } of classes) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(document.createElement("span"), { textContent: name }));
    if (key && key !== name.toLowerCase()) button.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    if (key) button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => act("label", name));
    at("classes").append(button);
  }
  const longest = Math.max(...classes.map(({ name }) => name.length));
  at("classes").style.setProperty("--widest", `${Math.min(16, 3.1 + 0.6 * longest)}rem`);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state) return;
  const key = event.key.toLowerCase();
  const place = state.classes.findIndex((one) => one.key === key);
  const button = place >= 0 ? at("classes").children[place] : { u: at("undo"), backspace: at("undo"), s: at("skip") }[key];
  if (!button) return;
  event.preventDefault();
  button.classList.add("hit");
  setTimeout(() => button.classList.remove("hit"), 150);
  button.click();
}

at("image").addEventListener("load", () => {
  const { classList, naturalWidth, naturalHeight, style } = at("image");
  style.setProperty("--largest", `${32 * Math.max(naturalWidth, naturalHeight)}px`);
  classList.remove("waiting");
  shown = true;
  ahead();
});
at("image").addEventListener("error", () => {
  if (at("image").getAttribute("src")) unseen();
});
at("undo").addEventListener("click", () => act("undo"));
at("skip").addEventListener("click", () => act("skip"));
document.addEventListener("keydown", onKey);
ask("state").then(({ answer }) => show(answer)).catch(() => complain("ssgan label does not answer. Start it again."));
