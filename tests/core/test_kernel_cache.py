"""Where numba's cache goes, tried in processes of their own: the choice is made once a process."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import core

PREPARE = """
import pathlib, sys
from core.kernel_cache import kernel, prepare, split_kernel
print(prepare(pathlib.Path(sys.argv[1])))
"""
LOAD = "kernel(), split_kernel()"


def run(code: str, tree: Path, cache: Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    finished = subprocess.run(
        [sys.executable, "-c", code, str(cache)],
        cwd=tree,
        env={**inherited, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return finished.stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Give a copy of the source that has no compiled files yet."""
    source = Path(core.__file__).parent
    shutil.copytree(source, tmp_path / "tree" / "core", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "tree"


def forbid_pycache(tree: Path) -> None:
    # A file in its place cannot be written into even by root.
    (tree / "core" / "__pycache__").write_text("")


@pytest.mark.slow
def test_a_writable_tree_keeps_its_own_cache(tree: Path, tmp_path: Path) -> None:
    assert run(PREPARE, tree, tmp_path / "cache") == "False"
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_a_directory_that_the_user_has_set_is_respected(tree: Path, tmp_path: Path) -> None:
    forbid_pycache(tree)
    assert run(PREPARE, tree, tmp_path / "cache", NUMBA_CACHE_DIR=str(tmp_path / "own")) == "False"


@pytest.mark.slow
def test_a_read_only_tree_is_compiled_into_the_directory_given(tree: Path, tmp_path: Path) -> None:
    forbid_pycache(tree)
    assert run(PREPARE + LOAD, tree, tmp_path / "cache") == "True"
    assert list((tmp_path / "cache").rglob("kernels.score_ticks*.nbc"))
    assert list((tmp_path / "cache").rglob("split_kernel.split_texts*.nbc"))


@pytest.mark.slow
def test_the_reader_of_frames_loads_no_numba_until_it_has_much_to_read() -> None:
    code = "import sys, core.frames; core.frames.read(core.frames.FrameState(), b'\\x81\\x01a' * 9, 99)"
    assert run(code + "; print('numba' in sys.modules)", Path(core.__file__).parents[1], Path()) == "False"


@pytest.mark.slow
def test_numba_hears_of_the_directory_even_if_it_was_loaded_before(tree: Path, tmp_path: Path) -> None:
    forbid_pycache(tree)
    told = run("import numba" + PREPARE + "print(numba.config.CACHE_DIR)", tree, tmp_path / "cache")
    assert told.split() == ["True", str(tmp_path / "cache")]
