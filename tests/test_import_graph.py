"""Data flows one way: a module imports only from modules to its left in ``ORDER``."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "stance"

# Everybody may import these, and they import nothing of the package.
SHARED = ("runtime", "locations")

# From left to right. Modules of one step may import each other.
ORDER: tuple[tuple[str, ...], ...] = (
    ("schema", "text_edits"),
    ("withholding",),
    ("names", "sentences"),
    ("mentions",),
    ("encodings",),
    ("records",),
    ("native", "triples"),
    ("documents",),
    ("remote_files",),
    ("corpora",),
    ("examples",),
    ("name_hiding",),
    ("features",),
    ("batching", "evidence"),
    ("attribution",),
    ("model",),
    ("weight_differences",),
    ("weights",),
    ("gazetteer",),
    ("actor_tagging", "actor_offices"),
    ("actor_spokespersons", "entity_recognition"),
    ("actor_linking",),
    ("actor_finding",),
    ("inference",),
    ("spark",),
    ("prediction_files", "prediction_page", "prediction_table"),
    ("prediction_shards",),
    ("batch_prediction",),
    ("run_manifest",),
    ("ray_engine",),
    ("metrics", "actor_metrics", "codings", "shares"),
    ("calibration", "abstention", "intervals"),
    ("agreement",),
    ("adjudication",),
    ("baselines", "comparison"),
    ("evaluation", "model_card"),
    ("foreign_predictions", "llm_coder", "zero_shot"),
    ("robustness", "faithfulness", "slices", "training_data"),
    ("peak_share",),
    ("benchmark",),
    ("report",),
    ("score_table",),
    ("model_directory",),
    ("trainer",),
    ("training", "tagger_training"),
    ("commands",),
)

STEP = {name: position for position, names in enumerate(ORDER) for name in names}
# The names that the package itself defines, so "from stance import NAME" is no module.
OWN_NAMES = {"__version__"}

MODULES = sorted(
    path.stem if path.is_file() else path.name
    for path in PACKAGE.iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or any(path.glob("*.py"))
)


def imported_modules(source: str) -> set[str]:
    """The modules of ``stance`` (first part below the package) that a source text imports.

    Imports inside functions and under TYPE_CHECKING count: they are dependencies as well.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: write the full path of the module"
            if node.module == "stance":
                names |= {f"stance.{alias.name}" for alias in node.names}
            elif node.module:
                names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("stance.")} - OWN_NAMES


def forbidden_imports(module: str, imports: set[str]) -> set[str]:
    """Those imports that lie to the right of the module, or are no known module."""
    if module in SHARED:
        return imports - {module}
    return {
        name for name in imports if name not in SHARED and STEP.get(name, len(ORDER)) > STEP[module]
    }


def read_sources(module: str) -> list[str]:
    file = PACKAGE / f"{module}.py"
    files = [file] if file.is_file() else sorted((PACKAGE / module).rglob("*.py"))
    return [path.read_text(encoding="utf-8") for path in files]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_its_left(module: str) -> None:
    assert module in SHARED or module in STEP, (
        f"stance.{module} has no place yet: add it to ORDER (or SHARED) in {Path(__file__).name} "
        "and to the map of modules in the README"
    )
    imports = set().union(*map(imported_modules, read_sources(module)))
    wrong = forbidden_imports(module, imports)
    assert not wrong, (
        f"stance.{module} imports {', '.join(sorted(wrong))}, which is not to its left; move what "
        "is shared to the left, or change ORDER and the map of modules in the README"
    )


def test_an_import_to_the_right_is_noticed_wherever_it_stands() -> None:
    source = (
        "import stance.training\n"
        "from stance import model, __version__\n"
        "def load():\n"
        "    from stance.commands.train import main\n"
    )
    imports = imported_modules(source)
    assert imports == {"training", "model", "commands"}
    assert forbidden_imports("metrics", imports) == {"training", "commands"}
    assert forbidden_imports("runtime", {"schema"}) == {"schema"}
