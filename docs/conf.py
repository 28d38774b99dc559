"""Sphinx configuration; ``nox -s docs`` builds with warnings as errors."""

from __future__ import annotations

import llmlabel

project = "llmlabel"
author = "The llmlabel authors"
project_copyright = "2026, the llmlabel authors"
version = release = llmlabel.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"llmlabel {release}"

myst_enable_extensions = ["colon_fence", "deflist", "smartquotes"]
myst_heading_anchors = 3
nb_execution_mode = "auto"
nb_execution_raise_on_error = True

autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "separated"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# A class documents its arguments once, in its own docstring.
autoclass_content = "class"
python_use_unqualified_type_names = True
suppress_warnings = ["ref.python"]  # a field and a class may share a name (Label.name, Prompt.sample)
