// Texts as sequences of characters: hidden ones made visible, positions in both units, borders, places to cut at.
// No DOM in this file.
"use strict";

const LONGEST = 6000; // characters of one block
const RIGHT_TO_LEFT = /^\P{L}*[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const HIDDEN = new RegExp(
  "(\\u{1F3F4}[\\u{E0020}-\\u{E007F}]+)|([\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u180e\\u200b\\u200e\\u200f" +
    "\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb\\ud800-\\udfff\\u{E0000}-\\u{E007F}])",
  "gu",
);

/** What is shown in place of a hidden character. */
function picture(character) {
  const code = character.codePointAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
}

/** A text with its hidden characters made visible. */
function visible(text) {
  return text.replace(HIDDEN, (all, flag) => flag || picture(all));
}

/** Converts positions of one text between code points (in files) and UTF-16 units (here). */
class Units {
  constructor(text) {
    this.starts = null;
    if (!/[\ud800-\udfff]/.test(text)) return;
    this.starts = [];
    for (let at = 0; at < text.length; at += text.codePointAt(at) > 0xffff ? 2 : 1) this.starts.push(at);
    this.starts.push(text.length);
  }

  toUnits(point) {
    return this.starts ? this.starts[point] : point;
  }

  toPoints(unit) {
    return this.starts ? lastAtMost(this.starts, unit, (start) => start) : unit;
  }
}

/** The index of the last item whose key is at most the value; items are sorted by key. */
function lastAtMost(items, value, key) {
  let low = 0,
    high = items.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (key(items[middle]) <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The direction of a paragraph, by its first letter. */
function direction(text) {
  return RIGHT_TO_LEFT.test(text) ? "rtl" : "ltr";
}

/** Where to continue a long paragraph in a new block: the last place before a position that tears least. */
function cut(text, near, spans) {
  const from = near - LONGEST / 2;
  const part = text.slice(from, near);
  const free = (at) => !spans.some(({ start, end }) => start < at && at < end);
  for (const border of [/[.!?…؟。！？।]["'”»)]*(?:\s+|(?<=[。！？।]["'”»)]*))/gu, /\s+/gu, /[、，；]/gu]) {
    const places = [...part.matchAll(border)].map((found) => from + found.index + found[0].length).reverse();
    const at = places.find((place) => text[place] !== "\n" && free(place));
    if (at) return at;
  }
  const last = nextBorder(text, near, -1, "grapheme");
  const before = Math.min(
    last,
    ...spans.filter(({ start, end }) => start < last && last < end).map(({ start }) => start),
  );
  return before > from ? before : last;
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
