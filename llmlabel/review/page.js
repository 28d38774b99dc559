// What the reader sees and the keys that work. Text of documents enters the page as text nodes only.
"use strict";

const $ = (id) => document.getElementById(id);
const session = new Session(JSON.parse($("data").textContent));
const { data, reviews } = session;
const view = new TextView($("text"));
let current = -1; // the open document
let picked = -1; // the selected entity in it
let shown = []; // documents that pass the filters
const ROWS = 200; // entities listed at once

/** An element with properties, attributes (starting with a dash or "role") and children; strings become text nodes. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function say(message) {
  $("status").textContent = message;
}

function chip(label) {
  const element = make("span", { className: "chip" }, visible(label));
  const slot = data.slots[label] ?? 0;
  element.style.background = `var(--t${slot})`;
  element.style.borderColor = `var(--k${slot})`;
  return element;
}

// -- documents ---------------------------------------------------------------------------------------------------------

function drawDocuments() {
  const rows = reviews.map((review, number) => {
    const row = make("li", { id: `d${number}`, role: "option", "aria-selected": "false" });
    row.append(make("bdi", {}, visible(review.id)), make("span", { className: "mark" }));
    return row;
  });
  $("documents").replaceChildren(...rows);
  reviews.forEach((_, number) => drawDocument(number));
}

function drawDocument(number) {
  const review = reviews[number];
  const row = $(`d${number}`);
  const usual = review.source.outcome === "labeled" || review.source.outcome === null;
  row.classList.toggle("done", review.reviewed);
  const marks = [review.reviewed ? "✓ done" : review.touched ? "begun" : "", usual ? "" : review.source.outcome];
  row.lastChild.textContent = marks.filter(Boolean).join(", ");
  row.lastChild.classList.toggle("bad", !usual && !review.reviewed);
}

function drawProgress() {
  const done = reviews.filter((review) => review.reviewed).length;
  $("bar").max = Math.max(reviews.length, 1);
  $("bar").value = done;
  $("count").textContent = `${done} of ${reviews.length} reviewed, ${shown.length} shown`;
}

function passes(review, filter) {
  const { source } = review;
  const entities = source.entities.filter((entity) =>
    (!filter.label || entity.label === filter.label) && (!filter.match || entity.match === filter.match) &&
    (filter.confidence === null || (entity.confidence !== null && entity.confidence <= filter.confidence)) &&
    (!filter.differs || (entity.method === "votes" && entity.confidence < 1)));
  const lost = source.ledger.some((mention) =>
    mention.status === filter.match && (!filter.label || mention.label === filter.label));
  const wantsEntity = filter.label || filter.match || filter.confidence !== null || filter.differs;
  if (wantsEntity && !entities.length && !lost) return false;
  if (filter.outcome && source.outcome !== filter.outcome) return false;
  if (filter.done && review.reviewed !== (filter.done === "done")) return false;
  if (filter.suspicious && !source.suspicious) return false;
  return !filter.text || `${source.id}\n${source.text}`.toLowerCase().includes(filter.text);
}

function applyFilters() {
  const confidence = $("f-confidence").value;
  const filter = {
    text: $("f-text").value.toLowerCase(), label: $("f-label").value, match: $("f-match").value,
    outcome: $("f-outcome").value, done: $("f-done").value, differs: $("f-differs").checked,
    suspicious: $("f-suspicious").checked, confidence: confidence === "" ? null : Number(confidence),
  };
  shown = [];
  reviews.forEach((review, number) => {
    const pass = passes(review, filter);
    $(`d${number}`).hidden = !pass;
    if (pass) shown.push(number);
  });
  $("none").hidden = shown.length > 0;
  if (shown.length && !shown.includes(current)) openDocument(shown[0]);
  drawProgress();
}

function openDocument(number, picks = 0) {
  if (current >= 0) $(`d${current}`).setAttribute("aria-selected", "false");
  current = number;
  const review = reviews[number];
  review.open();
  $(`d${number}`).setAttribute("aria-selected", "true");
  $(`d${number}`).scrollIntoView({ block: "nearest" });
  $("documents").setAttribute("aria-activedescendant", `d${number}`);
  $("name").textContent = visible(review.id);
  const { source } = review;
  const facts = [source.outcome, source.model, source.error, source.suspicious && "suspicious: see the text", source.language];
  $("facts").replaceChildren(make("span", { className: "note" }, facts.filter(Boolean).map(visible).join(" · ")));
  $("text").lang = source.language || "";
  view.show(review.text);
  drawClasses();
  $("texts").replaceChildren(...Object.entries(source.texts).map(([name, text]) =>
    make("p", {}, make("b", {}, `${visible(name)}: `), make("bdi", {}, visible(text)))));
  drawLedger();
  picked = review.items.length ? Math.min(picks, review.items.length - 1) : -1;
  drawEntities();
}

function step(direction) {
  const at = shown.indexOf(current);
  const next = shown[at + direction];
  if (next === undefined) say(direction > 0 ? "This is the last document." : "This is the first document.");
  else {
    openDocument(next);
    say(`Document ${at + direction + 1} of ${shown.length}: ${visible(reviews[next].id)}`);
  }
}

// -- one document ------------------------------------------------------------------------------------------------------

/** Draws the rows around the selected entity: a list of thousands would make every key slow. */
function drawRows() {
  const first = Math.max(0, picked - ROWS / 2);
  const items = reviews[current].items.slice(first, first + ROWS);
  $("entities").replaceChildren(...items.map((_, number) => entityRow(first + number)));
}

