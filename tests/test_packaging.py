"""What is installed: commands, configs and models in a wheel, a light import, no pickles."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}
PICKLE_PROTOCOLS = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


@pytest.mark.parametrize("command", sorted(PROJECT["project"]["scripts"]))
def test_a_console_command_names_a_function(command: str) -> None:
    module, _, function = PROJECT["project"]["scripts"][command].partition(":")
    assert callable(getattr(import_module(module), function))


def test_importing_the_package_is_light() -> None:
    heavy = ("torch", "transformers", "pandas", "sklearn", "datasets", "pyarrow", "hydra")
    code = f"import stance, sys; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.strip() == "[]"


def test_what_a_wheel_carries_is_in_the_checkout() -> None:
    for source in (*WHEEL["only-include"], *WHEEL["sources"]):
        assert (CHECKOUT / source).is_dir(), f"pyproject.toml packages {source}, which is missing"


def test_a_wheel_finds_its_configs_and_models_outside_the_checkout(tmp_path: Path) -> None:
    # The models are stood in for by one small file, as packing the weights takes seconds.
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, project)
    for name in ("stance", "configs"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / name, project / name, ignore=ignore)
    (project / "models" / "stance-minilm-de").mkdir(parents=True)
    (project / "models" / "stance-minilm-de" / "config.json").write_text("{}", encoding="utf-8")

    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    shutil.rmtree(project)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    shutil.unpack_archive(wheel, installed, "zip")

    assert (installed / "stance" / "py.typed").is_file()
    code = (
        "import json, stance; from stance import locations as l;"
        "print(json.dumps([stance.__file__, str(l.config_dir()), str(l.default_model_dir())]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(installed)},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    package = installed / "stance"
    assert [Path(path) for path in json.loads(done.stdout)] == [
        package / "__init__.py",
        package / "configs",
        package / "models" / "stance-minilm-de",
    ]
    shipped = {path.relative_to(CHECKOUT) for path in (CHECKOUT / "configs").rglob("*.yaml")}
    assert shipped
    assert all((package / path).is_file() for path in shipped)


def holds_pickle(path: Path) -> bool:
    """Whether loading the file would unpickle: by its suffix, its first bytes or its members."""
    if path.suffix in PICKLE_SUFFIXES:
        return True
    with path.open("rb") as file:
        if file.read(2) in PICKLE_PROTOCOLS:
            return True
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(Path(name).suffix in PICKLE_SUFFIXES for name in archive.namelist())
    return False


def test_the_project_holds_no_pickles() -> None:
    folders = ("stance", "configs", "models", "scripts", "examples", "tests")
    files = [path for name in folders for path in (CHECKOUT / name).rglob("*") if path.is_file()]
    assert files
    assert [str(path) for path in files if holds_pickle(path)] == []


def test_pickles_are_recognised_under_another_name(tmp_path: Path) -> None:
    import torch

    plain, torch_file, text = (tmp_path / name for name in ("a.dat", "b.weights", "c.json"))
    plain.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}))
    buffer = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, buffer)
    torch_file.write_bytes(buffer.getvalue())
    text.write_text('{"weights": [1.0]}', encoding="utf-8")
    assert [holds_pickle(path) for path in (plain, torch_file, text)] == [True, True, False]
