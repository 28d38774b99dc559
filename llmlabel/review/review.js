// One document under review: its entities and relations, what the reader decided, and the decisions as lines of JSON.
// No DOM in this file.
"use strict";

const VERSION = 1;

/** Entities are converted to UTF-16 units when a document is opened, and back in its decisions. */
class Review {
  constructor(source) {
    this.source = source;
    this.id = source.id;
    this.text = source.text;
    this.done = false;
    this.at = null;
    this.items = null;
    this.links = null;
    this.classes = structuredClone(source.classes);
    this.texts = { ...source.texts };
    this.placed = new Set();
  }

  open() {
    if (this.items) return;
    this.units = new Units(this.text);
    this.items = this.source.entities.map(({ start, end, ...rest }) => ({
      ...rest,
      origin: [start, end, rest.label],
      given: rest.attributes,
      start: this.units.toUnits(start),
      end: this.units.toUnits(end),
      state: "open",
    }));
    const items = [...this.items];
    this.links = this.source.relations.map(([head, tail, label, confidence]) => ({
      origin: [items[head].origin, items[tail].origin, label],
      head: items[head],
      tail: items[tail],
      label,
      confidence,
      state: "open",
    }));
  }

  get touched() {
    return this.at !== null;
  }

  /** Reviewed: said to be so, or nothing is left open. */
  get reviewed() {
    if (this.done || !this.items) return this.done;
    const open = (thing) => thing.state === "open";
    return (
      this.items.length > 0 && !this.items.some(open) && !this.links.some((link) => open(link) && !this.gone(link))
    );
  }

  snapshot() {
    const { done, at, items, links, classes, texts, placed } = this;
    return structuredClone({ done, at, items, links, classes, texts, placed }); // one clone: links keep their ends
  }

  points(item) {
    return [this.units.toPoints(item.start), this.units.toPoints(item.end), item.label];
  }

  linkPoints(link) {
    return [this.points(link.head), this.points(link.tail), link.label];
  }

  /** Whether an end of a relation was rejected: the relation goes with it. */
  gone(link) {
    return link.head.state === "rejected" || link.tail.state === "rejected";
  }

  changed(thing) {
    if (thing.origin === null) return false;
    if (!thing.head)
      return String(this.points(thing)) !== String(thing.origin) || this.attributesOf(thing) !== undefined;
    return String([thing.head.origin, thing.tail.origin, thing.label]) !== String(thing.origin);
  }

  /** What an entity's attributes are as long as nobody chooses others: a relabelled one has none. */
  usualAttributes(item) {
    return item.origin && item.label === item.origin[2] ? item.given : {};
  }

  /** The attributes as a decision has to name them, or undefined if they are the usual ones. */
  attributesOf(item) {
    const answered = (attributes) =>
      JSON.stringify(
        Object.entries(attributes)
          .filter(([, labels]) => labels.length)
          .sort(),
      );
    return answered(item.attributes) === answered(this.usualAttributes(item)) ? undefined : item.attributes;
  }

  relabel(thing, label) {
    Object.assign(thing, { label, state: thing.origin ? "accepted" : "added" });
    if (!thing.head) thing.attributes = { ...this.usualAttributes(thing) };
  }

  add(start, end, label) {
    const same = this.items.find((item) => item.start === start && item.end === end && item.label === label);
    if (same) {
      same.state = same.origin ? "accepted" : "added";
      return this.items.indexOf(same);
    }
    const item = {
      origin: null,
      start,
      end,
      label,
      match: "human",
      confidence: null,
      reason: null,
      attributes: {},
      state: "added",
    };
    this.items.push(item);
    this.items.sort((a, b) => a.start - b.start || b.end - a.end);
    return this.items.indexOf(item);
  }

  addLink(head, tail, label) {
    const same = this.links.find((link) => link.head === head && link.tail === tail && link.label === label);
    if (same) same.state = same.origin ? "accepted" : "added";
    else this.links.push({ origin: null, head, tail, label, confidence: null, state: "added" });
    return same ? this.links.indexOf(same) : this.links.length - 1;
  }

