// What the reader does: decisions, keys, buttons, files.
"use strict";

/** Makes a change to the open document and redraws what may have changed. */
function decide(change, message) {
  const result = session.act(current, picked, change);
  if (result === false) return;
  if (typeof result === "number") picked = result;
  drawEntities();
  drawLedger();
  drawDocument(current);
  drawProgress();
  say(session.unkept ? `${message}. This browser keeps nothing: save before you leave.` : message);
}

/** Changes the selected entity; a decision about one entity redraws one row only. */
function decideItem(change, message) {
  const item = reviews[current].items[picked];
  if (!item) {
    say("There is no entity selected.");
    return;
  }
  const result = session.act(current, picked, () => change(item));
  if (result === false) return;
  $(`e${picked}`).replaceWith(entityRow(picked));
  drawMarks();
  drawRelations();
  pick(picked);
  drawDocument(current);
  drawProgress();
  say(message(item));
}

function setState(state) {
  decideItem((item) => { item.state = state === "accepted" && !item.origin ? "added" : state; },
    (item) => `${state}: ${visible(reviews[current].text.slice(item.start, item.end))}, ${item.label}`);
  if (picked >= 0 && picked < reviews[current].items.length - 1) pick(picked + 1);
}

function move(edge, direction, granularity = "grapheme") {
  decideItem((item) => {
    const next = nextBorder(reviews[current].text, item[edge], direction, granularity);
    const [start, end] = edge === "start" ? [next, item.end] : [item.start, next];
    if (next === item[edge] || start >= end) return false;
    Object.assign(item, { start, end, state: item.origin ? "accepted" : "added" });
    return true;
  }, (item) => `now: ${visible(reviews[current].text.slice(item.start, item.end))}`);
}

function label(number) {
  const name = data.labels[number];
  const selected = view.selection();
  if (name === undefined) return;
  if (selected) {
    getSelection().removeAllRanges();
    decide((review) => review.add(...selected, name), `added as ${name}`);
  } else decideItem((item) => {
    if (item.label === name) return false;
    Object.assign(item, { label: name, state: item.origin ? "accepted" : "added" });
    return true;
  }, (item) => `${visible(reviews[current].text.slice(item.start, item.end))} is now ${name}`);
}

/** The first place of some words that no entity with this label has; case is ignored if need be. */
function findFree(words, name) {
  const { text, items } = reviews[current];
  for (const fold of [(s) => s, (s) => s.toLowerCase()]) {
    const [haystack, needle] = [fold(text), fold(words)];
    if (!needle || haystack.length !== text.length) continue;
    for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) {
      const end = at + needle.length;
      if (!items.some((item) => item.start === at && item.end === end && item.label === name)) return [at, end];
    }
  }
  return null;
}

function place(number) {
  const mention = reviews[current].source.ledger[number];
  const known = data.labels.includes(mention.label);
  const name = known ? mention.label : $("f-as").value;
  const span = view.selection() || findFree(mention.text, name);
  if (!span) {
    say(`"${visible(mention.text)}" does not stand in the text: select the words that are meant, then press Place again.`);
    return;
  }
  getSelection().removeAllRanges();
  decide((review) => {
    review.placed.add(number);
    return review.add(...span, name);
  }, `placed as ${name}`);
}

function finish() {
  decide((review) => {
    review.done = true;
    for (const item of review.items) if (item.state === "open") item.state = "accepted";
  }, "reviewed");
  const at = shown.indexOf(current);
  const next = [...shown.slice(at + 1), ...shown.slice(0, at)].find((number) => !reviews[number].reviewed);
  if (next === undefined) say("All documents shown are reviewed: save the decisions.");
  else {
    openDocument(next);
    say(`reviewed. Next: ${visible(reviews[next].id)}`);
  }
}

function undo() {
  const last = session.undo();
  if (!last) {
    say("There is nothing to undo.");
    return;
  }
  drawDocument(last.number);
  if (last.number === current) {
    picked = Math.min(last.picked, reviews[current].items.length - 1);
    drawEntities();
    drawClasses();
    drawLedger();
  } else openDocument(last.number, Math.max(last.picked, 0));
  drawProgress();
  say("undone");
}

// -- wiring ------------------------------------------------------------------------------------------------------------

function save() {
  const file = session.file(data.reviewer);
  if (!file) {
    say("There are no decisions yet.");
    return;
  }
  const link = make("a", { href: URL.createObjectURL(new Blob([file], { type: "application/x-ndjson" })) });
  link.download = "decisions.jsonl";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  session.saved = true;
  say(`${file.split("\n").length - 1} decisions saved as decisions.jsonl`);
}

