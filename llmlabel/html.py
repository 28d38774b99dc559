"""Escaped HTML for notebooks and pages, and safe text for terminals. Pure: plain strings and tuples in, a string out.

Text is rendered once, in reading order, and marks carry no padding, border or box of their own: an element that takes
room splits Arabic words and shifts bidirectional text. Nested and crossing spans share the text by underline lanes.
"""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise

SHOWN, LIMIT = 4_000, 200_000  # characters shown at once, and put into one notebook cell at most
LANES = 4  # underlines that fit below a line; deeper nesting is named in the tooltip only

Span = tuple[int, int, str, str, float | None]
Cell = str | int | float | None

# Twelve hues of one lightness (OKLCH), the eight that lie furthest apart first; each is (tint, line) for light, then
# for dark backgrounds. Text on a tint has a contrast of at least 7:1, a line on its background at least 4.5:1, so that
# it can also be the background of text in the page's colour.
PALETTE: tuple[tuple[str, str, str, str], ...] = (
    ("#d7e8ff", "#2463ae", "#203e64", "#91c1fe"),
    ("#ffe0c7", "#925003", "#5a3107", "#f7aa6a"),
    ("#c3f4d8", "#00764c", "#0b492f", "#76d5a4"),
    ("#fedbe8", "#9b3c67", "#5b2b3f", "#f89ec1"),
    ("#f5edb9", "#716400", "#463d01", "#d1bf57"),
    ("#bcf1fb", "#04707e", "#02464f", "#62d0e2"),
    ("#eae0ff", "#704ea4", "#43335e", "#c9adfd"),
    ("#feddd9", "#a83630", "#602b26", "#fea196"),
    ("#d9efc4", "#497104", "#304517", "#a5cd7c"),
    ("#fed8fa", "#903d8b", "#552b51", "#ec9fe4"),
    ("#f5e2d8", "#7d5a47", "#4a392f", "#d7b6a4"),
    ("#e0e7f1", "#586477", "#373d47", "#b3bed1"),
)
FEW = 8

# Characters that are invisible or move what stands around them. Joiners stay: emoji, Persian and Hindi need them; so
# do the tag characters of a flag, which elsewhere can only hide text.
_HIDDEN = re.compile(
    "(\U0001f3f4[\U000e0020-\U000e007f]+)"
    "|([\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f])"
)


