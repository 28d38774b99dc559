"""The suite that every ``OffsetResolver`` passes: order, bounds, borders, repeats, refusals."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llmlabel.resolvers.base import OffsetResolver
from llmlabel.testing.contract import Contract
from llmlabel.types import Mention, Placement

# Characters that another unit, or a lower-cased copy, counts differently, before the mention.
_HARD_BEGINNINGS = (
    "",
    "İİİ ",
    "😀👩‍👧 ",
    "e\u0301e\u0301 ",
    "ﬁﬁ ",
    "ẞß ",
    "\r\n\t ",
    "\u200b\ufeff ",
    "𠮷 ",
    "AT&amp;T ",
)
_TEXT = "Ann Lee met Bob in Rome. Then Bob left Rome, and Ann Lee stayed."


class OffsetResolverContract(Contract, suite=True):
    """Standard tests of a resolver; a subclass writes ``make_resolver``.

    Example:
        ::

            class TestMine(OffsetResolverContract):
                def make_resolver(self):
                    return MyResolver()
    """

    def make_resolver(self) -> OffsetResolver:
        """Return the resolver under test."""
        raise NotImplementedError("OffsetResolverContract: write make_resolver() to return your resolver")

    def place(self, text: str, *surfaces: str | Mention) -> Sequence[Placement]:
        """Return what the resolver makes of these mentions; plain strings are labelled PER."""
        mentions = [s if isinstance(s, Mention) else Mention(text=s, label="PER") for s in surfaces]
        return self.make_resolver().resolve(text, mentions)

    def spans(self, text: str, *surfaces: str | Mention) -> list[tuple[int, int] | None]:
        """Return the span of each mention, None for those without a place."""
        found = []
        for placement in self.place(text, *surfaces):
            start, end = placement.start, placement.end
            found.append((start, end) if placement.placed and start is not None and end is not None else None)
        return found

    def test_one_placement_for_each_mention_in_order(self) -> None:
        """As many placements as mentions, in their order, each with the very mention object."""
        mentions = [Mention(text=t, label="PER") for t in ("Rome", "Nobody", "Ann Lee", "", "Bob")]
        found = self.make_resolver().resolve(_TEXT, mentions)

        assert [id(mention) for mention in mentions] == [id(placement.mention) for placement in found]

    def test_no_mentions_no_placements(self) -> None:
        """An empty answer gives an empty result."""
        assert list(self.make_resolver().resolve(_TEXT, [])) == []

    @pytest.mark.parametrize("beginning", _HARD_BEGINNINGS)
    def test_a_unique_verbatim_mention_is_placed_exactly_there(self, beginning: str) -> None:
        """Offsets are code points of the text as it is, whatever stands before the mention."""
        text = f"{beginning}Zoë Müller came."
        start = len(beginning)

        assert [(start, start + 10)] == self.spans(text, "Zoë Müller")

    @pytest.mark.parametrize("beginning", _HARD_BEGINNINGS)
    def test_spans_lie_within_the_text_and_are_not_empty(self, beginning: str) -> None:
        """Every span is a non-empty slice."""
        text = f"{beginning}Ann, ANN; ann{beginning}"

        assert all(span is None or 0 <= span[0] < span[1] <= len(text) for span in self.spans(text, "Ann", "ann", "x"))

    def test_exact_means_character_for_character(self) -> None:
        """A place called exact slices to the mention; any other names what was changed."""
        for placement in self.place("ANN Lee, Ann  Lee and Ann Lee", "Ann Lee", "Ann Lee", "ANN LEE"):
            if placement.placed:
                found = "ANN Lee, Ann  Lee and Ann Lee"[placement.start : placement.end]
                assert (placement.status == "exact") == (found == placement.mention.text)
                assert (placement.status == "exact") == (not placement.changes)

    @pytest.mark.parametrize("surface", ["", " ", "\n", "\u200b"])
    def test_an_empty_mention_is_never_placed(self, surface: str) -> None:
        """Nothing has no place."""
        assert self.spans(f"{_TEXT} \n \u200b", surface) == [None]

    @pytest.mark.parametrize("surface", ["Carol Smith", "Paris", "no entity", "Note: nothing was found in the text"])
    def test_an_absent_mention_is_refused(self, surface: str) -> None:
        """What is not in the text is not placed anywhere."""
        assert self.spans(_TEXT, surface) == [None]

    def test_another_number_is_another_thing(self) -> None:
        """A mention with a changed number is refused."""
        assert self.spans("Windows 11 and 2024-05-01", "Windows 10", "2024-05-02") == [None, None]

    def test_a_part_of_a_word_is_no_place(self) -> None:
        """A mention inside a longer word is passed over."""
        assert self.spans("Annika and Joanne, Ann.", "Ann") == [(19, 22)]
        assert self.spans("Annika and Joanne", "Ann") == [None]

    def test_scripts_without_spaces_have_no_word_borders(self) -> None:
        """In Chinese and Thai a name stands beside other letters."""
        assert self.spans("马云在杭州创办了", "杭州") == [(3, 5)]
        assert self.spans("นายสมชายเดินทาง", "สมชาย") == [(3, 8)]

    def test_a_repeated_mention_takes_the_next_place(self) -> None:
        """The second mention of a name stands at its second occurrence."""
        assert self.spans(_TEXT, "Ann Lee", "Ann Lee") == [(0, 7), (49, 56)]

    def test_more_mentions_than_places_are_duplicates(self) -> None:
        """No place is given twice under one label."""
        statuses = [placement.status for placement in self.place("Ann left.", "Ann", "Ann")]

        assert statuses == ["exact", "duplicate"]

    def test_two_labels_on_one_surface_take_two_places(self) -> None:
        """With two places, each label has its own; with one, both have it."""
        person, city = Mention(text="Paris", label="PER"), Mention(text="Paris", label="LOC")

        assert self.spans("Paris saw Paris.", person, city) == [(0, 5), (10, 15)]
        assert self.spans("Paris slept.", person, city) == [(0, 5), (0, 5)]

    def test_reading_order_decides_between_places(self) -> None:
        """A mention between two sure ones stands between them."""
        assert self.spans(_TEXT, "Bob", "Rome", "Bob") == [(12, 15), (19, 23), (30, 33)]
        assert self.spans("Bob. Ann left, then Carl asked Bob", "Ann", "Carl", "Bob") == [(5, 8), (20, 24), (31, 34)]

    def test_nested_mentions_are_both_placed(self) -> None:
        """A name inside a longer name has its own place."""
        assert self.spans("University of York", "University of York", "York") == [(0, 18), (14, 18)]

    def test_characters_of_patterns_are_taken_literally(self) -> None:
        """A mention is a string, not a regular expression."""
        assert self.spans("The (a|b) plan of Rome", "(a|b)", "R.me") == [(4, 9), None]
        assert self.spans("Use: C++ now", "C++") == [(5, 8)]

    def test_a_hint_chooses_among_the_places(self) -> None:
        """Where an answer format saw the mention is where it is placed."""
        assert self.spans(_TEXT, Mention(text="Bob", label="PER", hint=30)) == [(30, 33)]

    def test_the_same_question_has_the_same_answer(self) -> None:
        """Placements depend on text and mentions only."""
        resolver = self.make_resolver()
        mentions = [Mention(text=t, label="PER") for t in ("Bob", "Rome", "Ann Lee", "Bob", "Nobody")]
        first = [p.model_dump() for p in resolver.resolve(_TEXT, mentions)]
        resolver.resolve("Bob, Bob and Ann Lee in Rome.", mentions)

        assert first == [p.model_dump() for p in resolver.resolve(_TEXT, mentions)]

    def test_an_absent_mention_changes_no_other_placement(self) -> None:
        """The answer for a mention does not depend on one that is not in the text."""
        alone = self.spans(_TEXT, "Bob", "Rome", "Bob")
        beside = self.spans(_TEXT, "Zebedee", "Bob", "Quux Corp", "Rome", "Bob")

        assert [None, alone[0], None, alone[1], alone[2]] == beside

    def test_a_prepared_text_gives_the_same_placements(self) -> None:
        """``prepare(text)`` asked several times equals ``resolve``."""
        resolver = self.make_resolver()
        place = resolver.prepare(_TEXT)
        for surfaces in (["Bob"], ["Rome", "Ann Lee"], ["Bob", "Bob"]):
            mentions = [Mention(text=t, label="PER") for t in surfaces]

            assert list(resolver.resolve(_TEXT, mentions)) == list(place(mentions))

    def test_an_empty_text_has_no_places(self) -> None:
        """In nothing, nothing is found."""
        assert self.spans("", "Ann") == [None]

    def test_candidates_count_the_possible_places(self) -> None:
        """How many places there were to choose from is told."""
        assert [placement.candidates for placement in self.place("Bob, Bob, Ann", "Bob", "Bob", "Ann")] == [2, 2, 1]
