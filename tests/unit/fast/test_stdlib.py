"""The fast parts behave as the standard library does, and do not load it before they are used."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from trainconf.fast.sha256 import FEW_BYTES, sha256, sha256_digest


@given(st.binary())
def test_the_digest_is_that_of_hashlib(data: bytes) -> None:
    assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()


@given(st.binary())
def test_the_digest_of_a_piece_is_the_same_before_and_after_openssl_is_loaded(data: bytes) -> None:
    assert sha256_digest(data) == hashlib.sha256(data).digest()
    many = data + bytes(FEW_BYTES)
    assert sha256_digest(many) == hashlib.sha256(many).digest()


def test_an_interpreter_without_its_own_gets_that_of_hashlib() -> None:
    code = (
        "import sys; sys.modules.update(_sha2=None, _sha256=None)\n"
        "from trainconf.fast.sha256 import sha256; print(sha256(b'a').hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(b"a").hexdigest(), done.stderr


def test_nothing_slow_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys; from trainconf.fast.sha256 import sha256; from trainconf.fast.stdlib import json, re, signal, socket\n"
        "pattern = re.compile('(?i)a+'); sha256(b'a')\n"
        "print(*{'json', 're', 'enum', 'signal', 'socket', '_socket', '_hashlib'} & set(sys.modules))\n"
        "print(pattern.fullmatch('aA')[0], json.loads('[1]'), re.sub('a', 'b', 'a'), bool(pattern.search('x')))\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "\naA [1] b False\n", done.stderr


@pytest.mark.parametrize(
    ("before", "printed"),
    [("", "True False"), ("import _ctypes; del _ctypes.call_function", "True False"), ("sys.modules['_ctypes'] = None", "False False")],
    ids=["CPython", "another _ctypes", "no _ctypes"],
)
def test_an_attribute_of_the_process_is_set_whatever_ctypes_is_made_of(before: str, printed: str) -> None:
    code = f"import sys; from trainconf.fast.stdlib import prctl\n{before}\nprint(prctl(36, 1), prctl(-1, 0))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == f"{printed}\n", done.stderr
