"""The resolver suite passes for both built-ins and fails for wrong resolvers, each by a named test."""

from __future__ import annotations

import inspect
import re

import pytest

from llmlabel.resolvers.aligned import AlignedResolver
from llmlabel.resolvers.base import OffsetResolver
from llmlabel.resolvers.exact import ExactResolver
from llmlabel.testing.contract import deviates
from llmlabel.testing.resolver import OffsetResolverContract
from llmlabel.types import Placement


class TestExact(OffsetResolverContract):
    def make_resolver(self):
        return ExactResolver()


class TestAligned(OffsetResolverContract):
    def make_resolver(self):
        return AlignedResolver()


class TestAlignedWithRepeats(OffsetResolverContract):
    def make_resolver(self):
        return AlignedResolver(occurrences="all")


def at(mention, start, end):
    return Placement(mention=mention, status="exact", start=start, end=end)


def missing(mention):
    return Placement(mention=mention, status="not_found", similarity=0.0)


class LowersTheText(OffsetResolver):
    def resolve(self, text, mentions):
        starts = [text.lower().find(m.text.lower()) for m in mentions]
        return [at(m, s, s + len(m.text)) if s >= 0 else missing(m) for m, s in zip(mentions, starts, strict=True)]


class TakesTheFirst(OffsetResolver):
    def resolve(self, text, mentions):
        found = [re.search(rf"\b{re.escape(m.text)}\b", text) if m.text.strip() else None for m in mentions]
        return [at(m, *f.span()) if f else missing(m) for m, f in zip(mentions, found, strict=True)]


class Wrong(OffsetResolver):
    """Right in all but what the subclass spoils."""

    def resolve(self, text, mentions):
        return self.spoil(text, list(AlignedResolver().resolve(text, mentions)))


class DropsTheMissing(Wrong):
    def spoil(self, text, found):
        return [p for p in found if p.placed]


class SortsByPlace(Wrong):
    def spoil(self, text, found):
        return sorted(found, key=lambda p: -1 if p.start is None else p.start)


class CopiesMentions(Wrong):
    def spoil(self, text, found):
        return [p.model_copy(update={"mention": p.mention.model_copy()}) for p in found]


class Guesses(Wrong):
    def spoil(self, text, found):
        return [p if p.placed or not text else at(p.mention, 0, min(len(text), 5)) for p in found]


class CountsUtf16(Wrong):
    def spoil(self, text, found):
        def unit(position):
            return len(text[:position].encode("utf-16-le")) // 2

        return [at(p.mention, unit(p.start), unit(p.end)) if p.placed else p for p in found]


class InclusiveEnds(Wrong):
    def spoil(self, text, found):
        return [p.model_copy(update={"end": p.end - 1}) if p.placed else p for p in found]


class SearchesParts(OffsetResolver):
    def resolve(self, text, mentions):
        starts = [text.find(m.text) if m.text.strip() else -1 for m in mentions]
        return [at(m, s, s + len(m.text)) if s >= 0 else missing(m) for m, s in zip(mentions, starts, strict=True)]


class PlacesEmptyMentions(Wrong):
    def spoil(self, text, found):
        return [p if p.mention.text.strip() or not text else at(p.mention, 0, 1) for p in found]


class ReadsPatterns(Wrong):
    def resolve(self, text, mentions):
        found = super().resolve(text, mentions)
        return [
            p if p.placed or not (m := re.search(p.mention.text or "$^", text)) else at(p.mention, *m.span())
            for p in found
        ]

    def spoil(self, text, found):
        return found


class IgnoresNumbers(Wrong):
    def spoil(self, text, found):
        result = []
        for p in found:
            pattern = re.sub(r"\d+", "[0-9]+", p.mention.text)
            other = re.search(pattern, text) if pattern != p.mention.text else None
            result.append(at(p.mention, *other.span()) if other and not p.placed else p)
        return result


class CallsEverythingExact(Wrong):
    def spoil(self, text, found):
        return [p.model_copy(update={"status": "exact", "changes": ()}) if p.placed else p for p in found]


class Remembers(Wrong):
    def __init__(self):
        self.texts = []

    def spoil(self, text, found):
        self.texts.append(text)
        return found if len(self.texts) < 3 else [missing(p.mention) for p in found]


