"""Under `python -O` asserts are gone, and the node refuses all the same (SEC-D15)."""

import ast
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.node.processes import free_port, serving
from tests.test_limits_doc import PACKAGES, ROOT


def _only_narrows(test: ast.expr) -> bool:
    """Whether an assert tells the type checker something and decides nothing."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(_only_narrows(value) for value in test.values)
    if isinstance(test, ast.Call):
        return isinstance(test.func, ast.Name) and test.func.id == "isinstance"
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.IsNot)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value is None
    )


def _decisive(source: str) -> list[int]:
    """The lines on which something depends on whether asserts run."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if (isinstance(node, ast.Assert) and not _only_narrows(node.test))
        or (isinstance(node, ast.Name) and node.id == "__debug__")
    ]


def test_sec_D15_no_check_of_the_product_is_an_assert() -> None:
    found = {
        f"{file.relative_to(ROOT)}:{line}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for line in _decisive(file.read_text())
    }
    assert sorted(found) == []


def test_sec_D15_a_check_that_is_an_assert_would_be_seen() -> None:
    assert _decisive("assert user.may(x)\n\nif __debug__:\n    check()") == [1, 3]
    assert _decisive("assert x is not None and isinstance(x, str)\nassert isinstance(y, int)") == []


@pytest.mark.slow
def test_sec_D15_under_O_a_node_refuses_what_it_refused(tmp_path: Path, database_url: str) -> None:
    with serving(
        *(tmp_path, "--origin", "https://alder.example"),
        port=free_port(),
        DATABASE_URL=database_url,
        PYTHONOPTIMIZE="1",
    ) as serve:
        assert serve.get("/help") == 200
        like = b'{"id":"https://good.test/1","type":"Like","actor":"https://good.test/u/ann"}'
        activity = "application/activity+json"
        form = "application/x-www-form-urlencoded"
        for path, body, headers, status in (
            ("/inbox", like, {"Content-Type": activity}, 401),
            ("/inbox", like, {"Content-Type": activity, "Content-Encoding": "gzip"}, 415),
            ("/inbox", b"x" * 1_100_000, {"Content-Type": activity}, 413),
            ("/log-in", b"a=b", {"Content-Type": form, "Origin": "https://evil.test"}, 403),
            ("/log-in", b"a&" * 1_000, {"Content-Type": form}, 400),
        ):
            assert _status(serve.port, path, body, headers) == status, (path, headers)


def _status(port: int, path: str, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=60)
    with refused.value as answer:
        return answer.code
