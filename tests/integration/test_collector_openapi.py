"""The collector's OpenAPI document, held against its site: requests that it allows and that it forbids."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.generation import GenerationMode

from app.collector.openapi import openapi_document
from tests.fuzz.collector import Found, site_on

EXAMPLES = 15
"""Of each operation, and as many again that break the document's rules."""
KEY = {"Authorization": "Basic V1JJVEVLRVkxOg=="}
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi_document("http://127.0.0.1"))
OPERATIONS: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]
CASES = [pytest.param(each, GenerationMode.POSITIVE, id=f"{each.label}, allowed") for each in OPERATIONS]
CASES += [
    pytest.param(each, GenerationMode.NEGATIVE, id=f"{each.label}, forbidden")
    for each in OPERATIONS
    if each.body or each.query  # nothing else has rules to break
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A site with nothing behind it, in a thread of its own."""
    loop, found = asyncio.new_event_loop(), Found()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    folder = tmp_path_factory.mktemp("site")

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    context = site_on(folder, found)
    yield f"http://127.0.0.1:{run(context.__aenter__())}"
    run(context.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert found.faults == []


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_every_response_matches_the_openapi_document(url: str, operation: Any, mode: GenerationMode) -> None:
    @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck), database=None)
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
    def answers(case: Any, known: bool) -> None:
        reply = case.call(base_url=url, headers=KEY if known else None, allow_redirects=False)
        case.validate_response(reply, checks=CHECKS)

    answers()
