"""What is tolerated between a mention and the text, what is refused, and how the place is described."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys

import pytest

from llmlabel.errors import ConfigurationError
from llmlabel.resolvers.aligned import AlignedResolver
from llmlabel.types import Mention, Placement


def place(text, *said, **options):
    mentions = [one if isinstance(one, Mention) else Mention(text=one, label="PER") for one in said]
    return AlignedResolver(**options).resolve(text, mentions)


TOLERATED = [
    ("Greta THUNBERG spoke", "greta thunberg", "Greta THUNBERG", "case"),
    ("in İstanbul today", "istanbul", "İstanbul", "case diacritics"),
    ("Herr Weiß kam", "WEISS", "Weiß", "case"),
    ("the oﬃce of Ann", "office", "oﬃce", "unicode"),
    ("Ｔｏｙｏｔａ rose", "Toyota", "Ｔｏｙｏｔａ", "unicode"),
    ("the cafe\u0301 Procope", "café Procope", "cafe\u0301 Procope", "unicode"),
    ("Julio César left", "Julio Cesar", "Julio César", "diacritics"),
    ("Lech Wałęsa won", "Lech Walesa", "Lech Wałęsa", "diacritics"),
    ("أَحْمَدُ زُوَيْل هنا", "أحمد زويل", "أَحْمَدُ زُوَيْل", "diacritics"),
    ("at St. John’s today", "St. John's", "St. John’s", "quotes"),
    ("Ray–Ban sells", "Ray-Ban", "Ray–Ban", "dashes"),
    ("Te\u200bsla and Ford", "Tesla", "Te\u200bsla", "zero_width"),
    ("the New\n   York Times", "New York Times", "New\n   York Times", "whitespace"),
    ("from Inter-\n  national Paper", "International Paper", "Inter-\n  national Paper", "hyphenation"),
    ("at AT&amp;T in Dallas", "AT&T", "AT&amp;T", "html"),
    ("at AT&T in Dallas", "AT&amp;T", "AT&T", "html"),
    ("the lady 's room", "lady's room", "lady 's room", "whitespace"),
    ("ask Ann now", "**Ann**", "Ann", "punctuation"),
    ("ask Ann now", "- Ann", "Ann", "punctuation"),
    ("ask Ann now", "12. Ann", "Ann", "wrapper"),
    ("ask Ann now", "Ann (PER)", "Ann", "wrapper"),
    ("ask Ann now", "PER: Ann", "Ann", "wrapper"),
    ("ask Ann now", "<b>Ann</b>", "Ann", "wrapper"),
    ("ask Ann now", "Ann.", "Ann", "punctuation"),
    ("only Beatles here", "the Beatles", "Beatles", "article"),
    ("we met Heidi there", "Heidi's", "Heidi", "possessive"),
    ("one company here", "companies", "company", "plural"),
    ("two companies here", "company", "companies", "plural"),
    ("the John Grier Home opened", "the Grier Home", "the John Grier Home", "missing_word"),
    (
        "a most curious and old blue ship sank",
        "a most curious ... ship",
        "a most curious and old blue ship",
        "ellipsis",
    ),
    ("in London today", "Lonodn", "London", "typo"),
    ("Basil Hallward came", "Basil Hallwadr", "Basil Hallward", "typo"),
    ("I met Rachael Smyth", "Rachel Smith", "Rachael Smyth", "typo"),
    ("the E. A. signed a tea", "EA", "E. A", "punctuation"),
    ("阿里巴巴集团", "阿里 巴巴", "阿里巴巴", "whitespace"),
    ("\u1109\u1165\u110b\u116e\u11af\u110b\u1173\u11ab", "서울", "\u1109\u1165\u110b\u116e\u11af", "unicode"),
    ("عام ٢٠٢٤ كان", "2024", "٢٠٢٤", "unicode"),
    ("add ½ cup", "1/2 cup", "½ cup", "unicode"),
    ("in Ankara today", "Ankara'nın", "Ankara", "possessive"),
    ("ask Ann now", "- [x] Ann", "Ann", "wrapper"),
    ("the cafe\u0301 bar", "cafe", "cafe\u0301", "diacritics"),
]


@pytest.mark.parametrize(("text", "said", "found", "change"), TOLERATED)
def test_what_models_change_is_found_and_named(text, said, found, change):
    """
    The mention is placed on the words of the text, and the change has its name.
    """
    (placement,) = place(text, said)

    assert found == text[placement.start : placement.end]
    assert set(change.split()) & set(placement.changes)
    assert ("fuzzy" if change == "typo" else "normalized") == placement.status
    assert 0.6 <= placement.similarity < 1


REFUSED = [
    ("sold Windows 11", "Windows 10"),
    ("paid 3.5 million", "35 million"),
    ("paid 1,200 euros", "1200.0 euros"),
    ("in 2024", "202"),
    ("Annika came", "Ann"),
    ("Ann came", "Annika"),
    ("the black cat sat", "the black dog"),
    ("her mother and the cat", "the car"),
    ("C++ is old", "C#"),
    ("up by 5 points", "5%"),
    ("no other entity here", "no entity"),
    ("none of them", "None"),
    ("he is not at home", "he is at home"),
    ("Apple grew.", "Apple Inc"),
    ("the man saw the men and a cow", "the mun saw"),
    ("Ann met Bob", "Note: Ann is a person"),
    ("Ann", "..."),
    ("in World War II", "World War I"),
    ("Henry VIII came", "Henry VII"),
    ("in North Korea", "South Korea"),
    ("an increase of it", "decrease"),
    ("with Mr. Brown", "Mrs. Brown"),
    ("that he is ill", "she is ill"),
    ("the Do\u00adnau", "Do"),
    ("a 👨\u200d👩\u200d👧 came", "👩"),
    ("🇫🇷🇩🇪", "🇷🇩"),
    ("ශ්\u200dරී ලංකා", "ශ්"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED)
def test_what_changes_the_meaning_is_refused(text, said):
    """
    No place is better than a wrong one.
    """
    (placement,) = place(text, said)

    assert not placement.placed


def test_two_spellings_equally_near_are_ambiguous():
    """
    A misspelling between two names is not decided.
    """
    (placement,) = place("Marian and Marion met", "Marien")

    assert ("ambiguous", 2) == (placement.status, placement.candidates)


def test_a_changed_mention_leaves_its_place_to_a_verbatim_one():
    """
    One place, a misspelled and a right mention: the right one has it.
    """
    found = place("Basil Hallward came.", "Basil Hallwadr", "Basil Hallward")

    assert ["duplicate", "exact"] == [p.status for p in found]


def test_the_order_of_an_answer_outweighs_the_spelling():
    """
    Between its neighbours a mention takes a changed place rather than a verbatim one far away.
    """
    text = "Ann saw G[raf] Orlow. Bob met Graf Orlow. Carl left, and Graf Orlow slept."
    found = place(text, "Ann", "Graf Orlow", "Bob", "Graf Orlow", "Carl")

    assert [0, 8, 22, 30, 42] == [p.start for p in found]


def test_of_equal_mentions_the_first_has_the_place():
    """
    Where the order leaves one place to two mentions of a name, the second goes elsewhere.
    """
    names = ["Ann", "Bob", "Bob", "Carl", "Dora", "Eve"]
    found = place("Ann saw Bob, Carl, Dora, Eve. Then Bob slept.", *names)

    assert [8, 35] == [p.start for p in found if p.mention.text == "Bob"]


def test_placements_are_like_those_that_are_checked():
    """
    A placement equals, dumps, copies and pickles like one that was validated.
    """
    for made in place("Ann met ann and Bobb.", "Ann", "ANN", "Bob", "Zoe", occurrences="all"):
        checked = Placement(**{name: getattr(made, name) for name in Placement.model_fields})

        assert checked == made == pickle.loads(pickle.dumps(made)) == made.model_copy()
        assert checked.model_dump_json() == made.model_dump_json()
        assert checked == Placement.model_validate_json(made.model_dump_json())


def test_two_spellings_of_one_name_share_the_places_of_its_words():
    """
    The second spelling takes the place that is verbatim for neither, rather than none.
    """
    found = place("a S[ister] of his. Her aunt. A sister of his.", "a sister of his", "A sister of his")

    assert [(0, 17), (29, 44)] == [(p.start, p.end) for p in found]


def test_no_edit_distance_is_loaded_before_it_is_needed():
    """
    Importing the resolver, and placing what stands verbatim, does without the library for the fuzzy tier.
    """
    script = (
        "import sys\n"
        "from llmlabel import AlignedResolver, Mention\n"
        "AlignedResolver().resolve('Ann met Bob.', [Mention(text='Bob', label='PER')])\n"
        "print('rapidfuzz' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False" == run.stdout.strip()


def test_context_restricts_the_places():
    """
    What the model said stands before or after chooses among equal surfaces.
    """
    text = "Paris in Texas is small. Paris in France is large."
    (placement,) = place(text, Mention(text="Paris", label="LOC", after="in FRANCE"))

    assert (25, 30) == (placement.start, placement.end)


def test_answers_grouped_by_label_follow_the_order_within_each_label():
    """
    With labels one after the other, each list is in reading order by itself.
    """
    text = "Ann saw Rome. Bob saw Oslo. Ann left Oslo. Bob left Rome."
    said = [("Ann", "P"), ("Bob", "P"), ("Ann", "P"), ("Bob", "P"), ("Rome", "L"), ("Oslo", "L"), ("Rome", "L")]
    found = AlignedResolver().resolve(text, [Mention(text=t, label=label) for t, label in said])

    assert [0, 14, 28, 43, 8, 22, 52] == [p.start for p in found]


def test_all_occurrences_are_named_once():
    """
    With occurrences="all" one placement carries the places that no mention took.
    """
    first, second = place("Ann, Ann, Ann and Ann", "Ann", "Ann", occurrences="all")

    assert [(0, 3), (5, 8)] == [(p.start, p.end) for p in (first, second)]
    assert ((10, 13), (18, 21)) == first.repeats
    assert () == second.repeats


def test_repeats_are_not_labelled_unless_asked_for():
    """
    By default a mention has its one place.
    """
    assert () == place("Ann, Ann", "Ann")[0].repeats


def test_a_minimal_similarity_refuses_the_doubtful():
    """
    What is changed more than allowed is not found.
    """
    assert "fuzzy" == place("in London today", "Lonodn")[0].status
    assert "not_found" == place("in London today", "Lonodn", min_similarity=0.95)[0].status


@pytest.mark.parametrize("options", [{"min_similarity": 1.5}, {"min_similarity": -1}, {"occurrences": "some"}])
def test_wrong_settings_are_refused(options):
    """
    The message names the setting.
    """
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        AlignedResolver(**options)


def test_hand_made_traps(shared):
    """
    In every hand-made text each span is found where it stands, behind Arabic particles too.
    """
    lines = (shared / "data/handmade/unicode_edges.jsonl").read_text(encoding="utf-8").splitlines()
    wrong = []
    for record in map(json.loads, lines):
        said = [Mention(text=span["text"], label=span["label"]) for span in record["spans"]]
        for span, placement in zip(record["spans"], AlignedResolver().resolve(record["text"], said), strict=True):
            if (span["start"], span["end"]) != (placement.start, placement.end):
                wrong.append((record["id"], span["text"]))

    assert [name for name, _ in wrong] == []


PAGE = "It rained, and nothing else can be told of that day. " * 45


def test_a_name_said_once_too_often_is_not_carried_to_another_page():
    """
    The passage has one Ann, the answer two: the second is a repetition, not the Ann of a later page.
    """
    text = f"Ann met Bob and Carl. {PAGE} Dora left, and Ann slept. {PAGE} Ann woke up."
    found = place(text, "Ann", "Ann", "Bob", "Carl", "Dora", "Ann")

    assert ["exact", "duplicate", "exact", "exact", "exact", "exact"] == [p.status for p in found]
    assert text.index("Ann slept") == found[-1].start


def test_a_list_of_all_places_of_each_name_keeps_them():
    """
    A name that is said nowhere else was listed with all its places, however far apart.
    """
    text = f"Ann met Bob and Carl. {PAGE} Dora left, and Ann slept. {PAGE} Ann woke up."
    found = place(text, "Ann", "Ann", "Ann", "Bob", "Carl", "Dora")

    assert [match.start() for match in re.finditer("Ann", text)] == [p.start for p in found[:3]]


def test_a_name_before_and_behind_a_longer_one_takes_two_places():
    """
    ``Ann Lee`` begins where ``Ann`` does: the second Ann stands elsewhere.
    """
    text = "Bob slept. Ann Lee came. Carl left. Ann met Dora."
    found = place(text, "Bob", "Ann", "Ann Lee", "Ann", "Carl", "Dora")

    assert [11, 11, 36] == [p.start for p in found[1:4]]
