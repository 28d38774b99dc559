"""Where documents come from: text files, JSON, tables, CoNLL, Hugging Face datasets, Python values.

Every reader yields documents lazily, in order. A record that cannot be one comes as ``Rejected``, with its position,
file, line and reason, and the records after it go on; only a source that cannot be read at all raises ``SourceError``.
Texts are passed on exactly: newlines, Unicode forms and NUL characters stay, a UTF-8 byte order mark goes.
"""

from llmlabel.sources.conll import read_conll
from llmlabel.sources.dataset import read_dataset
from llmlabel.sources.json_lines import read_json, read_json_lines
from llmlabel.sources.memory import documents_from
from llmlabel.sources.opening import open_source
from llmlabel.sources.selection import count_tokens, select
from llmlabel.sources.tables import read_csv, read_parquet
from llmlabel.sources.tags import spans_of_tags
from llmlabel.sources.text import read_text
from llmlabel.sources.tokens import detokenize, labeled_tokens

__all__ = [
    "count_tokens",
    "detokenize",
    "documents_from",
    "labeled_tokens",
    "open_source",
    "read_conll",
    "read_csv",
    "read_dataset",
    "read_json",
    "read_json_lines",
    "read_parquet",
    "read_text",
    "select",
    "spans_of_tags",
]
