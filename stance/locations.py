"""Where the configs and the shipped models lie: inside an installed wheel, or in the checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
DEFAULT_MODEL = "stance-minilm-de"


def config_dir() -> Path:
    """The directory of the Hydra configs (``train.yaml``, ``model/``, ...).

    Raises:
        FileNotFoundError: if neither the package nor the checkout has it.
    """
    return find_directory("configs")


def models_dir() -> Path:
    """The directory of the shipped models (``minilm-de``, ``stance-minilm-de``).

    Raises:
        FileNotFoundError: if neither the package nor the checkout has it.
    """
    return find_directory("models")


def default_model_dir() -> Path:
    """The directory of the stance model that is used when the user names none.

    Raises:
        FileNotFoundError: if the installation does not hold it.
    """
    path = models_dir() / DEFAULT_MODEL
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path}: the default model is not there; reinstall stance, or name a model directory"
        )
    return path


def find_directory(name: str, package: Path = PACKAGE) -> Path:
    """``package/name`` as in a wheel, or else ``name`` beside the package as in a checkout.

    Raises:
        FileNotFoundError: if neither is a directory.
    """
    candidates = (package / name, package.parent / name)
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(
        f"no directory {name!r} at {' or '.join(map(str, candidates))}; "
        "the installation is not complete: reinstall stance"
    )