def _picture(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"⟨U+{code:04X}⟩"


def terminal_safe(text: str) -> str:
    """Return ``text`` with control, bidirectional and invisible characters made visible: ``␛``, ``⟨U+202E⟩``.

    Line feeds and tabs stay. The result holds no escape sequence and can be encoded as UTF-8.
    """
    return _HIDDEN.sub(lambda found: found[1] or _picture(found[2]), text)


def escape(text: str) -> str:
    """Return ``text`` for an HTML text or a quoted attribute, hidden characters visible as in ``terminal_safe``."""
    return html.escape(terminal_safe(text))


def label_slots(labels: Iterable[str]) -> dict[str, int]:
    """Return each label's place in ``PALETTE``: by a hash of its name; labels differ while there are colours left."""
    slots: dict[str, int] = {}
    names = sorted(set(labels))
    colours = FEW if len(names) <= FEW else len(PALETTE)
    for label in names:
        slot = zlib.crc32(label.encode("utf-8", "surrogatepass")) % colours
        while slot in slots.values() and len(slots) < colours:
            slot = (slot + 1) % colours
        slots[label] = slot
    return slots


def palette_css(selector: str) -> str:
    """Return ``--t0`` … (tints) and ``--k0`` … (lines) for ``selector``, in a light and a dark colour scheme."""
    return _themed(
        selector, *("".join(f"--t{n}:{c[i]};--k{n}:{c[i + 1]};" for n, c in enumerate(PALETTE)) for i in (0, 2))
    )


def _themed(selector: str, light: str, dark: str) -> str:
    return (
        f"{selector}{{{light}}}@media(prefers-color-scheme:dark){{{selector}{{{dark}}}}}"
        f"{_LIGHT_THEME} {selector}{{{light}}}{_DARK_THEME} {selector}{{{dark}}}"
    )


# Notebook front ends have a theme of their own, which the reader's system does not know of.
_DARK_THEME = ":is([data-jp-theme-light=false],.vscode-dark)"
_LIGHT_THEME = ":is([data-jp-theme-light=true],.vscode-light)"
_LIGHT_PAGE = "--page:#fff;--ink:#16191d;--soft:#555d66;--rule:#e2e5e9"
_DARK_PAGE = "--page:#191c20;--ink:#e9ecef;--soft:#a6aeb7;--rule:#2c3138"
_RULES = (
    ".llmlabel{font:15px/2 system-ui,sans-serif;background:var(--page);color:var(--ink);padding:.7em 1em;"
    "border:1px solid var(--rule);border-radius:8px;margin:.4em 0;max-width:60em}"
    ".llmlabel .ll-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;margin:.2em 0 .5em}"
    ".llmlabel mark{color:inherit}"
    ".llmlabel .ll-ctl{color:var(--soft);font-size:.9em}"
    ".llmlabel .ll-head,.llmlabel .ll-key,.llmlabel caption{color:var(--soft);font-size:.85em;line-height:1.6}"
    ".llmlabel .ll-key mark{color:var(--ink);border-bottom:2px solid;border-radius:4px 4px 2px 2px;padding:0 .45em;"
    "margin:0 .5em .3em 0;display:inline-block}"
    ".llmlabel dl{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;margin:.5em 0 0;font-size:.9em;"
    "line-height:1.5}.llmlabel dt{color:var(--soft);font-weight:400}.llmlabel dd{margin:0;overflow-wrap:anywhere}"
    ".llmlabel summary{cursor:pointer;color:var(--soft);font-size:.85em}"
    ".llmlabel table{border:0;border-collapse:collapse;margin:0;font-size:.93em;line-height:1.5}"
    ".llmlabel caption{text-align:start;padding:0 0 .4em}"
    ".llmlabel tr,.llmlabel tr:nth-child(even){background:none}"
    ".llmlabel th,.llmlabel td{text-align:start;vertical-align:top;padding:.2em 1.6em .2em 0;white-space:pre-wrap;"
    "border:0;border-bottom:1px solid var(--rule)}"
    ".llmlabel th{color:var(--soft);font-weight:400}.llmlabel tr:last-child td{border-bottom:0}"
    ".llmlabel .ll-n{text-align:end;font-variant-numeric:tabular-nums}"
)
_STYLE = f"<style>{_themed('.llmlabel', _LIGHT_PAGE, _DARK_PAGE)}{palette_css('.llmlabel')}{_RULES}</style>"


def _visible(text: str) -> str:
    """Escape document text; each hidden character becomes an element that tells which one stands there."""
    parts = []
    end = 0
    for found in _HIDDEN.finditer(text):
        if found[2]:
            shown = f'<span class="ll-ctl" data-char="{ord(found[2]):X}">{_picture(found[2])}</span>'
            parts += [html.escape(text[end : found.start()]), shown]
            end = found.end()
    return "".join([*parts, html.escape(text[end:])])


def _told(span: Span) -> str:
    start, end, label, match, confidence = span
    facts = [label, f"[{start}, {end})", match] + ([] if confidence is None else [f"{confidence:.2f}"])
    return " ".join(facts)


def _marked(text: str, spans: Sequence[Span], slots: dict[str, int], start: int, end: int) -> str:
    """Render ``text[start:end]``: the innermost span gives the tint, all of them an underline lane."""
    inside = sorted((s for s in spans if s[0] < end and s[1] > start), key=lambda s: (s[0], -s[1]))
    cuts = sorted({start, end, *(max(s[0], start) for s in inside), *(min(s[1], end) for s in inside)})
    active: list[Span] = []
    waiting = iter([*inside, None])
    following = next(waiting)
    parts = []
    for left, right in pairwise(cuts):
        while following is not None and following[0] <= left:
            active.append(following)
            following = next(waiting)
        active = [span for span in active if span[1] > left]
        parts.append(_segment(text[left:right], active, slots))
    return "".join(parts)


def _segment(text: str, active: Sequence[Span], slots: dict[str, int]) -> str:
    if not active:
        return _visible(text)
    inner = min(active, key=lambda s: s[1] - s[0])
    outer = sorted(active, key=lambda s: s[0] - s[1])[:LANES]
    # Shadows take no room in the line; the longest span's lies next to the text, so that it stays one line.
    lanes = ",".join(f"0 {2 * (n + 1)}px var(--k{slots[span[2]]})" for n, span in enumerate(outer))
    title = escape("; ".join(_told(span) for span in active))
    return (
        f'<mark style="background:var(--t{slots[inner[2]]});box-shadow:{lanes}" title="{title}">{_visible(text)}</mark>'
    )


def _cut(text: str) -> int:
    """Where to fold a long text: after the last line or word that fits."""
    if len(text) <= SHOWN + SHOWN // 4:
        return len(text)
    for border in ("\n", " "):
        found = text.rfind(border, SHOWN // 2, SHOWN)
        if found >= 0:
            return found + 1
    return SHOWN


def document_html(id: str, text: str, spans: Sequence[Span], facts: Sequence[tuple[str, str]] = ()) -> str:
    """Return a document with its spans marked, as one HTML block for a notebook cell.

    Args:
        id: Shown above the text.
        text: The document. It stands once in the output, hidden characters made visible, nothing of it as markup.
        spans: ``(start, end, label, match, confidence)`` in code points, in any order, nested or crossing.
        facts: Further names and values (classes, free texts), shown below the text.
    """
    length = min(len(text), LIMIT)
    shown = [(max(s[0], 0), min(s[1], length), *s[2:]) for s in spans if max(s[0], 0) < min(s[1], length)]
    slots = label_slots(s[2] for s in shown)
    fold = _cut(text[:length])
    block = '<div class="ll-text" dir="auto">{}</div>'.format
    parts = [_STYLE, f'<div class="llmlabel"><div class="ll-head">{escape(id)}</div>']
    parts.append(block(_marked(text, shown, slots, 0, fold)))
    if fold < length:
        rest = block(_marked(text, shown, slots, fold, length))
        parts.append(f"<details><summary>show {length - fold:,} more characters</summary>{rest}</details>")
    if length < len(text):
        parts.append(f'<div class="ll-head">{len(text) - length:,} more characters are not shown here</div>')
    parts.append(_legend(shown, slots))
    if facts:
        items = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(value)}</bdi></dd>" for name, value in facts)
        parts.append(f"<dl>{items}</dl>")
    return "".join([*parts, "</div>"])


def _legend(spans: Sequence[Span], slots: dict[str, int]) -> str:
    counts: dict[str, int] = {}
    for span in spans:
        counts[span[2]] = counts.get(span[2], 0) + 1
    style = "background:var(--t{0});border-color:var(--k{0})".format
    keys = [
        f'<mark style="{style(slots[label])}">{escape(label)} {count}</mark>' for label, count in sorted(counts.items())
    ]
    return f'<div class="ll-key">{"".join(keys)}</div>' if keys else ""


def table_html(headers: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str = "") -> str:
    """Return an HTML table, every cell escaped; numbers stand to the end, None is shown as a dash."""
    rows = list(rows)
    numbers = {n for row in rows for n, value in enumerate(row) if isinstance(value, (int, float))}
    head = "".join(
        f'<th scope="col"{" class=ll-n" if n in numbers else ""}>{escape(name)}</th>' for n, name in enumerate(headers)
    )
    head = f"<thead><tr>{head}</tr></thead>" if any(headers) else ""
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f'{_STYLE}<div class="llmlabel"><table>{title}{head}<tbody>{body}</tbody></table></div>'


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return f'<td dir="auto">{escape(value)}</td>'
    shown = "–" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
    return f'<td class="ll-n">{shown}</td>'
