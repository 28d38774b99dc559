"""Reading a successful reply of either OpenAI API. Pure."""

from __future__ import annotations

from llmlabel.labelers import chat, responses
from llmlabel.labelers.content_filter import filtered_prompt
from llmlabel.labelers.vendor_errors import Where, not_an_answer, status_error
from llmlabel.labelers.wire import Reply, error_inside
from llmlabel.types import Completion


def read_answer(reply: Reply, where: Where, api: str) -> Completion:
    """Return the completion in a reply with a status of success.

    Raises:
        LabelerError: It holds an error, or no answer.
    """
    body = reply.json()
    if body is None:
        raise not_an_answer(reply, where, "expected a JSON object, found something else")
    inner = error_inside(body, reply.headers)
    if inner is not None:
        filtered = filtered_prompt(inner)
        if filtered is None:
            raise status_error(inner, where)
        return filtered
    answer = responses.read(body) if api == "responses" else chat.read(body)
    if answer is None:
        raise not_an_answer(reply, where, "the answer holds no choice")
    return answer
