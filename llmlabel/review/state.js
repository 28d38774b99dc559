// Documents, what the reader decided about them, undo, and decisions as lines of JSON. No DOM in this file.
"use strict";

const VERSION = 1;

/** One document under review. Entities are converted to UTF-16 units when it is opened, and back in its decisions. */
class Review {
  constructor(source) {
    this.source = source;
    this.id = source.id;
    this.text = source.text;
    this.done = false;
    this.at = null;
    this.items = null;
    this.classes = structuredClone(source.classes);
    this.placed = new Set();
  }

  open() {
    if (this.items) return;
    this.units = new Units(this.text);
    this.items = this.source.entities.map(({ start, end, ...rest }) => ({
      ...rest,
      origin: [start, end, rest.label],
      start: this.units.toUnits(start),
      end: this.units.toUnits(end),
      state: "open",
    }));
  }

  get touched() {
    return this.at !== null;
  }

  /** Reviewed: said to be so, or nothing is left open. */
  get reviewed() {
    if (!this.items) return this.done;
    return this.done || (this.items.length > 0 && this.items.every((item) => item.state !== "open"));
  }

  snapshot() {
    const { done, at } = this;
    return structuredClone({ done, at, items: this.items, classes: this.classes, placed: this.placed });
  }

  points(item) {
    return [this.units.toPoints(item.start), this.units.toPoints(item.end), item.label];
  }

  changed(item) {
    return item.origin !== null && String(this.points(item)) !== String(item.origin);
  }

  add(start, end, label) {
    const same = this.items.find((item) => item.start === start && item.end === end && item.label === label);
    if (same) {
      same.state = same.origin ? "accepted" : "added";
      return this.items.indexOf(same);
    }
    const item = { origin: null, start, end, label, match: "human", confidence: null, reason: null, state: "added" };
    this.items.push(item);
    this.items.sort((a, b) => a.start - b.start || b.end - a.end);
    return this.items.indexOf(item);
  }

  /** The decisions about this document, one object a line of the file. */
  decisions(reviewer) {
    if (!this.touched) return [];
    const base = { version: VERSION, document: this.id, text: this.source.hash };
    const lines = [];
    for (const item of this.items) {
      if (item.origin === null) {
        if (item.state === "added") lines.push({ action: "add", to: this.points(item) });
      } else if (item.state === "rejected") lines.push({ action: "reject", entity: item.origin });
      else if (this.changed(item)) lines.push({ action: "change", entity: item.origin, to: this.points(item) });
      else if (item.state === "accepted") lines.push({ action: "accept", entity: item.origin });
    }
    for (const [name, labels] of Object.entries(this.classes)) {
      if (String(labels) !== String(this.source.classes[name] || [])) lines.push({ action: "class", name, labels });
    }
    if (this.done) lines.push({ action: "done" });
    return lines.map((line) => ({ ...base, ...line, by: reviewer || null, at: this.at }));
  }

  /** Takes decisions back in, as they were saved; returns how many fit. */
  restore(lines) {
    this.open();
    let taken = 0;
    for (const line of lines) {
      const item = line.entity && this.items.find((one) => one.origin && String(one.origin) === String(line.entity));
      if (line.version !== VERSION || line.text !== this.source.hash || (line.entity && !item)) continue;
      if (line.action === "accept") item.state = "accepted";
      else if (line.action === "reject") item.state = "rejected";
      else if (line.action === "class") this.classes[line.name] = line.labels;
      else if (line.action === "done") this.done = true;
      else if (line.action === "change" || line.action === "add") this.take(item, line.to);
      else continue;
      this.at = line.at;
      taken++;
    }
    return taken;
  }

  take(item, [start, end, label]) {
    const [from, to] = [this.units.toUnits(start), this.units.toUnits(end)];
    if (item) Object.assign(item, { start: from, end: to, label, state: "accepted" });
    else this.add(from, to, label);
  }
}

/** All documents, with one history of changes. */
class Session {
  constructor(data) {
    this.data = data;
    this.reviews = data.documents.map((source) => new Review(source));
    this.history = [];
    this.saved = true;
    this.unstored = new Set();
  }

