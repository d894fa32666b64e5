"""Command lines for Hydra: paths and texts that its grammar would take for mistakes are quoted."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence


def quote_paths(overrides: Sequence[str], keys: Collection[str]) -> list[str]:
    """The overrides, with the values of ``keys`` quoted where they are plain text.

    Hydra takes umlauts, spaces, commas and = in plain values for errors, or for a sweep. Lists,
    null, interpolations and what is quoted already stay as they are; so does everything in a
    multirun, where commas separate values.
    """
    if {"-m", "--multirun"} & set(overrides):
        return list(overrides)
    return [quote_path(override, keys) for override in overrides]


def quote_path(override: str, keys: Collection[str]) -> str:
    """One override, quoted if it sets one of ``keys`` to plain text."""
    key, equals, value = override.partition("=")
    if key not in keys or not value or value == "null" or value[0] in "'\"[" or "${" in value:
        return override
    # In Hydra's quotes a backslash is one of the text, except before a quote.
    escaped = re.sub(r"(\\+)('|$)", r"\1\1\2", value).replace("'", r"\'")
    return f"{key}{equals}'{escaped}'"
