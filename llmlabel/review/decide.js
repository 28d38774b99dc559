// What the reader decides, and the files that decisions are saved to and loaded from.
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

/** Changes the selected entity and selects another; a decision about one entity redraws one row only. */
function decideItem(change, message, next = picked) {
  const item = reviews[current].items[picked];
  if (!item) {
    say("There is no entity selected.");
    return;
  }
  if (session.act(current, picked, () => change(item)) === false) return;
  $(`e${picked}`).replaceWith(entityRow(picked));
  drawMarks();
  drawRelations();
  drawDocument(current);
  drawProgress();
  say(message(item));
  pick(next); // last: it asks the browser where things stand
}

function setState(state) {
  const change = (thing) => {
    thing.state = state === "accepted" && !thing.origin ? "added" : state;
  };
  if (linked >= 0) {
    decideLink(change, state);
    return;
  }
  const next = Math.min(picked + 1, reviews[current].items.length - 1);
  decideItem(change, (item) => `${state}: ${words(item)}, ${visible(item.label)}`, next);
}

function move(edge, direction, granularity = "grapheme") {
  decideItem(
    (item) => {
      const next = nextBorder(reviews[current].text, item[edge], direction, granularity);
      const [start, end] = edge === "start" ? [next, item.end] : [item.start, next];
      if (next === item[edge] || start >= end) return false;
      Object.assign(item, { start, end, state: item.origin ? "accepted" : "added" });
      return true;
    },
    (item) => `now: ${words(item)}`,
  );
}

function label(number) {
  const name = toolNames()[number];
  const selected = view.selection();
  if (name === undefined) return;
  const change = (thing) => {
    if (thing.label === name) return false;
    reviews[current].relabel(thing, name);
    return true;
  };
  if (linking) {
    const tail = theItem();
    if (tail && tail !== linking) link(tail, name);
    else say("Select the other entity first: click it, or press j or k.");
  } else if (linked >= 0) decideLink(change, "now");
  else if (selected) {
    getSelection().removeAllRanges();
    decide((review) => review.add(...selected, name), `added as ${visible(name)}`);
  } else decideItem(change, (item) => `${words(item)} is now ${visible(name)}`);
}

/** Answers a question about the document; answers to questions that are no longer asked go. */
function choose(name, label, multi, input) {
  decide(
    (review) => {
      const others = multi ? (review.classes[name] || []).filter((one) => one !== label) : [];
      review.classes[name] = input.checked ? [...others, label] : others;
      const still = new Set(asked(review).map((question) => question.name));
      for (const question of data.classifications)
        if (!still.has(question.name) && review.classes[question.name]) review.classes[question.name] = [];
    },
    `${visible(name)}: ${visible(label)}`,
  );
  if (!data.classifications.some(({ under }) => under.length)) return;
  drawClasses();
  const again = [...document.querySelectorAll("#classes input")].find(
    (one) => one.name === input.name && one.parentElement.textContent === input.parentElement.textContent,
  );
  again?.focus();
}

/** Answers a question about the selected entity. */
function chooseAttribute(name, label, multi, input) {
  decideItem(
    (item) => {
      const others = multi ? (item.attributes[name] || []).filter((one) => one !== label) : [];
      item.attributes = { ...item.attributes, [name]: input.checked ? [...others, label] : others };
      item.state = item.origin ? "accepted" : "added";
      return true;
    },
    (item) => `${words(item)}: ${visible(name)}: ${visible(label)}`,
  );
}

function write(name, value) {
  decide(
    (review) => {
      if ((review.texts[name] || "") === value) return false;
      review.texts[name] = value;
      return undefined;
    },
    `${visible(name)} corrected`,
  );
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
    say(
      `"${visible(mention.text)}" does not stand in the text: select the words that are meant, then press Place again.`,
    );
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
    for (const thing of [...review.items, ...review.links]) if (thing.state === "open") thing.state = "accepted";
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
    picked = Math.min(Math.max(last.picked, 0), reviews[current].items.length - 1);
    linked = -1;
    stopLinking();
    drawEntities();
    drawClasses();
    drawTexts();
    drawLedger();
  } else openDocument(last.number, Math.max(last.picked, 0));
  drawProgress();
  say("undone");
}

// -- files -------------------------------------------------------------------------------------------------------------

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
  session.history.length = session.remembered = 0;
  reviews.forEach((_, number) => drawDocument(number));
  if (current >= 0) openDocument(current);
  applyFilters();
  say(`${taken} decisions loaded${lost ? `, ${lost} lines fit no document of this page` : ""}`);
}

function addWords() {
  const span = findFree($("f-words").value, $("f-as").value);
  if (span) {
    const name = $("f-as").value;
    decide((review) => review.add(...span, name), `added as ${name}`);
  } else say("These words do not stand in the text once more.");
}
