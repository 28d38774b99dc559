// Relations: shown, selected, made between two entities.
"use strict";

let linking = null; // the entity that a new relation starts at

/** The names of relations that may go from one entity to another; without a second one, that may start there. */
function allowed(head, tail) {
  const fits = (labels, item) => !item || !labels.length || labels.includes(item.label);
  return data.relations.filter((one) => fits(one.head, head) && fits(one.tail, tail)).map(({ name }) => name);
}

/** What the label toolbar offers now. */
function toolNames() {
  const link = reviews[current].links[linked];
  if (link) return [...new Set([...allowed(link.head, link.tail), link.label])];
  return linking ? allowed(linking) : data.labels;
}

function drawRelations() {
  const { links } = reviews[current];
  $("relations-panel").hidden = !links.length && !data.relations.length;
  $("n-relations").textContent = links.length || "";
  $("relations").hidden = links.length === 0;
  $("no-relations").hidden = links.length > 0;
  drawLinkRows();
  if (linked >= 0) select($("relations"), $(`r${linked}`));
}

function drawLinkRows() {
  const first = Math.max(0, linked - ROWS / 2);
  const links = reviews[current].links.slice(first, first + ROWS);
  $("relations").replaceChildren(...links.map((_, number) => linkRow(first + number)));
}

function linkRow(number) {
  const review = reviews[current];
  const link = review.links[number];
  const row = optionRow(`r${number}`, link, number, review.links.length);
  const gone = review.gone(link) ? "an end was rejected" : "";
  const score = link.confidence === null ? "" : link.confidence.toFixed(2);
  row.classList.toggle("gone", Boolean(gone));
  row.append(
    make(
      "span",
      { className: "what" },
      make("span", { className: "chip link" }, visible(link.label)),
      " ",
      make("bdi", {}, words(link.head)),
      " → ",
      make("bdi", {}, words(link.tail)),
    ),
  );
  row.append(...noteOf(link, [review.changed(link) ? "changed" : "", gone, score]));
  return row;
}

function pickLink(number) {
  $(`r${linked}`)?.setAttribute("aria-selected", "false");
  linked = number;
  if (linked >= 0 && !$(`r${linked}`)) drawLinkRows();
  select($("relations"), $(`r${linked}`));
  if (linked < 0) return;
  linking = null;
  $(`e${picked}`)?.setAttribute("aria-selected", "false");
  picked = -1;
  showPicked(reviews[current].links[linked].head, true);
}

function stepLink(direction) {
  const { links } = reviews[current];
  const next = linked < 0 ? 0 : Math.min(Math.max(linked + direction, 0), links.length - 1);
  if (!links.length) say("There is no relation in this document.");
  else {
    pickLink(next);
    const { head, tail, label: name } = links[next];
    say(`${visible(name)}: ${words(head)}, ${words(tail)}`);
  }
}

/** The key l: begins a relation at the selected entity, or ends it there. */
function relate() {
  const item = theItem();
  if (linking && item && item !== linking) return link(item);
  if (linking) return stopLinking();
  if (!item || item.state === "rejected") return say("Select the entity that the relation starts at.");
  if (!allowed(item).length) return say(`No relation of the schema starts at ${visible(item.label)}.`);
  linking = item;
  $("tools").classList.add("linking");
  showPicked(item, false);
  return say("Select the other entity (click, or j and k), then press l, or a number for the relation. Esc cancels.");
}

function link(tail, name = allowed(linking, tail)[0]) {
  const head = linking;
  if (tail.state === "rejected") return say("A rejected entity takes no relation.");
  if (!name || !allowed(head, tail).includes(name)) {
    return say(
      `${name ? visible(name) : "No relation of the schema"} does not go from ${visible(head.label)} to ${visible(tail.label)}.`,
    );
  }
  stopLinking();
  const number = session.act(current, picked, (review) => review.addLink(head, tail, name));
  drawRelations();
  pickLink(number);
  drawDocument(current);
  drawProgress();
  return say(`related: ${words(head)}, ${visible(name)}, ${words(tail)}`);
}

function stopLinking() {
  linking = null;
  $("tools").classList.remove("linking");
  showPicked(theItem(), false);
}

/** Makes a change to the selected relation and shows it. */
function decideLink(change, message) {
  const link = reviews[current].links[linked];
  if (session.act(current, picked, () => change(link)) === false) return;
  drawRelations();
  showPicked(link.head, false);
  drawDocument(current);
  drawProgress();
  say(`${message}: ${words(link.head)}, ${visible(link.label)}, ${words(link.tail)}`);
}

function turn() {
  if (linked < 0) return say("Select a relation to turn around.");
  const { head, tail, label } = reviews[current].links[linked];
  if (!allowed(tail, head).includes(label)) {
    return say(`${visible(label)} does not go from ${visible(tail.label)} to ${visible(head.label)}.`);
  }
  return decideLink((link) => {
    Object.assign(link, { head: tail, tail: head, state: link.origin ? "accepted" : "added" });
  }, "turned");
}
