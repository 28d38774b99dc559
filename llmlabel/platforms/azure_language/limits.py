"""What Azure Language accepts in a custom project, checked before anything is published.

Sources: "Custom named entity recognition service limits" (2026-08-19), "Language support" (2026-08-19) and "Custom text
classification service limits" of the Azure AI documentation; the numbers are the same for both features.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from llmlabel.errors import ConfigurationError

DOCUMENTS_TO_TRAIN, DOCUMENTS_MAX = 10, 100_000
TEXT_MAX, ENTITY_MAX, LABELS_MAX = 128_000, 500, 200
LABELS_PER_ENTITY = 50
PROJECT_NAME = re.compile(r"[A-Za-z0-9_.-]{1,50}")
CONTAINER_NAME = re.compile(r"(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
LABEL_NAME = re.compile(r"[ !\"',\-.0-9;<=>@A-Z\[\\\]^_`a-z{|}]{1,50}")
_LANGUAGE_LIST = """
    af am ar as az be bg bn br bs ca cs cy da de el en-us eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id
    it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl nb or pa pl ps pt-br pt-pt ro ru sa sd si
    sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh-hans zu
"""
LANGUAGES = frozenset(_LANGUAGE_LIST.split())
# Codes that other tools write for a language of the list.
_ALIASES = {
    "en": "en-us", "pt": "pt-pt", "zh": "zh-hans", "zh-cn": "zh-hans", "zh-sg": "zh-hans", "no": "nb", "fil": "tl",
    "iw": "he", "in": "id", "ji": "yi", "jw": "jv",
}  # fmt: skip
_OTHER_SCRIPTS = ("zh-hant", "zh-tw", "zh-hk", "zh-mo")


def language_code(language: str) -> str | None:
    """Return Azure's code for a language tag (``"en"`` → ``"en-us"``, ``"de_AT"`` → ``"de"``), None if it has none."""
    tag = language.strip().lower().replace("_", "-")
    if tag.startswith(_OTHER_SCRIPTS):
        return None
    base = tag.split("-")[0]
    for code in (tag, _ALIASES.get(tag), base, _ALIASES.get(base)):
        if code in LANGUAGES:
            return code
    return None


def check_names(project: str, container: str, language: str, labels: Iterable[str]) -> None:
    """Check what does not depend on documents.

    Raises:
        ConfigurationError: A name or the language is not accepted by Azure Language; all such problems together.
    """
    names = list(labels)
    problems = []
    if not PROJECT_NAME.fullmatch(project):
        problems.append(f"project: expected 1 to 50 of letters, digits, '_', '.', '-', found {project!r}")
    if not CONTAINER_NAME.fullmatch(container):
        problems.append(
            "container: expected 3 to 63 of lower-case letters, digits and single '-', none at the ends, "
            f"found {container!r}"
        )
    if language != "en" and language not in LANGUAGES:  # Microsoft's own sample projects say "en"
        known = language_code(language)
        problems.append(f"language: {language!r} is not supported" + (f"; use {known!r}" if known else ""))
    if not 1 <= len(names) <= LABELS_MAX:
        problems.append(f"labels: expected 1 to {LABELS_MAX}, found {len(names)}")
    problems += [
        f"label {name!r}: expected 1 to 50 ASCII characters without : $ & % * ( ) + ~ # / ?"
        for name in names
        if not LABEL_NAME.fullmatch(name)
    ]
    if problems:
        raise ConfigurationError("Azure Language does not accept these names: " + "; ".join(problems))


def text_problem(text: str) -> str | None:
    """Return why Azure Language does not take a text as a document, or None."""
    units = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
    if not text.strip():
        return "the text is empty or blank"
    if units > TEXT_MAX:
        return f"the text has {units} UTF-16 units, Azure Language takes {TEXT_MAX}"
    if text.startswith("\ufeff"):
        return "the text starts with a byte order mark; remove it, for offsets would count from behind it"
    return None
