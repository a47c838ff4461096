"""Where things stand in the package: a reader who looks for a backend's own code finds it by the file's name."""

import ast
import pathlib

PACKAGE = pathlib.Path(__file__).parents[1] / "keras_nlp_zoo"
BACKENDS = {"jax": ("jax", "xla"), "tensorflow": ("tensorflow", "xla"), "torch": ("torch",)}
# From the ground up: nothing imports from a folder that stands above its own.
FLOORS = (
    {"datasets", "layers", "running", "samplers", "text", "training"},
    {"metrics", "models"},
    {"interop"},
    {"tasks"},
)


def imports():
    """`(file, what it imports)` of the whole package."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((file, name.name) for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((file, f"{node.module}.{name.name}") for name in node.names)


def floor(folder):
    return next((i for i, folders in enumerate(FLOORS) if folder in folders), None)


def test_a_backend_is_imported_only_where_the_files_name_says_so():
    ways = [(file, module, BACKENDS.get(module.split(".")[0])) for file, module in imports()]
    ways = [(file, module, names) for file, module, names in ways if names]
    assert len(ways) > 10
    assert not [(str(f), module) for f, module, names in ways if not set(names) & set(f.stem.split("_"))]


def test_nothing_is_imported_from_above():
    ways = [(file, module, module.removeprefix("keras_nlp_zoo.").split(".")[0]) for file, module in imports()]
    ways = [(file, module, floor(folder)) for file, module, folder in ways if module.startswith("keras_nlp_zoo.")]
    ways = [(file, module, floor(file.relative_to(PACKAGE).parts[0]), there) for file, module, there in ways]
    ways = [way for way in ways if None not in way[2:]]
    assert len(ways) > 100
    assert not [(str(file), module) for file, module, here, there in ways if there > here]
