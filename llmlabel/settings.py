"""What a pipeline is told of its work: how to ask, and what it may use."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from llmlabel.values import Value


class Asking(Value):
    """How a document is asked about.

    ``documents_per_request`` packs short documents, ``max_document_tokens`` cuts long ones (neighbours share
    ``overlap_tokens``; ``context_tokens`` on each side are shown beside a piece, not to be labelled), ``passes``
    repeats for recall, ``samples`` for votes (a label stays if at least the share ``vote_threshold`` of those that
    answered gave it), ``max_reasks`` bounds asking again after an unusable answer.
    ``near_labels="map"`` takes a near-miss label name (``Person`` for ``PERSON``) for the label; by default it goes to
    the ledger as ``unknown_label``.
    """

    documents_per_request: int = Field(default=1, ge=1)
    max_document_tokens: int | None = Field(default=None, ge=16)
    overlap_tokens: int = Field(default=0, ge=0)
    context_tokens: int = Field(default=0, ge=0)
    passes: int = Field(default=1, ge=1)
    samples: int = Field(default=1, ge=1)
    vote_threshold: float = Field(default=0.5, gt=0, le=1)
    max_reasks: int = Field(default=2, ge=0)
    near_labels: Literal["ledger", "map"] = "ledger"

    @model_validator(mode="after")
    def _overlap_fits(self) -> Self:
        if self.max_document_tokens is not None and self.overlap_tokens * 2 > self.max_document_tokens:
            raise ValueError(
                f"overlap_tokens: expected at most half of max_document_tokens, found {self.overlap_tokens}"
            )
        return self


class Limits(Value):
    """What a run may use: requests in flight, pace per minute, money, tokens, seconds per request."""

    max_concurrency: int | Literal["auto"] = "auto"
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    max_cost: float | None = Field(default=None, ge=0)
    max_total_tokens: int | None = Field(default=None, ge=0)
    request_timeout: float = Field(default=120.0, gt=0)

    @field_validator("max_concurrency")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f'expected "auto" or a number from 1, found {value}')
        return value
