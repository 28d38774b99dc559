// All documents of the page, with one history of changes, and the ways in which decisions are kept: the browser's own
// storage, the server that gave the page, a file. No DOM in this file.
"use strict";

const REMEMBERED = 500_000; // entities in the history of changes
const MOST = 2_000_000; // characters of one request to the server

class Session {
  constructor(data) {
    this.data = data;
    this.reviews = data.documents.map((source) => new Review(source));
    this.history = [];
    this.remembered = 0;
    this.saved = true;
    this.unstored = new Set(); // changed since they were last stored
    this.unsent = new Set(); // what the server has not acknowledged
  }

  /** Makes one change that can be undone; `change` returns false if there was nothing to do. */
  act(number, picked, change) {
    const review = this.reviews[number];
    const before = review.snapshot();
    const result = change(review);
    if (result === false) return false;
    review.at = new Date().toISOString();
    this.remember({ number, picked, before });
    this.keep(review);
    return result;
  }

  /** Adds to the history; of documents with thousands of entities it reaches back some hundred changes. */
  remember(step) {
    const size = ({ before }) => before.items.length + 1;
    this.history.push(step);
    this.remembered += size(step);
    while (this.remembered > REMEMBERED) this.remembered -= size(this.history.shift());
  }

  undo() {
    const last = this.history.pop();
    if (!last) return null;
    this.remembered -= last.before.items.length + 1;
    const review = this.reviews[last.number];
    Object.assign(review, last.before);
    this.keep(review);
    return last;
  }

  /** Keeps unsaved work in the browser, where it may; a page without storage still works and can be saved. */
  keep(review) {
    this.saved = false;
    if (!this.unstored.size) setTimeout(() => this.store(), 100); // after the key has been answered
    this.unstored.add(review);
  }

  store(leaving = false) {
    const reviews = [...this.unstored];
    this.unstored.clear();
    if (this.data.token) {
      for (const review of reviews) this.unsent.add(review);
      this.sending = (this.sending || Promise.resolve()).then(() => this.send(leaving));
      return;
    }
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

  /** Sends what is unsent to the server that gave the page, in pieces that it takes. */
  async send(leaving) {
    try {
      while (this.unsent.size) {
        const piece = [];
        let length = 0;
        for (const review of this.unsent) {
          const lines = this.lines(review);
          length += JSON.stringify(lines).length;
          if (piece.length && length > MOST) break;
          piece.push({ review, lines });
        }
        for (const { review } of piece) this.unsent.delete(review);
        try {
          await this.post(
            piece.flatMap(({ lines }) => lines),
            leaving,
          );
        } catch (error) {
          for (const { review } of piece) this.unsent.add(review);
          throw error;
        }
      }
      this.saved = this.unstored.size === 0;
      this.trouble = null;
    } catch (error) {
      this.trouble = error.refused
        ? `NOT saved: ${error.message}`
        : "NOT saved: the server does not answer. It is tried again; your work stays on this page.";
      if (!error.refused) setTimeout(() => this.store(), 3000);
    }
    this.onSent?.();
  }

  lines(review) {
    const by = this.data.reviewer;
    const reset = { version: VERSION, document: review.id, text: review.source.hash, by, action: "reset" };
    return [reset, ...review.decisions(by)];
  }

  /** Posts decisions; the server refuses them if another tab has saved meanwhile. */
  async post(lines, leaving) {
    const body = JSON.stringify({ seen: this.data.seen, lines });
    const answer = await fetch("/decisions", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Review-Token": this.data.token },
      body,
      keepalive: leaving && body.length < 20_000, // browsers bound what may outlive the page
    });
    const { seen, error } = await answer.json();
    if (!answer.ok) throw Object.assign(new Error(error), { refused: true });
    this.data.seen = seen;
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
    return this.reviews
      .flatMap((review) => review.decisions(reviewer))
      .map((line) => JSON.stringify(line) + "\n")
      .join("");
  }

  /** Reads a JSONL file of decisions; returns [lines taken, lines that fit no document of this page]. */
  load(text) {
    const byDocument = new Map();
    let lost = 0;
    for (const row of text.split("\n").filter((row) => row.trim())) {
      let line;
      try {
        line = JSON.parse(row);
        line.action === "reset"
          ? byDocument.delete(line.document)
          : byDocument.set(line.document, [...(byDocument.get(line.document) || []), line]);
      } catch {
        lost++;
      }
    }
    const byId = new Map(this.reviews.map((review) => [review.id, review]));
    let taken = 0;
    for (const [id, lines] of byDocument) {
      const review = byId.get(id);
      const fit = review ? review.restore(lines) : 0;
      taken += fit;
      lost += lines.length - fit;
      if (fit) this.keep(review);
    }
    return [taken, lost];
  }
}
