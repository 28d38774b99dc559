// The frame of the page: documents, filters, progress, and which document is open. Text of documents enters the page as
// text nodes only.
"use strict";

const $ = (id) => document.getElementById(id);
const session = new Session(JSON.parse($("data").textContent));
const { data, reviews } = session;
const view = new TextView($("text"));
let current = -1; // the open document
let picked = -1; // the selected entity in it
let linked = -1; // the selected relation in it; then no entity is selected
let shown = []; // documents that pass the filters
let filter = {};

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
  $("status").textContent = session.trouble || message;
  $("status").classList.toggle("bad", Boolean(session.trouble));
}

function chip(label) {
  return make("span", { className: `chip s${data.slots[label] ?? 0}` }, visible(label));
}

// -- documents ---------------------------------------------------------------------------------------------------------

function drawDocuments() {
  const rows = reviews.map((review, number) => {
    const row = make("li", { id: `d${number}`, role: "option", "aria-selected": "false" });
    row.append(
      make("span", { className: "sign" }),
      make("bdi", {}, visible(review.id)),
      make("span", { className: "mark" }),
    );
    return row;
  });
  $("documents").replaceChildren(...rows);
  reviews.forEach((_, number) => drawDocument(number));
}

function drawDocument(number) {
  const review = reviews[number];
  const row = $(`d${number}`);
  const { outcome } = review.source;
  const state = review.reviewed ? "done" : review.touched ? "begun" : "";
  row.className = state;
  row.lastChild.textContent = [state, outcome === "labeled" ? "" : outcome]
    .filter(Boolean)
    .join(", ")
    .replace("_", " ");
  row.lastChild.classList.toggle("bad", Boolean(outcome) && outcome !== "labeled" && !review.reviewed);
}

function drawProgress() {
  const done = reviews.filter((review) => review.reviewed).length;
  $("bar").max = Math.max(reviews.length, 1);
  $("bar").value = done;
  $("count").textContent = `${done} of ${reviews.length} reviewed`;
  $("shown").textContent = shown.length === reviews.length ? reviews.length : `${shown.length} of ${reviews.length}`;
}

function matches(entity) {
  return (
    (!filter.label || entity.label === filter.label) &&
    (!filter.match || entity.match === filter.match) &&
    (filter.confidence === null || isDoubtful(entity.confidence)) &&
    (!filter.differs || (entity.method === "votes" && entity.confidence < 1))
  );
}

function isDoubtful(confidence) {
  return confidence !== null && confidence <= filter.confidence;
}

/** Whether something other than an entity has what the filters ask of labels: a lost mention, a class, a relation. */
function matchesOtherwise(source) {
  if (filter.differs) return !filter.label && !filter.match && filter.confidence === null && source.disputed;
  if (filter.confidence !== null) {
    const scores = [
      ...source.relations.map((relation) => relation[3]),
      ...Object.values(source.scores).flatMap(Object.values),
    ];
    return !filter.label && !filter.match && scores.some(isDoubtful);
  }
  return source.ledger.some(
    (mention) =>
      (!filter.match || mention.status === filter.match) && (!filter.label || mention.label === filter.label),
  );
}

function passes({ source, reviewed }) {
  const wantsLabel = filter.label || filter.match || filter.confidence !== null || filter.differs;
  if (wantsLabel && !source.entities.some(matches) && !matchesOtherwise(source)) return false;
  if (filter.outcome && source.outcome !== filter.outcome) return false;
  if (filter.done && reviewed !== (filter.done === "done")) return false;
  if (filter.suspicious && !source.suspicious) return false;
  return !filter.text || `${source.id}\n${source.text}`.toLowerCase().includes(filter.text);
}

function readFilters() {
  const confidence = $("f-confidence").value;
  filter = {
    text: $("f-text").value.toLowerCase(),
    label: $("f-label").value,
    match: $("f-match").value,
    outcome: $("f-outcome").value,
    done: $("f-done").value,
    differs: $("f-differs").checked,
    suspicious: $("f-suspicious").checked,
    confidence: confidence === "" ? null : Number(confidence),
  };
  const active = Object.entries(filter).filter(([name, value]) => name !== "text" && value !== null && value).length;
  $("f-active").textContent = active ? `, ${active} set` : "";
}

function applyFilters() {
  readFilters();
  shown = [];
  reviews.forEach((review, number) => {
    const pass = passes(review);
    $(`d${number}`).hidden = !pass;
    if (pass) shown.push(number);
  });
  $("none").hidden = shown.length > 0;
  if (!reviews.length) $("none").textContent = "There is nothing to review.";
  if (shown.length && !shown.includes(current)) openDocument(shown[0]);
  drawProgress();
}

function openDocument(number, picks = -1) {
  if (current >= 0) $(`d${current}`).setAttribute("aria-selected", "false");
  current = number;
  linking = null;
  const review = reviews[number];
  review.open();
  $(`d${number}`).setAttribute("aria-selected", "true");
  reveal($("documents"), $(`d${number}`));
  $("documents").setAttribute("aria-activedescendant", `d${number}`);
  $("name").textContent = visible(review.id);
  drawFacts(review.source);
  $("text").lang = review.source.language || "";
  view.show(review.text, review.items);
  drawClasses();
  drawTexts();
  drawLedger();
  linked = -1;
  const wanted = picks >= 0 ? picks : Math.max(review.items.findIndex(matches), 0);
  picked = Math.min(wanted, review.items.length - 1);
  drawEntities();
}

function drawFacts({ outcome, model, error, suspicious, language }) {
  const usual = outcome === "labeled";
  const facts = [
    outcome && make("span", { className: usual ? "fact" : "fact warn" }, outcome.replace("_", " ")),
    error && make("span", { className: "fact warn" }, visible(error)),
    suspicious && make("span", { className: "fact warn" }, "suspicious: see the text"),
    model && make("span", { className: "fact" }, visible(model)),
    language && make("span", { className: "fact" }, visible(language)),
  ];
  $("facts").replaceChildren(...facts.filter(Boolean));
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
