// The document's text: rendered once as plain text, marked by CSS Custom Highlights, so that no element stands
// inside a word. Positions in this file are UTF-16 units, as the DOM counts.
"use strict";

const LANES = 4;

/** Gives each span a lane, so that nested and crossing spans have underlines of their own. */
function lanes(spans) {
  const ends = [];
  const order = [...spans].sort((a, b) => a.start - b.start || b.end - a.end);
  return order.map((span) => {
    let lane = ends.findIndex((end) => end <= span.start);
    if (lane < 0) lane = ends.length;
    ends[lane] = span.end;
    return { span, lane: Math.min(lane, LANES - 1) };
  });
}

/** The parts of rejected spans that no other span covers: only these are shown as struck out. */
function uncovered(spans) {
  const living = spans.filter((span) => !span.rejected);
  return spans
    .filter((span) => span.rejected)
    .flatMap((span) => {
      let parts = [span];
      for (const { start, end } of living) {
        if (start >= span.end || end <= span.start) continue;
        parts = parts.flatMap((part) => [
          { start: part.start, end: Math.min(part.end, start) },
          { start: Math.max(part.start, end), end: part.end },
        ]);
        parts = parts.filter((part) => part.start < part.end);
      }
      return parts;
    });
}

/** Shows one text and its spans in an element. */
class TextView {
  constructor(root) {
    this.root = root;
    this.native = typeof Highlight === "function" && "highlights" in CSS;
    this.pieces = [];
  }

  /**
   * Shows a text; blocks of lines let the browser lay out only what is seen of a long one. A paragraph of many thousand
   * characters is continued in a block of its own, between sentences if it can be and not inside one of the spans.
   */
  show(text, spans = []) {
    this.text = text;
    this.spans = spans;
    this.pieces = [];
    this.nodes = new WeakMap();
    this.marked = new Map(); // what is highlighted: key → name and range
    if (this.native) CSS.highlights.clear();
    const blocks = [];
    let start = 0;
    while (start < text.length) {
      let end = text.indexOf("\n", Math.min(start + 2000, text.length)) + 1;
      if (end === 0) end = text.length;
      if (end - start > LONGEST) end = cut(text, start + LONGEST, spans);
      blocks.push(this.block(start, end));
      start = end;
    }
    this.root.classList.toggle("long", blocks.length > 3);
    this.root.replaceChildren(...blocks);
    this.root.scrollTop = 0;
  }

  block(start, end) {
    const block = document.createElement("div");
    const text = this.text.slice(start, end);
    const paragraph = this.text.lastIndexOf("\n", start - 1) + 1;
    if (start === 0 || paragraph === start) block.dir = "auto";
    else {
      block.dir = direction(this.text.slice(paragraph, paragraph + 1000));
      block.className = "continued";
    }
    let from = 0;
    for (const found of text.matchAll(HIDDEN)) {
      if (found[1]) continue;
      this.piece(block, start + from, start + found.index, null);
      const shown = document.createElement("span");
      shown.className = "hidden-character";
      shown.textContent = picture(found[0]);
      from = found.index + found[0].length;
      this.piece(block, start + found.index, start + from, shown);
    }
    this.piece(block, start + from, end, null);
    return block;
  }

  piece(block, start, end, element) {
    if (start === end) return;
    const node = element || document.createTextNode(this.text.slice(start, end));
    const piece = { start, end, node, whole: element !== null };
    this.pieces.push(piece);
    this.nodes.set(node, piece);
    if (element) this.nodes.set(element.firstChild, piece);
    block.append(node);
  }

  /** The DOM borders of a span, as StaticRange takes them. */
  borders(start, end) {
    const first = this.pieces[lastAtMost(this.pieces, start, (piece) => piece.start)];
    const last = this.pieces[lastAtMost(this.pieces, end - 1, (piece) => piece.start)];
    const [from, to] = [
      first.whole ? first.node.firstChild : first.node,
      last.whole ? last.node.firstChild : last.node,
    ];
    return {
      startContainer: from,
      startOffset: first.whole ? 0 : start - first.start,
      endContainer: to,
      endOffset: last.whole ? to.length : end - last.start,
    };
  }

  range(start, end) {
    const { startContainer, startOffset, endContainer, endOffset } = this.borders(start, end);
    const range = new Range();
    range.setStart(startContainer, startOffset);
    range.setEnd(endContainer, endOffset);
    return range;
  }

  /** The position in the text of a place in the DOM, or -1 outside of the text. */
  position(node, offset, atEnd = false) {
    const piece = this.nodes.get(node);
    if (piece) return piece.whole ? (atEnd || offset > 0 ? piece.end : piece.start) : piece.start + offset;
    if (!this.root.contains(node)) return -1;
    const next = node.childNodes[offset];
    if (next) return this.position(next, 0);
    const last = node.lastChild;
    return last ? this.position(last, last.nodeType === 3 ? last.length : last.childNodes.length, true) : 0;
  }