async function load(file) {
  const [taken, lost] = session.load(await file.text());
  session.history.length = 0;
  reviews.forEach((_, number) => drawDocument(number));
  openDocument(current);
  drawProgress();
  say(`${taken} decisions loaded${lost ? `, ${lost} lines fit no document of this page` : ""}`);
}

function addWords() {
  const span = findFree($("f-words").value, $("f-as").value);
  if (span) {
    const name = $("f-as").value;
    decide((review) => review.add(...span, name), `added as ${name}`);
  } else say("These words do not stand in the text once more.");
}

const DO = {
  accept: () => setState("accepted"),
  reject: () => setState("rejected"),
  startBack: () => move("start", -1),
  startOn: () => move("start", 1),
  endBack: () => move("end", -1),
  endOn: () => move("end", 1),
  finish,
};

const KEYS = {
  n: () => step(1),
  p: () => step(-1),
  j: () => picked + 1 < reviews[current].items.length && pick(picked + 1),
  k: () => picked > 0 && pick(picked - 1),
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

/** What the arrow keys do: up and down in the list that has the focus, borders with Alt or Shift. */
function arrow(event) {
  const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (direction && event.altKey) return () => move("start", direction);
  if (direction && event.shiftKey && event.target.id !== "text") return () => move("end", direction);
  const rows = { ArrowDown: ["n", "j"], ArrowUp: ["p", "k"] }[event.key];
  const list = ["documents", "entities"].indexOf(event.target.id);
  return rows && list >= 0 ? KEYS[rows[list]] : undefined;
}

function onKey(event) {
  const typing = event.target.matches("input:not([type=checkbox], [type=radio]), select") || $("keys").open;
  if (typing || event.ctrlKey && event.key !== "z" || event.metaKey || current < 0) return;
  let action = arrow(event) || KEYS[event.key.length === 1 ? event.key : ""];
  if (event.ctrlKey) action = undo;
  else if (/^[1-9]$/.test(event.key)) action = () => label(Number(event.key) - 1);
  else if (event.key === "Enter" && !event.target.matches("button, input, a")) action = finish;
  if (!action) return;
  event.preventDefault();
  action(event.altKey ? "word" : "grapheme");
}

/** A click in the text selects the innermost entity there. */
function onTextClick(event) {
  if (view.selection()) return;
  const at = view.under(event.clientX, event.clientY);
  const { items } = reviews[current];
  const over = items.filter((item) => item.start <= at && at < item.end).sort((a, b) => (a.end - a.start) - (b.end - b.start));
  if (over.length) {
    pick(items.indexOf(over[0]), false);
    say(over.map((item) => `${item.label} (${item.match})`).join(", inside "));
  }
}

function rowNumber(event) {
  const row = event.target.closest("li");
  return row ? Number(row.id.slice(1)) : -1;
}

function fill(id, values) {
  $(id).append(...[...values].sort().map((value) => make("option", { value }, visible(value))));
}

function start() {
  fill("f-label", data.labels);
  fill("f-as", data.labels);
  fill("f-match", new Set(data.documents.flatMap((d) => [...d.entities.map((e) => e.match), ...d.ledger.map((m) => m.status)])));
  fill("f-outcome", new Set(data.documents.map((d) => d.outcome).filter(Boolean)));
  $("tools").append(...data.labels.map((name, number) => {
    const button = make("button", { type: "button", onclick: () => label(number) }, chip(name));
    if (number < 9) button.append(` ${number + 1}`);
    button.onmousedown = (event) => event.preventDefault(); // keeps the selection of words
    return button;
  }));
  if (!data.labels.length) $("find").hidden = true;
  $("filters").addEventListener("input", applyFilters);
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("find").addEventListener("submit", (event) => {
    event.preventDefault();
    addWords();
  });
  $("documents").addEventListener("click", (event) => rowNumber(event) >= 0 && openDocument(rowNumber(event)));
  $("entities").addEventListener("click", (event) => rowNumber(event) >= 0 && pick(rowNumber(event)));
  $("text").addEventListener("click", onTextClick);
  for (const button of document.querySelectorAll("[data-do]")) button.onclick = DO[button.dataset.do];
  $("undo").onclick = undo;
  $("save").onclick = save;
  $("help").onclick = KEYS["?"];
  $("load").onchange = (event) => event.target.files.length && load(event.target.files[0]);
  document.addEventListener("keydown", onKey);
  addEventListener("pagehide", () => session.store());
  addEventListener("beforeunload", (event) => {
    if (!session.saved) event.preventDefault();
  });
  session.onSent = () => session.trouble && say(session.trouble);
  const resumed = session.resume();
  drawDocuments();
  applyFilters();
  if (resumed) say(`${resumed} decisions of an earlier visit were taken up.`);
}

start();
