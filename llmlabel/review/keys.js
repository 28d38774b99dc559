// Keys, clicks and buttons, and the start of the page.
"use strict";

const DO = {
  accept: () => setState("accepted"),
  reject: () => setState("rejected"),
  relate,
  startBack: () => move("start", -1),
  startOn: () => move("start", 1),
  endBack: () => move("end", -1),
  endOn: () => move("end", 1),
  finish,
};

const KEYS = {
  n: () => step(1),
  p: () => step(-1),
  j: () => stepEntity(1),
  k: () => stepEntity(-1),
  ".": () => stepLink(1),
  ",": () => stepLink(-1),
  l: relate,
  x: turn,
  m: () => $("ledger").querySelector("button")?.focus(),
  a: DO.accept,
  r: DO.reject,
  u: undo,
  s: save,
  f: () => $("f-words").focus(),
  "?": () => $("keys").showModal(),
  "[": (unit) => move("start", -1, unit),
  "]": (unit) => move("start", 1, unit),
  "{": (unit) => move("end", -1, unit),
  "}": (unit) => move("end", 1, unit),
};

function stepEntity(direction) {
  const next = picked < 0 ? 0 : picked + direction;
  if (next < 0 || next >= reviews[current].items.length) return;
  pick(next);
  const { label: name, state } = theItem();
  say(`${visible(name)}: ${words(theItem())}${state === "open" ? "" : `, ${state}`}`);
}

/** What the arrow keys do: up and down in the list that has the focus, borders with Alt or Shift. */
function arrow(event) {
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (direction && event.altKey) return () => move("start", direction);
  if (direction && event.shiftKey && event.target.id !== "text") return () => move("end", direction);
  const rows = { ArrowDown: ["n", "j", "."], ArrowUp: ["p", "k", ","] }[event.key];
  const list = ["documents", "entities", "relations"].indexOf(event.target.id);
  return rows && list >= 0 ? KEYS[rows[list]] : undefined;
}

function onKey(event) {
  const typing = event.target.matches("input:not([type=checkbox], [type=radio]), select, textarea") || $("keys").open;
  if (typing || (event.ctrlKey && event.key !== "z") || event.metaKey || current < 0) return;
  let action = arrow(event) || KEYS[event.key.length === 1 ? event.key : ""];
  if (event.ctrlKey) action = undo;
  else if (/^[1-9]$/.test(event.key)) action = () => label(Number(event.key) - 1);
  else if (event.key === "Escape" && linking) action = stopLinking;
  else if (event.key === "Enter" && linking) action = relate;
  else if (event.key === "Enter" && !event.target.matches("button, input, a, summary")) action = finish;
  if (!action) return;
  event.preventDefault();
  action(event.altKey ? "word" : "grapheme");
}

/** A click in the text selects the innermost entity there. */
function onTextClick(event) {
  if (view.selection()) return;
  const at = view.under(event.clientX, event.clientY);
  const { items } = reviews[current];
  const over = items
    .filter((item) => item.start <= at && at < item.end)
    .sort((a, b) => a.end - a.start - (b.end - b.start));
  if (over.length) choosePlace(items.indexOf(over[0]), over);
}

/** An entity was clicked: it is selected, or it is the other end of the relation that was begun. */
function choosePlace(number, over) {
  const item = reviews[current].items[number];
  if (linking && item !== linking) {
    link(item);
    return;
  }
  pick(number, false);
  if (over) say(over.map((one) => `${visible(one.label)} (${one.match})`).join(", inside "));
}

function rowNumber(event) {
  const row = event.target.closest("li");
  return row ? Number(row.id.slice(1)) : -1;
}

function showList(on) {
  $("documents").hidden = !on;
  $("toggle").ariaExpanded = String(on);
}

function fill(id, values) {
  $(id).append(...[...values].sort().map((value) => make("option", { value }, visible(value))));
}

function start() {
  fill("f-label", data.labels);
  $("f-as").append(...data.labels.map((value) => make("option", { value }, visible(value))));
  fill(
    "f-match",
    new Set(data.documents.flatMap((d) => [...d.entities.map((e) => e.match), ...d.ledger.map((m) => m.status)])),
  );
  fill("f-outcome", new Set(data.documents.map((d) => d.outcome).filter(Boolean)));
  if (!data.labels.length) $("find").hidden = true;
  if (!reviews.length) document.querySelector("section").hidden = document.querySelector("aside").hidden = true;
  $("filters").addEventListener("input", applyFilters);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    addWords();
  });
  $("documents").addEventListener("click", (event) => rowNumber(event) >= 0 && openDocument(rowNumber(event)));
  $("entities").addEventListener("click", (event) => rowNumber(event) >= 0 && choosePlace(rowNumber(event)));
  $("relations").addEventListener("click", (event) => rowNumber(event) >= 0 && pickLink(rowNumber(event)));
  $("f-as").onchange = drawLedger;
  $("previous").onclick = KEYS.p;
  $("next").onclick = KEYS.n;
  $("clear").onclick = () => {
    $("filters").reset();
    applyFilters();
  };
  $("toggle").onclick = () => showList($("documents").hidden);
  $("more").open = matchMedia("(min-width: 901px)").matches;
  showList($("more").open);
  $("text").addEventListener("click", onTextClick);
  for (const button of document.querySelectorAll("[data-do]")) button.onclick = DO[button.dataset.do];
  $("undo").onclick = undo;
  $("save").onclick = save;
  $("help").onclick = KEYS["?"];
  $("load").onchange = (event) => event.target.files.length && load(event.target.files[0]);
  document.addEventListener("keydown", onKey);
  addEventListener("pagehide", () => session.store(true));
  addEventListener("beforeunload", (event) => {
    if (!session.saved) event.preventDefault();
  });
  session.onSent = () => {
    if (session.trouble || $("status").classList.contains("bad")) say("Saved again.");
  };
  const resumed = session.resume();
  drawDocuments();
  applyFilters();
  if (resumed) say(`${resumed} decisions of an earlier visit were taken up.`);
}

start();