  /** The words selected by the reader as [start, end), or null. */
  selection() {
    const selected = getSelection();
    if (!selected.rangeCount || selected.isCollapsed) return null;
    const range = selected.getRangeAt(0);
    let start = this.position(range.startContainer, range.startOffset);
    let end = this.position(range.endContainer, range.endOffset, true);
    if (start < 0 || end < 0) return null;
    while (start < end && /\s/.test(this.text[start])) start++;
    while (end > start && /\s/.test(this.text[end - 1])) end--;
    return start < end ? [start, end] : null;
  }

  /** The position under a point of the screen, or -1. */
  under(x, y) {
    const found = document.caretPositionFromPoint ? document.caretPositionFromPoint(x, y) : null;
    if (found) return this.position(found.offsetNode, found.offset);
    const range = document.caretRangeFromPoint ? document.caretRangeFromPoint(x, y) : null;
    return range ? this.position(range.startContainer, range.startOffset) : -1;
  }

  /** Marks spans of {start, end, slot, dashed, rejected}, and the picked ones; only what changed is touched. */
  mark(spans, picked) {
    if (!this.native) {
      this.markByElements(spans, picked);
      return;
    }
    const wanted = new Map();
    for (const { span, lane } of lanes(spans.filter((span) => !span.rejected))) {
      const name = `s${span.slot}l${lane}${span.dashed ? "d" : ""}`;
      wanted.set(`${name} ${span.start} ${span.end}`, { ...span, name, lane });
    }
    for (const { start, end } of uncovered(spans)) {
      wanted.set(`rejected ${start} ${end}`, { start, end, name: "rejected", lane: 0 });
    }
    for (const [key, { name, range }] of this.marked) {
      if (wanted.has(key)) continue;
      CSS.highlights.get(name).delete(range);
      this.marked.delete(key);
    }
    for (const [key, { name, lane, start, end }] of wanted)
      if (!this.marked.has(key)) this.paint(key, name, lane, start, end);
    this.pick(picked);
  }

  paint(key, name, lane, start, end) {
    // Static ranges: the browser keeps every live one up to date at each change of the page.
    const range = new StaticRange(this.borders(start, end));
    if (!CSS.highlights.has(name)) {
      CSS.highlights.set(name, new Highlight());
      CSS.highlights.get(name).priority = lane;
    }
    CSS.highlights.get(name).add(range);
    this.marked.set(key, { name, range });
  }

  /** Shows which spans of {start, end, slot} are selected, in the full colour of their labels. */
  pick(picked) {
    if (!this.native) return;
    for (const name of this.selected || []) CSS.highlights.delete(name);
    this.selected = new Set(picked.map(({ slot }) => `p${slot}`));
    for (const name of this.selected) {
      const spans = picked.filter(({ slot }) => `p${slot}` === name);
      const highlight = new Highlight(...spans.map(({ start, end }) => new StaticRange(this.borders(start, end))));
      highlight.priority = LANES;
      CSS.highlights.set(name, highlight);
    }
  }

  /** For browsers without Custom Highlights: the text is cut at the borders of spans; marks take no room. */
  markByElements(spans, picked) {
    this.show(this.text, this.spans);
    const placed = lanes(spans.filter((span) => !span.rejected));
    const cuts = [...new Set(spans.flatMap((span) => [span.start, span.end]))].sort((a, b) => a - b);
    for (const piece of [...this.pieces]) {
      const inside = cuts.filter((cut) => cut > piece.start && cut < piece.end);
      const borders = piece.whole ? [piece.start, piece.end] : [piece.start, ...inside, piece.end];
      const parts = borders.slice(1).map((end, n) => this.part(piece, borders[n], end, placed, picked));
      this.pieces.splice(this.pieces.indexOf(piece), 1, ...parts);
    }
  }

  part(piece, start, end, placed, picked) {
    const over = placed.filter(({ span }) => span.start < end && span.end > start);
    const mark = document.createElement(over.length ? "mark" : "span");
    const node = piece.whole ? piece.node.cloneNode(true) : document.createTextNode(this.text.slice(start, end));
    mark.append(node);
    piece.node.before(mark);
    if (end === piece.end) piece.node.remove();
    if (over.length) {
      mark.style.background = `var(--t${over.at(-1).span.slot})`;
      mark.style.boxShadow = over.map(({ span, lane }) => `0 ${2 * lane + 2}px var(--k${span.slot})`).join();
    }
    const chosen = picked.find((span) => span.start < end && span.end > start);
    if (chosen) {
      mark.style.background = `var(--k${chosen.slot})`;
      mark.style.color = "var(--page)";
    }
    const part = { start, end, node, whole: piece.whole };
    this.nodes.set(node, part);
    if (piece.whole) this.nodes.set(node.firstChild, part);
    return part;
  }
}
