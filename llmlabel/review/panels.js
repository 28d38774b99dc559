// What is shown of the open document: entities, marks, classes, free texts, and what was not placed.
"use strict";

const ROWS = 200; // entities listed at once
const SIGNS = { open: "○", accepted: "✓", rejected: "✗", added: "+" };

/** Some words of the text for a list; a long entity is told by its beginning. */
function words(item) {
  const text = reviews[current].text.slice(item.start, Math.min(item.end, item.start + 200));
  return visible(item.end > item.start + 200 ? `${text}…` : text);
}

function theItem() {
  return reviews[current]?.items?.[picked];
}

/** Draws the rows around the selected entity: a list of thousands would make every key slow. */
function drawRows() {
  const first = Math.max(0, picked - ROWS / 2);
  const items = reviews[current].items.slice(first, first + ROWS);
  $("entities").replaceChildren(...items.map((_, number) => entityRow(first + number)));
}

function drawEntities() {
  const { items } = reviews[current];
  $("n-entities").textContent = items.length || "";
  $("entities").hidden = items.length === 0;
  $("no-entities").hidden = items.length > 0;
  drawRows();
  drawMarks();
  drawRelations();
  pick(picked, false);
}

function entityRow(number) {
  const item = reviews[current].items[number];
  const confidence = item.confidence === null ? "" : `${item.confidence.toFixed(2)} ${item.method || ""}`.trim();
  const changed = reviews[current].changed(item) ? "changed" : "";
  const attributes = Object.entries(item.attributes)
    .filter(([, labels]) => labels.length)
    .map(([name, labels]) => `${name}: ${labels.join(", ")}`);
  const notes = [changed, item.match === "exact" ? "" : item.match, confidence, ...attributes];
  const row = optionRow(`e${number}`, item, number, reviews[current].items.length);
  row.append(
    make("span", { className: "what" }, chip(item.label), " ", make("bdi", {}, words(item))),
    ...noteOf(item, notes),
  );
  if (item.reason) row.append(make("q", { className: "note", dir: "auto" }, visible(item.reason)));
  return row;
}

/** An empty row of a list of decisions: its sign, and its state in words for who does not see the sign. */
function optionRow(id, thing, number, count) {
  const row = make("li", { id, role: "option", className: thing.state, "aria-selected": "false" });
  row.ariaSetSize = count;
  row.ariaPosInSet = number + 1;
  row.append(make("span", { className: "sign", title: thing.state, "aria-hidden": "true" }, SIGNS[thing.state]));
  return row;
}

function noteOf(thing, notes) {
  const told = [thing.state === "open" ? "" : thing.state, ...notes].filter(Boolean);
  return told.length ? [make("span", { className: "note" }, told.map(visible).join(" · "))] : [];
}

function drawMarks() {
  const spans = reviews[current].items.map((item) => ({
    start: item.start,
    end: item.end,
    slot: data.slots[item.label] ?? 0,
    dashed: item.match !== "exact" && item.match !== "human",
    rejected: item.state === "rejected",
  }));
  view.mark(spans, pickedSpans());
}

/** What is selected, for the text: an entity, or both ends of a relation. */
function pickedSpans() {
  const link = reviews[current].links[linked];
  const item = theItem();
  const items = link ? [link.head, link.tail] : [linking, item].filter(Boolean);
  return [...new Set(items)].map(({ start, end, label }) => ({ start, end, slot: data.slots[label] ?? 0 }));
}

function pick(number, scroll = true) {
  $(`e${picked}`)?.setAttribute("aria-selected", "false");
  picked = number;
  if (picked >= 0) pickLink(-1);
  const item = theItem();
  if (item && !$(`e${picked}`)) drawRows();
  select($("entities"), $(`e${picked}`));
  showPicked(item, scroll);
}

function select(list, row) {
  if (!row) {
    list.removeAttribute("aria-activedescendant");
    return;
  }
  row.setAttribute("aria-selected", "true");
  reveal($("panels"), row);
  list.setAttribute("aria-activedescendant", row.id);
}

/** Scrolls a box, and nothing around it, so that one of its rows is seen. */
function reveal(box, row) {
  if (box.scrollHeight <= box.clientHeight) return;
  const [inner, outer] = [row.getBoundingClientRect(), box.getBoundingClientRect()];
  if (inner.top < outer.top) box.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) box.scrollTop += inner.bottom - outer.bottom;
}

function showPicked(item, scroll) {
  if (view.native) view.pick(pickedSpans());
  else drawMarks();
  drawTools();
  drawAttributes();
  if (!item || !scroll) return;
  const range = view.range(item.start, item.end);
  const [box, frame] = [range.getBoundingClientRect(), $("text").parentElement.getBoundingClientRect()];
  const [top, bottom] = [Math.max(frame.top, 0), Math.min(frame.bottom, innerHeight)];
  if (box.top < top || box.bottom > bottom)
    (range.startContainer.parentElement || $("text")).scrollIntoView({ block: "center" });
  const after = range.getBoundingClientRect(); // one paragraph may be higher than the window
  if (after.top < top) scrollText(after.top - top - 80);
  else if (after.bottom > bottom) scrollText(after.bottom - bottom + 80);
}

function scrollText(by) {
  const section = $("text").parentElement;
  if (section.scrollHeight > section.clientHeight) section.scrollTop += by;
  else scrollBy(0, by);
}

