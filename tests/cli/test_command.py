"""What all commands share: help, version, one line for an error, the exit status."""

from __future__ import annotations

import subprocess
import sys

import pytest

from llmlabel import __version__
from llmlabel.cli.app import app
from tests.cli.conftest import process

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
GROUPS = ["azure", "kili", "review", "runs", "schema"]
LOCAL = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1"]


def test_version():
    """
    ``--version`` prints name and version.
    """
    assert (0, f"llmlabel {__version__}\n", "") == process("--version")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(cli, flag):
    """
    The help names each command with what it does.
    """
    done = cli(flag)

    assert 0 == done.code
    assert [] == [name for name in [*COMMANDS, *GROUPS] if name not in done.out]


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_lists_of_commands_are_not_cut_off(cli, group):
    """
    What a command does fits into its line of the list.
    """
    listed = cli(*group.split(), "-h").out.partition("Commands:")[2]

    assert listed.strip()
    assert [] == [line for line in listed.splitlines() if line.endswith("...")]


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPS, "schema check", "runs list", "review page"])
def test_every_command_has_a_short_help_flag(cli, command):
    """
    ``-h`` works everywhere.
    """
    done = cli(*command.split(), "-h")

    assert 0 == done.code
    assert "Usage: " in done.out


def test_without_its_extra_the_command_says_what_to_install():
    """
    Without typer there is one line with the pip command, and status 2.
    """
    code = "import sys; sys.modules['typer'] = None; from llmlabel.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 2 == done.returncode
    assert "" == done.stdout
    assert ['the llmlabel command needs the packages of its extra: pip install "llmlabel[cli]"'] == (
        done.stderr.splitlines()
    )


def test_unknown_command_is_a_usage_error(cli):
    """
    A command that does not exist ends with status 2.
    """
    assert 2 == cli("lable").code


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["label", "DOCS", "--schema", "missing.yaml", "--out", "OUT", "--model", "m"], "missing.yaml"),
        (["label", "missing.jsonl", "--schema", "SCHEMA", "--out", "OUT", *LOCAL], "missing.jsonl"),
        (["label", "DOCS", "--schema", "SCHEMA"], "--out"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--limit", "many"], "--limit"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--labeler", "replay"], "recording"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT"], "model"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--labeler", "gpt"], "openai"),
        (
            ["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--model", "m"],
            "no key: set the environment",
        ),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--labeler", "azure-openai"], "--model or"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--labeler", "azure-openai", "-m", "d"], "--base-url"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "DOCS", *LOCAL], "--out: expected a folder"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--to", "kilo"], "kili-bundle"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--to", "jsonl,jsonl"], "twice"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--option", "api_key=sk-1"], "environment"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--option", "nothing"], "key=value"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--model", "m", "-o", "model=n"], "differ"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", "--export-option", "x.y=1"], "NAME.key=value"),
        (["label", "DOCS", "--schema", "SCHEMA", "--out", "OUT", *LOCAL, "--max-cost", "-1"], "max_cost"),
        (["prompt", "missing.jsonl", "--schema", "SCHEMA"], "missing.jsonl"),
        (["schema", "check", "missing.yaml"], "missing.yaml"),
    ],
)
def test_wrong_configuration_is_one_line(cli, folder, arguments, problem):
    """
    What the user can mend is one line on stderr that names it, with status 2; nothing else is printed or written.
    """
    named = {"DOCS": folder.documents, "SCHEMA": folder.schema, "OUT": str(folder.out)}
    done = cli(*(named.get(argument, argument) for argument in arguments))

    assert (2, "") == (done.code, done.out)
    assert 1 == len(done.err.splitlines()), done.err
    assert problem in done.err
    assert not folder.out.exists()


def test_an_error_repeats_no_part_of_a_key_given_by_mistake(cli, folder):
    """
    A key that was typed as an option is refused without being repeated.
    """
    done = cli("doctor", "--model", "m", "--option", "api_key=sk-verysecret")

    assert 2 == done.code
    assert "verysecret" not in done.out + done.err
