"""SHA-256 without OpenSSL is SHA-256."""

from __future__ import annotations

import hashlib
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from trainconf.sha256 import sha256


@given(st.binary())
def test_the_digest_is_that_of_hashlib(data: bytes) -> None:
    assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()


def test_an_interpreter_without_its_own_gets_that_of_hashlib() -> None:
    code = "import sys; sys.modules.update(_sha2=None, _sha256=None)\nfrom trainconf.sha256 import sha256; print(sha256(b'a').hexdigest())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == hashlib.sha256(b"a").hexdigest(), done.stderr


def test_openssl_is_not_loaded_for_it() -> None:
    code = "import sys; import trainconf.sha256; print('_hashlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
