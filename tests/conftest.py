import gc
import os
import pathlib

# Of pytest-xdist's processes each keeps its own compiled programs: JAX's cache may be read while it is being written.
# This must be known before JAX is imported.
if "PYTEST_XDIST_WORKER" in os.environ and "JAX_COMPILATION_CACHE_DIR" in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] += "-" + os.environ["PYTEST_XDIST_WORKER"]

import keras
import pytest

import keras_nlp_zoo as knz

# On a GPU matrix products are rounded to ten bits unless one says otherwise; what is tested here is float32.
if keras.backend.backend() == "torch":
    import torch

    torch.backends.cudnn.allow_tf32 = False
elif keras.backend.backend() == "jax":
    import jax

    if jax.default_backend() == "gpu":
        jax.config.update("jax_default_matmul_precision", "highest")


def pytest_collection_modifyitems(items):
    """The longest test first: begun last, the other process would wait for it."""
    items.sort(key=lambda item: item.name != "test_blocks_run")


# Texts that break things. Module level, so that no subclass can lose them.
ODD_TEXTS = [
    "",
    "   ",
    "\t\n\r",
    "🙂👩‍👩‍👧‍👦",
    "e\u0301 and \u00e9",
    "\u200b\ufeff",
    "\x00\x07\x1b",
    "half a pair \ud83d here",
    "\udc00",
    "한국어 문장",
    "\u1112\u1161\u11ab\u1100\u1173\u11af",  # 한글 as separate jamo
    "שלום עולם \u202e reversed",
    "[PAD] [UNK] [START] [END] [MASK]",
    "a" * 10_000,
    "word " * 10_000,
]


@pytest.fixture(autouse=True)
def _fixed_seed(request):
    """Each test begins with the same numbers, whichever tests ran before it in its process."""
    keras.utils.set_random_seed(0)
    if hasattr(request.module, "RANDOM"):
        request.module.RANDOM.seed(0)


@pytest.fixture(autouse=True)
def _fewer_loops_to_compile(request, monkeypatch):
    """Recurrent layers read long padded texts in four stages, each a loop of its own, and tests mostly wait for
    compiling.

    One stage is the same code; tests/layers, which is about these loops, and `parity` read as users do.
    """
    if keras.backend.backend() != "torch" and "tests/layers" not in request.node.nodeid:
        from keras_nlp_zoo.layers import recurrent_kernels_xla

        monkeypatch.setattr(recurrent_kernels_xla, "_in_one_stage", lambda *_: True)


@pytest.fixture(autouse=True, scope="module")
def _compiled_programs_are_let_go():
    """Each program that JAX keeps holds maps of memory, of which Linux gives a process 65,530."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if keras.backend.backend() == "jax" and maps.exists() and len(maps.read_bytes().splitlines()) > 20_000:
        gc.collect()  # models and what was compiled for them know one another
        jax.clear_caches()


def reviews_of_one_bucket(size, **options):
    """(texts, labels) of generated reviews that are padded to 16 tokens, so that a model of them is compiled once."""
    texts, labels = knz.datasets.load("reviews", size=8 * size, **options)
    kept = [i for i, text in enumerate(texts) if 9 <= len(text.split()) <= 13][:size]
    assert len(kept) == size
    return [texts[i] for i in kept], [labels[i] for i in kept]


@pytest.fixture(scope="session")
def reviews():
    """(texts, labels) of 64 generated reviews."""
    return reviews_of_one_bucket(64)


@pytest.fixture(scope="session")
def tokenizer(reviews):
    return knz.Tokenizer.train(reviews[0], kind="word")


def real_corpora():
    """The folder of the real corpora, or a skip: they are not in the repository, nor is there a network."""
    folder = os.environ.get("KERAS_NLP_ZOO_DATA")
    if not folder:
        pytest.skip("KERAS_NLP_ZOO_DATA is not set: the real corpora are not on this machine")
    return folder
