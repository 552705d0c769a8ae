"use strict";
// One image or one sheet at a time (sheet.js). Nothing counts here before the server has it on disk; the server says what comes next.

const at = (id) => document.getElementById(id);
let state = null;
let shown = false; // the image or the sheet that is due is on the screen: only what can be seen can be labeled
let busy = false; // an act is on its way
const asked = new Map(); // path of an image -> promise of where the browser keeps it, and of a note

async function ask(path, body) {
  const options = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(path, options);
  return { ok: response.ok, answer: await response.json() };
}

async function act(what, label = "", agreed = false) {
  if (!state || busy || (what !== "undo" && !state.image) || (what === "label" && !shown)) return;
  if (what === "undo" && !state.can_undo) return;
  busy = true;
  try {
    const out = what === "label" && state.sheet ? takenOut() : [];
    const doing = what === "label" && state.sheet ? "sheet" : what;
    const { ok, answer } = await ask("act", { do: doing, image: state.image, label, out, new: agreed });
    complain(ok || answer.unknown ? "" : `Not saved: ${answer.error}.`);
    if (answer.unknown) doubt(answer);
    if (ok) say(doing, label, out.length);
    if (ok || answer.state) show(ok ? answer : answer.state);
  } catch {
    complain("Not saved: ssgan label does not answer. Start it again; what you labeled before is safe on disk.");
  } finally {
    busy = false;
  }
}

function say(what, label, out) {
  at("said").textContent = {
    label: `Labeled ${label}`,
    sheet: `Labeled ${label}${out ? `, all but ${out}: one by one, behind the others` : ""}`,
    apart: "They come one by one, behind the others",
    skip: "Skipped: it comes again next time",
    aside: "Set aside: a person who decides on classes sees it",
    undo: "Taken back",
  }[what];
}

function closeAside() {
  at("aside").hidden = true;
  at("why").value = "";
  at("why").blur(); // keys mean classes again
}

function complain(text) {
  at("problem").textContent = text;
  at("problem").hidden = !text;
}

function show(next) {
  const old = state;
  state = next;
  const skipped = (next.skipped ? ` · ${next.skipped} skipped` : "") + (next.aside ? ` · ${next.aside} without a class` : "");
  const place = next.sheet ? `Sheet ${next.sheet.number} of ${next.sheet.of}` : `${next.place + 1} of ${next.total}`;
  at("count").textContent = next.image ? place + skipped : `${next.labeled} of ${next.total} labeled`;
  at("bar").max = next.total || 1;
  at("bar").value = next.place;
  at("undo").disabled = !next.can_undo;
  at("skip").disabled = at("new").disabled = !next.image;
  at("apart").hidden = !next.sheet;
  at("none").hidden = Boolean(next.sheet);
  at("none").disabled = !next.image;
  closeAside();
  at("question").textContent = next.sheet ? "Take out what does not belong, then name the rest" : "Which class?";
  document.title = next.image ? `${next.place + 1}/${next.total} · ssgan label` : "done · ssgan label";
  if (!old || old.classes.length !== next.classes.length) buttons(next.classes);
  closeNaming(!next.classes.length && Boolean(next.image)); // the first class has no button yet
  for (const button of at("classes").children) button.disabled = !next.image;
  at("stage").hidden = !next.image || Boolean(next.sheet);
  at("sheet").hidden = !next.sheet;
  at("end").hidden = Boolean(next.image);
  if (next.sheet) tiles(next);
  else leave();
  if (next.image && !next.sheet) picture(next);
  else blank();
  if (!next.image) end(next);
}

async function picture(next) {
  const image = at("image");
  if (image.dataset.id === next.image) return;
  shown = false;
  image.dataset.id = next.image;
  image.classList.add("waiting");
  image.alt = `Image ${next.place + 1} of ${next.total}`;
  remark("");
  forget([`image/${next.image}`, ...coming(next)]);
  try {
    const { url, note } = await fetched(`image/${next.image}`);
    if (image.dataset.id !== next.image) return; // somebody was faster than the network
    image.src = url;
    remark(note);
  } catch {
    unseen();
  }
}

// Every image is asked for once: the one that is due, then, as soon as it is on the screen, those that follow.
function fetched(path) {
  if (!asked.has(path)) asked.set(path, bytes(path));
  return asked.get(path);
}

async function bytes(path) {
  try {
    const response = await fetch(path);
    if (!response.ok) throw new Error(response.statusText);
    const note = JSON.parse(response.headers.get("Ssgan-Note") ?? '""'); // why it is not the original
    return { url: URL.createObjectURL(await response.blob()), note };
  } catch (error) {
    asked.delete(path); // the next time it is asked for anew
    throw error;
  }
}

function coming(next) {
  return [...next.following.map((id) => `image/${id}`), ...next.next_sheet.map((id) => `small/${id}`)];
}

async function ahead() {
  for (const path of coming(state)) await fetched(path).catch(() => {}); // it is said when its turn comes
}

function forget(kept) {
  for (const [path, promise] of asked) {
    if (kept.includes(path)) continue;
    asked.delete(path);
    promise.then(({ url }) => URL.revokeObjectURL(url), () => {});
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
  const aside = next.aside ? `, ${next.aside} set aside without a class` : "";
  const skipped = aside + (next.skipped ? `, ${next.skipped} skipped: these come again next time` : "");
  at("end-words").textContent = `${next.labeled} of ${next.total} labeled${skipped}.`;
  forget([]);
  at("end-title").focus();
}

function blank() {
  at("image").removeAttribute("src");
  delete at("image").dataset.id;
}

function buttons(classes) {
  at("classes").replaceChildren();
  for (const { name, key } of classes) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(document.createElement("span"), { textContent: name }));
    if (key && key !== name.toLowerCase()) button.append(Object.assign(document.createElement("kbd"), { textContent: key }));
    if (key) button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => act("label", name));
    at("classes").append(button);
  }
  const longest = Math.max(0, ...classes.map(({ name }) => name.length));
  at("classes").style.setProperty("--widest", `${Math.min(16, 3.1 + 0.6 * longest)}rem`);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state || event.target.tagName === "INPUT") return;
  const key = event.key.toLowerCase();
  const place = state.classes.findIndex((one) => one.key === key);
  const button = place >= 0 ? at("classes").children[place] : tool(key);
  if (!button || button.hidden) return;
  event.preventDefault();
  button.classList.add("hit");
  setTimeout(() => button.classList.remove("hit"), 150);
  button.click();
}

function tool(key) {
  return { u: at("undo"), backspace: at("undo"), s: at("skip"), "-": at("apart"), "+": at("new"), ".": at("none") }[key];
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
at("apart").addEventListener("click", () => act("apart"));
at("none").addEventListener("click", () => {
  at("aside").hidden = false;
  at("why").focus();
});
at("why").addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeAside();
});
at("aside").addEventListener("submit", (event) => {
  event.preventDefault();
  act("aside", `${event.submitter.value}:${at("why").value}`);
});
document.addEventListener("keydown", onKey);
document.addEventListener("DOMContentLoaded", () => {
  ask("state").then(({ answer }) => show(answer)).catch(() => complain("ssgan label does not answer. Start it again."));
});
