"""The error tree: one root, facts as attributes, safe to send between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from llmlabel import errors
from llmlabel.errors import (
    AuthenticationError,
    CompletionError,
    ConfigurationError,
    ExportError,
    JournalError,
    LabelerError,
    LLMLabelError,
    RateLimitError,
    RunFailed,
    ServiceError,
    SourceError,
    TransportError,
)

SOME = [
    ConfigurationError("wrong", path="s.yaml", line=3, field="entities[0]", problems=[(("entities", 0), "wrong")]),
    ConfigurationError("wrong"),
    LabelerError("down", retryable=True, retry_after=1.5, status_code=503, fatal=True),
    AuthenticationError("no", status_code=401),
    RateLimitError("slow", retry_after=2.0),
    ServiceError("broken", status_code=500),
    TransportError("reset", retryable=True),
    CompletionError("no JSON"),
    JournalError("newer"),
    ExportError("kili-bundle", ["a: x", "b: y"]),
    SourceError("bad", path="a.csv", line=2),
]


@pytest.mark.parametrize("error", SOME, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("copied", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"])
def test_errors_pickle_with_their_facts(error, copied):
    """
    Type, message and attributes survive.
    """
    again = copied(error)

    assert type(error) is type(again)
    assert (str(error), vars(error)) == (str(again), vars(again))


def test_a_group_pickles():
    """
    The error of a run keeps its parts.
    """
    again = pickle.loads(pickle.dumps(RunFailed("2 failed", SOME[2:4])))

    assert ["down", "no"] == [str(e) for e in again.exceptions]


@pytest.mark.parametrize("name", errors.__all__)
def test_everything_has_one_root(name):
    """
    ``except LLMLabelError`` catches whatever the library raises on purpose.
    """
    assert issubclass(getattr(errors, name), LLMLabelError)


def test_configuration_errors_are_value_errors():
    """
    Callers that expect ``ValueError`` for a wrong argument get one.
    """
    assert issubclass(ConfigurationError, ValueError)


def test_an_export_error_lists_its_problems():
    """
    All problems are kept, and the message shows the first twenty.
    """
    error = ExportError("jsonl", [f"doc-{n}: bad" for n in range(25)])

    assert 25 == len(error.problems)
    assert "25 problem(s)" in str(error)
    assert "doc-19" in str(error)
    assert "doc-20" not in str(error)
    assert "5 more" in str(error)


def test_a_group_splits_into_its_own_type():
    """
    ``except*`` and ``split`` keep the type.
    """
    matching, rest = RunFailed("2 failed", [SOME[2], SOME[4]]).split(RateLimitError)

    assert (RunFailed, RunFailed) == (type(matching), type(rest))
