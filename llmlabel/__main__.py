"""``python -m llmlabel``: the same as ``llmlabel``."""

from llmlabel.cli import main

main()
