"""Signs that a text talks to the model, or that an answer cannot be right. Pure; a flag for people, never a filter."""

from __future__ import annotations

import re
from functools import cache
from unicodedata import normalize

_TOLD = r"(?:instructions?|prompts?|rules|directions|directives|guidelines|commands|orders|messages?)"
_BEFORE = r"(?:previous|prior|above|preceding|earlier|foregoing|existing|original|initial|system)"

# Reason and pattern, on folded text (lower case, NFKC, no zero-width characters). Gaps are bounded: matching is linear.
_PATTERNS = (
    (
        "role token",
        r"<\|\s?[a-z][a-z0-9_\u2581 ]{1,40}\|>"
        r"|\[/?(?:inst|system_prompt|gmask)\]|<</?sys>>|<(?:start|end)_of_turn>|</?(?:document|context)-[0-9a-f]{8}"
        r"|(?:^|\n)[ \t]*#{2,3} ?(?:instructions?|system|response) ?:|\n\n(?:human|assistant|system) ?:",
    ),
    (
        "asks to set instructions aside",
        r"(?<!not )(?<!n't )(?<!never )"
        r"\b(?:ignor(?:e|ing)|disregard|forget|override|bypass|neglect)\b[^.!?\n]{0,40}"
        rf"\b(?:{_BEFORE}|all|any|your|the)\b[^.!?\n]{{0,30}}\b{_TOLD}\b"
        r"|\b(?:ignore|disregard|forget)\b[^.!?\n]{0,20}\b(?:(?:everything|all|text|the) )?(?:the )?above\b"
        r"|\bforget (?:everything|all)\b[^.!?\n]{0,30}\b(?:told|said|before|above|know)\b"
        r"|\bignorier\w*\b[^.!?\n]{0,40}\b(?:anweisung|instruktion|vorgabe|regel|obige|bisherige|vorherige)"
        r"|\b(?:vergiss|missachte)\w*\b[^.!?\n]{0,40}\b(?:anweisung|instruktion|vorgabe|regel|bisherige|vorherige)"
        r"|\b(?:ignore[rsz]?|oublie[rz]?) (?:toutes )?(?:les|ces|vos|tes|mes|tout)\b"
        r"[^.!?\n]{0,40}\b(?:instructions?|consignes?|directives)\b"
        r"|\b(?:ignor(?:a|á|e|en|ad)|olvid(?:a|á|e|en|ad))\b[^.!?\n]{0,40}\b(?:instrucciones|indicaciones|ordenes|órdenes)\b"
        r"|\b(?:ignor(?:a|i|ate|are)|dimentic(?:a|hi|ate|are))\b[^.!?\n]{0,40}\b(?:istruzioni|indicazioni|direttive)\b"
        r"|\b(?:ignor(?:e|a|em)|esque(?:ça|ca|ce)|desconsidere)\b[^.!?\n]{0,40}\b(?:instruções|instrucoes|orientações)"
        r"|\b(?:negeer|vergeet)\b[^.!?\n]{0,40}\b(?:instructies|aanwijzingen|opdrachten)\b"
        r"|\b(?:zignoruj|ignoruj|pomi[nń])\w*\b[^.!?\n]{0,40}\b(?:instrukcj|polece)"
        r"|(?:игнорируй|проигнорируй|забудь|не обращай внимания)[^.!?\n]{0,40}(?:инструкци|указани|команд|выше)"
        r"|(?:önceki|yukarıdaki)[^.!?\n]{0,30}(?:talimat|komut)[^.!?\n]{0,30}(?:yok say|unut|görmezden|dikkate alma)"
        r"|(?:忽略|无视|無視|忘记|忘記|不要理会)[^。！？\n]{0,20}(?:指令|指示|说明|說明|提示|规则|規則|以上|上述|上面)"
        r"|(?:指示|命令|プロンプト|上記|これまで)[^。！？\n]{0,15}(?:無視|忘れ)"
        r"|(?:지시|명령|지침|위의 내용)[^.!?\n]{0,15}(?:무시|잊)"
        r"|(?:تجاهل|انس|تجاهلي|أهمل)[^.!?\n]{0,30}(?:التعليمات|الأوامر|الإرشادات)"
        r"|(?:निर्देश|आदेश)[^.!?।\n]{0,30}(?:अनदेखा|नज़रअंदाज|भूल)",
    ),
    (
        "gives the model orders",
        rf"\b(?:new|updated|revised|important|urgent) {_TOLD} ?(?:for (?:the )?(?:ai|model|assistant|annotator))? ?:"
        r"|\byou are now (?:in )?(?:dan\b|developer mode|an? (?:ai|assistant|chatbot|language model))"
        r"|\b(?:reveal|print|repeat|show|output)\b[^.!?\n]{0,20}\b(?:system prompt|your (?:instructions|prompt))"
        r"|\b(?:label|tag|mark|annotate|classify) (?:everything|all|each|every|this (?:text|document))\b"
        r"[^.!?\n]{0,40}\bas\b"
        r"|\bdo not (?:label|annotate|tag|mark|extract)\b"
        r"|\b(?:respond|answer|reply|output) only (?:with|in)\b"
        r"|\b(?:dear|attention,?|note to(?: the)?|hey,?) (?:ai|llm|chatgpt|gpt|language model|annotation model)\b",
    ),
    ("hidden characters", r"(?<!\U0001f3f4)(?<![\U000e0000-\U000e007f])[\U000e0000-\U000e007f]{4,}"),
)
# A pattern is only tried where one of these stands: plain substring search is a hundred times faster.
_TRIGGERS = {
    "role token": "<|,inst],system_prompt],gmask],sys>>,_of_turn,document-,context-,##,\n\nhuman,\n\nassistant,"
    "\n\nsystem",
    "asks to set instructions aside": "ignor,disregard,forget,override,bypass,neglect,vergi,missachte,oubli,olvid,"
    "dimentic,esque,desconsider,negeer,vergeet,pomi,игнорируй,забудь,не обращай,önceki,yukarıdaki,忽略,无视,無視,忘,"
    "不要理会,무시,잊,تجاهل,انس,أهمل,निर्देश,आदेश",
    "gives the model orders": "new ,updated ,revised ,important ,urgent ,you are now,prompt,your instructions,"
    "everything, all ,each ,every ,this ,do not ,only ,dear ,attention,note to,hey",
}
_INVISIBLE = dict.fromkeys((0x00AD, 0x180E, *range(0x200B, 0x2010), *range(0x2060, 0x2065), 0xFEFF))
# Scripts written without spaces: two characters are taken for one word.
_DENSE = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_WORD = re.compile(r"\w+")
_FEW = 5


@cache
def _compiled() -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    return tuple(
        (reason, tuple(_TRIGGERS.get(reason, "").split(",")), re.compile(normalize("NFKC", pattern)))
        for reason, pattern in _PATTERNS
    )


def suspicion(text: str) -> tuple[str, ...]:
    """Return why a text looks as if it talked to the model (role tokens, orders, hidden characters); empty if not.

    A heuristic in about a dozen languages. It changes nothing about how the text is labelled.
    """
    folded = text.lower() if text.isascii() else normalize("NFKC", text.translate(_INVISIBLE)).lower()
    return tuple(
        reason
        for reason, triggers, pattern in _compiled()
        if (any(map(folded.__contains__, triggers)) if triggers else not text.isascii()) and pattern.search(folded)
    )


def implausible_count(text: str, count: int) -> bool:
    """Whether ``count`` entities are more than the words of ``text``; five or fewer are always plausible."""
    if count <= _FEW:
        return False
    dense = len(_DENSE.findall(text))
    return count > len(_WORD.findall(_DENSE.sub(" ", text))) + dense / 2
