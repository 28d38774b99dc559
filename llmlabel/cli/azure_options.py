"""Options that the commands of ``llmlabel azure`` share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

Endpoint = Annotated[
    str,
    typer.Option(metavar="URL", envvar="AZURE_LANGUAGE_ENDPOINT", help="Address of the Language resource."),
]
Project = Annotated[str, typer.Option(metavar="NAME", help="Name of the project.")]
Container = Annotated[str, typer.Option(metavar="NAME", help="Name of the blob container with the texts.")]
OptionalContainer = Annotated[
    str, typer.Option(metavar="NAME", help="Compare with what was imported; its texts lie in this container.")
]
Account = Annotated[
    str, typer.Option("--storage-account", metavar="URL", help="Address of the storage account; or a connection string "
                      "in the environment.")
]  # fmt: skip
Texts = Annotated[
    Path | None,
    typer.Option("--texts", metavar="DIR", help="A folder that is kept equal to the container, instead of an account."),
]
Entra = Annotated[bool, typer.Option("--entra", help="Sign in with Entra ID (az login) instead of keys.")]
ApiVersion = Annotated[str, typer.Option(metavar="VERSION", help="Version of the authoring API.")]
Kept = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where journal, manifest and backups are kept. [llmlabel-azure-PROJECT]"),
]
Existing = Annotated[
    Literal["refuse", "merge", "overwrite"],
    typer.Option(help="What to do with a project of this name; merge keeps all that people labelled."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Tell what would change; upload and import nothing.")]
OverwriteTexts = Annotated[
    bool, typer.Option("--overwrite-texts", help="Replace other texts of the same name, which others may use.")
]

# -- what is imported -------------------------------------------------------------------------------------------------

MinConfidence = Annotated[
    float | None,
    typer.Option(min=0, max=1, metavar="X", help="Hold back documents with a label below X; see --samples."),
]
OnlyReviewed = Annotated[bool, typer.Option("--only-reviewed", help="Hold back documents that no person has reviewed.")]
Overlap = Annotated[
    Literal["refuse", "keep_longest", "keep_first"],
    typer.Option(help="Which of overlapping labels stay; a project holds no overlaps."),
]
Unfit = Annotated[
    Literal["refuse", "hold_back"],
    typer.Option(help="What to do about labelled documents that Azure does not take (too long, overlaps)."),
]
TestShare = Annotated[
    float | None, typer.Option(min=0, max=1, metavar="X", help="Share of documents for the Test data set.")
]
SplitSeed = Annotated[int, typer.Option(metavar="N", help="Seed of --test-share.")]
Language = Annotated[str, typer.Option(metavar="CODE", help="Language of the project, in Azure's spelling.")]

# -- labelling --------------------------------------------------------------------------------------------------------

Deployment = Annotated[str, typer.Option(metavar="NAME", help="Azure OpenAI deployment, or model, that labels.")]
OptionalSchema = Annotated[
    Path | None,
    typer.Option("--schema", "-s", metavar="FILE", help="Label schema; default: the labels of the project."),
]
OpenAIEndpoint = Annotated[
    str, typer.Option(metavar="URL", help="Address of the Azure OpenAI resource. [AZURE_OPENAI_ENDPOINT]")
]
Glob = Annotated[str, typer.Option(metavar="GLOB", help="Which texts of the container, by name.")]
OnlyUnlabeled = Annotated[
    bool, typer.Option("--only-unlabeled", help="Leave out texts that have labels in the project.")
]
Entities = Annotated[str, typer.Option(metavar="A,B", help="Only these entity labels of the schema.")]
Upload = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Upload the .txt files of this folder to the container first.")
]
Samples = Annotated[
    int, typer.Option(min=1, metavar="N", help="Ask N times; the share of answers that agree is the confidence.")
]
FilteredShare = Annotated[
    float,
    typer.Option(min=0, max=1, metavar="X", help="Stop when the content filter takes more than this share."),
]
