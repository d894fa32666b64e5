"""Who stands where in German news: stance of each actor of a text toward a target.

The names below are loaded on first use, so that ``import stance`` stays fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stance.documents import read_documents, write_documents
    from stance.inference import StanceClassifier
    from stance.schema import (
        LABELS,
        Actor,
        Document,
        Mention,
        Prediction,
        Stance,
        StanceLabel,
        Target,
    )

__version__ = "0.1.0"

_HOMES = {
    "StanceClassifier": "stance.inference",
    "read_documents": "stance.documents",
    "write_documents": "stance.documents",
    **dict.fromkeys(
        (
            "LABELS",
            "Actor",
            "Document",
            "Mention",
            "Prediction",
            "Stance",
            "StanceLabel",
            "Target",
        ),
        "stance.schema",
    ),
}

__all__ = [
    "LABELS",
    "Actor",
    "Document",
    "Mention",
    "Prediction",
    "Stance",
    "StanceClassifier",
    "StanceLabel",
    "Target",
    "__version__",
    "read_documents",
    "write_documents",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'stance' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