class OneLabelOnly(Wrong):
    def spoil(self, text, found):
        seen = set()
        return [
            p if (p.start, p.end) not in seen and not seen.add((p.start, p.end)) else missing(p.mention) for p in found
        ]


class GivesPlacesTwice(Wrong):
    def spoil(self, text, found):
        first = {}
        return [first.setdefault(p.mention.text, p) if p.placed or p.mention.text in first else p for p in found]


class DistractedByTheMissing(Wrong):
    def spoil(self, text, found):
        shift = any(not p.placed for p in found)
        return [missing(p.mention) if shift and p.mention.text == "Rome" else p for p in found]


class StalePreparation(Wrong):
    def prepare(self, text):
        return lambda mentions: [missing(m) for m in mentions]

    def spoil(self, text, found):
        return found


WRONG = [
    (LowersTheText, "test_a_unique_verbatim_mention_is_placed_exactly_there"),
    (TakesTheFirst, "test_a_repeated_mention_takes_the_next_place"),
    (TakesTheFirst, "test_reading_order_decides_between_places"),
    (DropsTheMissing, "test_one_placement_for_each_mention_in_order"),
    (SortsByPlace, "test_one_placement_for_each_mention_in_order"),
    (CopiesMentions, "test_one_placement_for_each_mention_in_order"),
    (Guesses, "test_an_absent_mention_is_refused"),
    (CountsUtf16, "test_a_unique_verbatim_mention_is_placed_exactly_there"),
    (InclusiveEnds, "test_exact_means_character_for_character"),
    (SearchesParts, "test_a_part_of_a_word_is_no_place"),
    (PlacesEmptyMentions, "test_an_empty_mention_is_never_placed"),
    (ReadsPatterns, "test_characters_of_patterns_are_taken_literally"),
    (IgnoresNumbers, "test_another_number_is_another_thing"),
    (CallsEverythingExact, "test_exact_means_character_for_character"),
    (Remembers, "test_the_same_question_has_the_same_answer"),
    (OneLabelOnly, "test_two_labels_on_one_surface_take_two_places"),
    (GivesPlacesTwice, "test_more_mentions_than_places_are_duplicates"),
    (DistractedByTheMissing, "test_an_absent_mention_changes_no_other_placement"),
    (StalePreparation, "test_a_prepared_text_gives_the_same_placements"),
]


def run(resolver, name):
    """Run one standard test on a resolver, with all its parameters; return the first failure."""
    suite = OffsetResolverContract()
    made = resolver()
    suite.make_resolver = lambda: made
    test = getattr(suite, name)
    values = [value for mark in getattr(test, "pytestmark", ()) for value in mark.args[1]]
    for arguments in [(value,) for value in values] or [()]:
        try:
            test(*arguments)
        except AssertionError as error:
            return error
    return None


@pytest.mark.parametrize(("resolver", "name"), WRONG, ids=lambda value: getattr(value, "__name__", value))
def test_a_wrong_resolver_is_caught_by_the_test_made_for_it(resolver, name):
    """
    Each spoiled resolver fails the named standard test, and the right one passes it.
    """
    assert run(resolver, name) is not None
    assert run(AlignedResolver, name) is None


def test_a_replaced_standard_test_needs_a_reason():
    """
    A suite that hides a standard test is refused unless it says why.
    """
    with pytest.raises(TypeError, match="test_a_part_of_a_word_is_no_place"):
        type("Weak", (OffsetResolverContract,), {"test_a_part_of_a_word_is_no_place": lambda self: None})

    reasoned = deviates(reason="finds syllables")(lambda self: None)
    assert type("Stated", (OffsetResolverContract,), {"test_a_part_of_a_word_is_no_place": reasoned})


def test_a_suite_without_a_resolver_says_what_to_write():
    """
    The message names the method to write.
    """
    with pytest.raises(NotImplementedError, match="make_resolver"):
        OffsetResolverContract().make_resolver()


def test_every_standard_test_says_what_it_shows():
    """
    Each standard test has a sentence that a failing user reads.
    """
    assert all(inspect.getdoc(test) for test in OffsetResolverContract.standard_tests.values())