  /** The decisions about this document, one object a line of the file. */
  decisions(reviewer) {
    if (!this.touched) return [];
    const base = { version: VERSION, document: this.id, text: this.source.hash };
    const lines = [
      ...this.items.flatMap((item) => this.decided(item, "entity", "to", (one) => this.points(one))),
      ...this.links
        .filter((link) => !this.gone(link))
        .flatMap((link) => this.decided(link, "relation", "link", (one) => this.linkPoints(one))),
    ];
    for (const [name, labels] of Object.entries(this.classes)) {
      if (String(labels) !== String(this.source.classes[name] || [])) lines.push({ action: "class", name, labels });
    }
    for (const [name, value] of Object.entries(this.texts)) {
      if (value !== (this.source.texts[name] || "")) lines.push({ action: "text", name, value });
    }
    if (this.done) lines.push({ action: "done" });
    return lines.map((line) => ({ ...base, ...line, by: reviewer || null, at: this.at }));
  }

  /** The line about one entity or relation; `before` and `after` name its fields. */
  decided(thing, before, after, points) {
    const attributes = thing.head ? undefined : this.attributesOf(thing); // JSON leaves undefined out
    if (thing.origin === null)
      return thing.state === "added" ? [{ action: "add", [after]: points(thing), attributes }] : [];
    if (thing.state === "rejected") return [{ action: "reject", [before]: thing.origin }];
    if (this.changed(thing)) return [{ action: "change", [before]: thing.origin, [after]: points(thing), attributes }];
    return thing.state === "accepted" ? [{ action: "accept", [before]: thing.origin }] : [];
  }

  /** Takes decisions back in, as they were saved; returns how many fit. */
  restore(lines) {
    this.open();
    let taken = 0;
    const isLink = (line) => line.relation || line.link;
    for (const line of [...lines.filter((one) => !isLink(one)), ...lines.filter(isLink)]) {
      if (line.version !== VERSION || line.text !== this.source.hash || !this.takeLine(line)) continue;
      this.at = line.at || new Date().toISOString();
      taken++;
    }
    return taken;
  }

  takeLine(line) {
    const [things, origin] = isSpan(line.entity) ? [this.items, line.entity] : [this.links, line.relation];
    const thing = origin && things.find((one) => one.origin && String(one.origin) === String(origin));
    if (origin && !thing) return false;
    if (line.action === "accept" && thing) thing.state = "accepted";
    else if (line.action === "reject" && thing) thing.state = "rejected";
    else if (line.action === "class" && Array.isArray(line.labels)) this.classes[line.name] = line.labels;
    else if (line.action === "text" && typeof line.value === "string") this.texts[line.name] = line.value;
    else if (line.action === "done") this.done = true;
    else if (isSpan(line.to)) this.takeSpan(thing, line.to, line.attributes);
    else if (Array.isArray(line.link)) return this.takeLink(thing, line.link);
    else return false;
    return true;
  }

  takeSpan(item, [start, end, label], attributes) {
    const [from, to] = [this.units.toUnits(start), this.units.toUnits(end)];
    if (item) Object.assign(item, { start: from, end: to, label, state: "accepted" });
    const taken = item || this.items[this.add(from, to, label)];
    taken.attributes = { ...(attributes || this.usualAttributes(taken)) };
  }

  takeLink(link, [from, to, label]) {
    const at = (span) =>
      this.items.find((item) => item.state !== "rejected" && String(this.points(item)) === String(span));
    const [head, tail] = [at(from), at(to)];
    if (!head || !tail) return false;
    if (link) Object.assign(link, { head, tail, label, state: "accepted" });
    else this.addLink(head, tail, label);
    return true;
  }
}

function isSpan(value) {
  return Array.isArray(value) && value.length === 3 && Number.isInteger(value[0]) && Number.isInteger(value[1]);
}
