"""The board's OpenAPI document, compared with its site by valid and invalid requests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis import checks
from schemathesis.generation import GenerationMode

from app.board.openapi import openapi_document
from tests.support.board_in_memory import ACCESS, ANA, TOPICS, board_on, kafka_record
from tests.unit.test_board_pure import record
from tests.unit.test_board_site import people

EXAMPLES = 15
"""Of each operation, and as many again that break the document's rules."""
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_dict(openapi_document())
OPERATIONS: list[Any] = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr]
ENDLESS = "/api/v1/stream/"
CASES = [
    pytest.param(each, GenerationMode.POSITIVE, id=f"{each.label}, allowed")
    for each in OPERATIONS
    if not each.path.startswith(ENDLESS)
]
CASES += [
    pytest.param(each, GenerationMode.NEGATIVE, id=f"{each.label}, forbidden")
    for each in OPERATIONS
    if each.query and not each.path.startswith(ENDLESS)  # nothing else has rules to break
]
KNOWN = {"id": ["u1", "ana@acme.example", "nobody"], "name": ["sales", "plants", "none"], "version": ["none"]}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A board of shards in memory, in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(30)

    context = board_on(run(people()), ACCESS)
    board = run(context.__aenter__())
    for number in range(60):
        board.tails.take_records(TOPICS.handoff, [kafka_record(record(number, f"u{number % 4}"))])
    board.tails.take_records(
        TOPICS.rejected, [kafka_record(b"x", reason=b"not_json", message=b"no", leadglow_source=b"web:0:1")]
    )
    yield board.url
    run(context.__aexit__(None, None, None))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_every_response_matches_the_openapi_document(url: str, operation: Any, mode: GenerationMode) -> None:
    @hypothesis.settings(max_examples=EXAMPLES, suppress_health_check=list(hypothesis.HealthCheck), database=None)
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), number=hypothesis.strategies.integers(0, 5))
    def answers(case: Any, number: int) -> None:
        for name in case.path_parameters or {}:
            if number < len(KNOWN[name]):
                case.path_parameters[name] = KNOWN[name][number]
        headers = {"Authorization": f"Bearer {ANA}"} if number else None
        reply = case.call(base_url=url, headers=headers, allow_redirects=False)
        case.validate_response(reply, checks=CHECKS)

    answers()