  /** Makes one change that can be undone; `change` returns false if there was nothing to do. */
  act(number, picked, change) {
    const review = this.reviews[number];
    const before = review.snapshot();
    const result = change(review);
    if (result === false) return false;
    review.at = new Date().toISOString();
    this.history.push({ number, picked, before });
    this.saved = false;
    this.keep(review);
    return result;
  }

  undo() {
    const last = this.history.pop();
    if (!last) return null;
    const review = this.reviews[last.number];
    Object.assign(review, last.before);
    this.keep(review);
    return last;
  }

  /** Keeps unsaved work in the browser, where it may; a page without storage still works and can be saved. */
  keep(review) {
    if (!this.unstored.size) setTimeout(() => this.store(), 100); // after the key has been answered
    this.unstored.add(review);
  }

  store() {
    const reviews = [...this.unstored];
    this.unstored.clear();
    if (this.data.token) this.sending = (this.sending || Promise.resolve()).then(() => this.send(reviews));
    try {
      for (const review of reviews) {
        const lines = review.decisions("");
        if (lines.length) localStorage.setItem(this.keptAs(review), JSON.stringify(lines));
        else localStorage.removeItem(this.keptAs(review));
      }
    } catch {
      this.unkept = true;
    }
  }

  keptAs(review) {
    return `llmlabel:${this.data.key}:${review.id}`;
  }

  /** Sends the decisions about some documents to the server that gave the page; it refuses what another tab changed. */
  async send(reviews) {
    const by = this.data.reviewer;
    const lines = reviews.flatMap((review) => {
      const base = { version: VERSION, document: review.id, text: review.source.hash, by };
      return [{ ...base, action: "reset" }, ...review.decisions(by)];
    });
    try {
      const answer = await fetch("/decisions", {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Review-Token": this.data.token },
        body: JSON.stringify({ seen: this.data.seen, lines }),
      });
      const { seen, error } = await answer.json();
      if (!answer.ok) throw new Error(error);
      this.data.seen = seen;
      this.saved = this.unstored.size === 0;
      this.trouble = null;
    } catch (error) {
      this.trouble = `NOT saved: ${error.message}`;
    }
    this.onSent?.();
  }

  /** Takes up decisions that came with the page, or that the browser kept of an earlier visit. */
  resume() {
    let taken = 0;
    const given = Map.groupBy(this.data.decisions, (line) => line.document);
    for (const review of this.reviews) if (given.has(review.id)) taken += review.restore(given.get(review.id));
    if (this.data.token || taken) return taken;
    try {
      for (const review of this.reviews) {
        const kept = localStorage.getItem(this.keptAs(review));
        if (kept) taken += review.restore(JSON.parse(kept));
      }
    } catch {
      this.unkept = true;
    }
    return taken;
  }

  /** The decisions as JSONL. */
  file(reviewer) {
    return this.reviews.flatMap((review) => review.decisions(reviewer)).map((line) => JSON.stringify(line) + "\n").join("");
  }

  /** Reads a JSONL file of decisions; returns [lines taken, lines that fit no document of this page]. */
  load(text) {
    const byDocument = new Map();
    let lost = 0;
    for (const row of text.split("\n").filter((row) => row.trim())) {
      let line;
      try {
        line = JSON.parse(row);
      } catch {
        lost++;
        continue;
      }
      if (!byDocument.has(line.document)) byDocument.set(line.document, []);
      byDocument.get(line.document).push(line);
    }
    let taken = 0;
    for (const [id, lines] of byDocument) {
      const review = this.reviews.find((one) => one.id === id);
      const fit = review ? review.restore(lines) : 0;
      taken += fit;
      lost += lines.length - fit;
      if (fit) this.keep(review);
    }
    return [taken, lost];
  }
}

/** The next border of a character or word from a position, in direction -1 or 1. */
function nextBorder(text, position, direction, granularity) {
  const from = Math.max(text.lastIndexOf("\n", position - 2) + 1, position - 1000, 0);
  let to = text.indexOf("\n", position + 1);
  to = Math.min(to < 0 ? text.length : to + 1, position + 1000);
  const segments = [...new Intl.Segmenter(undefined, { granularity }).segment(text.slice(from, to))];
  const borders = [...segments.map((segment) => from + segment.index), to];
  if (direction > 0) return borders.find((border) => border > position) ?? position;
  return borders.findLast((border) => border < position) ?? position;
}