/** The labels that a click or a number gives: to selected words or the entity, or to the relation. */
function drawTools() {
  const names = toolNames();
  const title = linking ? `Relate “${words(linking)}” to another entity, as` : linked >= 0 ? "Relation" : "Label";
  const now = `${title}\n${names.join("\n")}\n${linked < 0}`;
  if (drawTools.last === now) return;
  drawTools.last = now;
  $("tools-name").textContent = title;
  $("labels").replaceChildren(
    ...names.map((name, number) => {
      const slot = linked >= 0 || linking ? "link" : `s${data.slots[name] ?? 0}`;
      const button = make(
        "button",
        { type: "button", className: `label ${slot}`, onclick: () => label(number) },
        visible(name),
      );
      if (number < 9) button.append(" ", make("kbd", { "aria-hidden": "true" }, String(number + 1)));
      button.onmousedown = (event) => event.preventDefault(); // keeps the selection of words
      return button;
    }),
  );
  if (linking) $("labels").append(make("button", { type: "button", onclick: stopLinking }, "Cancel"));
}

// -- the whole document ------------------------------------------------------------------------------------------------

/** The questions that the chosen classes lead to; those of other answers are not asked. */
function asked(review) {
  return data.classifications.filter(
    ({ under }) => !under.length || under.some(([name, label]) => (review.classes[name] || []).includes(label)),
  );
}

function drawClasses() {
  const { source, classes } = reviews[current];
  $("classes").replaceChildren(
    ...asked(reviews[current]).map((question) =>
      questionField(question, "", classes, choose, source.scores[question.name], source.reasons[question.name]),
    ),
  );
}

/** The questions about the selected entity; drawn anew only for another one, so that the focus stays. */
function drawAttributes() {
  const item = theItem();
  const questions = item ? data.attributes[item.label] || [] : [];
  const now = JSON.stringify([current, questions.length && [picked, item.label, item.attributes]]);
  if (drawAttributes.last === now) return;
  drawAttributes.last = now;
  const focused = document.activeElement.closest("#attributes") && document.activeElement.dataset.answer;
  $("attributes").replaceChildren(
    ...questions.map((question) => questionField(question, words(item), item.attributes, chooseAttribute)),
  );
  if (focused)
    [...$("attributes").querySelectorAll("input")].find((input) => input.dataset.answer === focused)?.focus();
}

function questionField({ name, labels, multi }, about, answers, answer, scores = {}, reasons = {}) {
  const isChosen = (label) => (answers[name] || []).includes(label);
  const choices = labels.map((label) => {
    const input = make("input", {
      type: multi ? "checkbox" : "radio",
      name: `${about ? "attribute" : "class"} ${name}`,
      checked: isChosen(label),
    });
    input.dataset.answer = `${name} ${label}`;
    input.onchange = () => answer(name, label, multi, input);
    input.onclick = () => {
      // a chosen answer is taken back by choosing it once more
      if (multi || !isChosen(label)) return;
      input.checked = false;
      answer(name, label, multi, input);
    };
    const score = label in scores ? make("span", { className: "note" }, scores[label].toFixed(2)) : "";
    const why = label in reasons ? make("q", { className: "note", dir: "auto" }, visible(reasons[label])) : "";
    return make("label", { className: "choice" }, input, make("span", {}, visible(label)), score, why);
  });
  const title = about ? [make("bdi", {}, about), `: ${visible(name)}`] : [visible(name)];
  return make("fieldset", {}, make("legend", {}, ...title), ...choices);
}

function drawTexts() {
  const review = reviews[current];
  const names = new Set([...data.texts, ...Object.keys(review.source.texts)]);
  $("texts").replaceChildren(
    ...[...names].map((name) => {
      const field = make("textarea", { rows: 2, dir: "auto", value: review.texts[name] || "" });
      field.onchange = () => write(name, field.value);
      return make("label", {}, make("span", {}, visible(name)), field);
    }),
  );
}

/** Places a mention with one click; if its label is not in the schema, as the label chosen beside "Label the words". */
function placeButton(mention, number) {
  const button = make("button", { type: "button", onclick: () => place(number) }, "Place");
  if (!data.labels.includes(mention.label)) button.append(` as ${visible($("f-as").value)}`);
  button.ariaLabel = `${button.textContent}: ${visible(mention.text)}`;
  return button;
}

function drawLedger() {
  const { source, placed } = reviews[current];
  const mentions = source.ledger.map((mention, number) => {
    const what = make("span", { className: "what" }, chip(mention.label), " ", make("bdi", {}, visible(mention.text)));
    const why = [mention.status.replace("_", " "), mention.reason && `“${visible(mention.reason)}”`].filter(Boolean);
    const row = make("li", {}, what, make("span", { className: "note" }, why.join(" · ")));
    if (placed.has(number)) row.append(make("span", { className: "mark" }, "✓ placed"));
    else row.append(placeButton(mention, number));
    return row;
  });
  const others = source.discarded.map(({ kind, value, reason }) =>
    make(
      "li",
      {},
      make("span", { className: "what" }, `${kind}: `, make("bdi", {}, visible(value))),
      make("span", { className: "note" }, visible(reason)),
    ),
  );
  const count = mentions.length + others.length;
  $("ledger").replaceChildren(...mentions, ...others);
  $("ledger").hidden = count === 0;
  $("n-ledger").textContent = count || "";
  $("no-ledger").hidden = count > 0;
  const silent = source.outcome !== null && source.outcome !== "labeled";
  $("no-ledger").textContent = silent
    ? `There is no answer to show: ${source.outcome.replace("_", " ")}.`
    : source.outcome === null
      ? "No model’s answer comes with this document."
      : "Everything that the model said stands in the text.";
}