function drawEntities() {
  drawRows();
  drawMarks();
  drawRelations();
  pick(picked, false);
}

function entityRow(number) {
  const item = reviews[current].items[number];
  const sign = { open: "", accepted: "✓ ", rejected: "✗ ", added: "+ " }[item.state];
  const changed = reviews[current].changed(item) ? "changed" : "";
  const confidence = item.confidence === null ? "" : `${item.confidence.toFixed(2)} ${item.method || ""}`.trim();
  const notes = [changed, item.match === "exact" ? "" : item.match, confidence, ...item.attributes || []];
  const row = make("li", { id: `e${number}`, role: "option", className: item.state, "aria-selected": "false" });
  row.ariaSetSize = reviews[current].items.length;
  row.ariaPosInSet = number + 1;
  row.append(make("span", { className: "mark" }, sign), chip(item.label), " ");
  row.append(make("bdi", {}, visible(reviews[current].text.slice(item.start, Math.min(item.end, item.start + 200)))));
  row.append(make("span", { className: "note" }, ` ${notes.filter(Boolean).map(visible).join(" · ")}`));
  if (item.reason) row.append(make("div", { className: "note", dir: "auto" }, visible(item.reason)));
  if (item.state !== "open") row.append(make("span", { className: "note" }, ` (${item.state})`));
  return row;
}

function drawMarks() {
  const spans = reviews[current].items.map((item) => ({
    start: item.start, end: item.end, slot: data.slots[item.label] ?? 0,
    dashed: item.match !== "exact", rejected: item.state === "rejected",
  }));
  view.mark(spans, reviews[current].items[picked]);
}

function drawRelations() {
  const { items, source } = reviews[current];
  const byOrigin = new Map(items.filter((item) => item.origin).map((item) => [String(item.origin), item]));
  const name = (number) => {
    const { start, end, label } = source.entities[number];
    const item = byOrigin.get(String([start, end, label]));
    return item.state === "rejected" ? null : visible(reviews[current].text.slice(item.start, item.end));
  };
  const lines = source.relations.map(([head, tail, label]) => {
    const [from, to] = [name(head), name(tail)];
    const gone = from === null || to === null;
    return make("li", { className: "note" }, ...gone ? [`${visible(label)}: an end was rejected`]
      : [make("bdi", {}, from), ` — ${visible(label)} → `, make("bdi", {}, to)]);
  });
  $("relations").replaceChildren(...lines.length ? [make("h3", {}, "Relations"), make("ul", {}, ...lines)] : []);
}

function pick(number, scroll = true) {
  $(`e${picked}`)?.setAttribute("aria-selected", "false");
  picked = number;
  const item = reviews[current].items[picked];
  if (item && !$(`e${picked}`)) drawRows();
  const row = $(`e${picked}`);
  if (row) {
    row.setAttribute("aria-selected", "true");
    row.scrollIntoView({ block: "nearest" });
    $("entities").setAttribute("aria-activedescendant", row.id);
  } else $("entities").removeAttribute("aria-activedescendant");
  if (!view.native) drawMarks();
  view.pick(item);
  if (item && scroll) {
    const box = view.range(item.start, item.end).getBoundingClientRect();
    if (box.top < 0 || box.bottom > innerHeight) {
      const { startContainer } = view.range(item.start, item.end);
      (startContainer.parentElement || $("text")).scrollIntoView({ block: "center" });
    }
  }
}

function drawClasses() {
  const review = reviews[current];
  $("classes").replaceChildren(...data.classifications.map(({ name, labels, multi }) => {
    const chosen = review.classes[name] || [];
    const choices = labels.map((label) => make("label", {}, make("input", {
      type: multi ? "checkbox" : "radio", name: `class ${name}`, checked: chosen.includes(label),
      onchange: (event) => choose(name, label, multi, event.target.checked),
    }), ` ${visible(label)}`));
    return make("fieldset", {}, make("legend", {}, visible(name)), ...choices);
  }));
}

function choose(name, label, multi, on) {
  decide((review) => {
    const others = multi ? (review.classes[name] || []).filter((one) => one !== label) : [];
    review.classes[name] = on ? [...others, label] : others;
  }, `${name}: ${label}`);
}

function drawLedger() {
  const { source, placed } = reviews[current];
  const mentions = source.ledger.map((mention, number) => {
    const row = make("li", {}, chip(mention.label), " ", make("bdi", {}, visible(mention.text)), " ");
    row.append(make("span", { className: "note" }, `${mention.status.replace("_", " ")} `));
    if (placed.has(number)) row.append(make("span", { className: "note" }, "placed"));
    else row.append(make("button", { type: "button", onclick: () => place(number) }, "Place"));
    return row;
  });
  const others = source.discarded.map(({ kind, value, reason }) =>
    make("li", {}, `${kind}: `, make("bdi", {}, visible(value)), make("span", { className: "note" }, ` ${visible(reason)}`)));
  const silent = source.outcome !== null && source.outcome !== "labeled" && !mentions.length && !others.length;
  if (silent) others.push(make("li", { className: "note" }, `there is no answer to show: ${source.outcome}`));
  $("ledger").replaceChildren(...mentions, ...others);
}
