"""Messages of each kind, and receivers that are slow, fail, redirect or lie."""

from __future__ import annotations

import socket
from ipaddress import ip_network
from typing import Any

import orjson
import pytest
from standardwebhooks import Webhook as Verifier

from app.notify import sender as sending
from app.notify.addresses import is_allowed, look_up
from app.notify.kinds.base import Answer, Delivery
from app.notify.kinds.crm_fields import CrmFields
from app.notify.kinds.hubspot import HubSpot
from app.notify.kinds.salesforce import Salesforce
from app.notify.kinds.webhook import Webhook
from app.notify.outcomes import Outcome, Result
from app.notify.routes import AnyKind, Destination
from tests.support import hostile
from tests.support.receivers import Receiver, alert_of, receiving, response

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HERE = (ip_network("127.0.0.0/8"),)
CRM = CrmFields("key", "lead.lead_id", {"score": "score.published", "none": "no.such"})


def to(kind: AnyKind, allowed: bool = True) -> Destination:
    return Destination("here", kind, 0, 2, HERE if allowed else ())


async def send(destination: Destination, delivery: Delivery | None = None, lookup: Any = None) -> list[Outcome]:
    sender = sending.make_sender(destination, lookup or look_up)
    try:
        return await sender.send(delivery or Delivery((alert_of(),)))
    finally:
        await sender.close()


async def send_hook(receiver: Receiver) -> Outcome:
    [outcome] = await send(to(Webhook(receiver.url, (SECRET,))))
    return outcome


async def test_a_webhook_is_verified_by_the_library_of_its_standard() -> None:
    async with receiving() as receiver:
        assert (await send_hook(receiver)).result == Result.DELIVERED
    [request] = receiver.received
    assert Verifier(SECRET).verify(request.body, request.headers) == orjson.loads(alert_of().raw)
    assert request.headers["webhook-id"] == "a-1"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (response(429, Retry_After="3"), Result.SLOW_DOWN),
        (response(410), Result.GONE),
        (response(422), Result.REFUSED),
        *((answer, Result.RETRY) for answer in hostile.failing("http://169.254.169.254/latest/meta-data").values()),
        *((answer, Result.DELIVERED) for answer in hostile.DELIVERED.values()),
    ],
)
async def test_a_hostile_receiver_is_an_outcome(answer: Any, result: Result) -> None:
    async with receiving(answer) as receiver:
        assert (await send_hook(receiver)).result == result
    assert len(receiver.received) == 1


async def test_a_receiver_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.2)

    async with receiving(hostile.stall) as receiver:
        assert await send_hook(receiver) == Outcome(Result.RETRY, "no answer in time")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "::1", "fe80::1%eth0",
     "fd00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "nonsense"],
)  # fmt: skip
def test_private_addresses_are_forbidden_in_all_forms(address: str) -> None:
    assert not is_allowed(address, ())


def test_public_and_listed_addresses_are_allowed() -> None:
    assert is_allowed("93.184.216.34", ())
    assert is_allowed("2606:2800:220:1::1", ())
    assert is_allowed("10.1.2.3", (ip_network("10.0.0.0/8"),))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
async def test_nothing_goes_to_a_private_address(host: str) -> None:
    async with receiving() as receiver:
        [outcome] = await send(to(Webhook(f"http://{host}:{receiver.port}/", ()), allowed=False))
    assert (outcome.result, receiver.received) == (Result.RETRY, [])


async def test_a_name_that_changes_between_check_and_connection_is_resolved_once() -> None:
    lookups = 0

    async def rebind(host: str, port: int) -> list[tuple[Any, ...]]:
        nonlocal lookups
        lookups += 1
        found = "192.0.2.1" if lookups > 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]

    async with receiving() as receiver:
        kind = Webhook(f"http://hooks.acme.example:{receiver.port}/", ())
        assert (await send(to(kind), lookup=rebind))[0].result == Result.DELIVERED
        assert lookups == 1
        lookups = 0
        assert (await send(to(kind, allowed=False), lookup=rebind))[0].result == Result.RETRY
    assert len(receiver.received) == 1


async def test_a_name_that_points_to_a_private_address_later_is_refused_then() -> None:
    async def lookup(host: str, port: int) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (addresses.pop(0), port))]

    addresses = ["127.0.0.1", "127.0.0.2"]
    async with receiving(response(200, connection="close")) as receiver:
        url = f"http://hooks.acme.example:{receiver.port}/"
        sender = sending.make_sender(Destination("x", Webhook(url, ()), 0, 1, (ip_network("127.0.0.1"),)), lookup)
        outcomes = [(await sender.send(Delivery((alert_of(),))))[0] for _ in range(2)]
        await sender.close()
    assert [each.result for each in outcomes] == [Result.DELIVERED, Result.RETRY]
    assert "private" in outcomes[1].reason
    assert addresses == []


# Other kinds


async def test_hubspot_gets_a_batch_and_those_that_it_does_not_list_are_refused() -> None:
    alerts = (alert_of("a-1", lead={"lead_id": "ana", "traits": {}}), alert_of("a-2", lead={"traits": {}}),
              alert_of("a-3", lead={"lead_id": "bob", "traits": {}}))  # fmt: skip
    answer = {"results": [{"objectWriteTraceId": "a-1"}], "errors": [{"message": "no such property"}]}
    async with receiving(response(207, orjson.dumps(answer))) as receiver:
        outcomes = await send(to(HubSpot("t", CRM, f"http://127.0.0.1:{receiver.port}")), Delivery(alerts))
    assert [each.result for each in outcomes] == [Result.DELIVERED, Result.REFUSED, Result.REFUSED]
    sent = orjson.loads(receiver.received[0].body)["inputs"]
    assert [row["id"] for row in sent] == ["ana", "bob"]
    assert sent[0]["properties"] == {"score": "84"}


async def test_salesforce_gets_a_token_once_and_another_one_when_it_has_ended() -> None:
    token, done = response(200, b'{"access_token":"t1"}'), response(200, b'[{"success":true}]')
    async with receiving(token, done, response(401), token, done) as receiver:
        kind = Salesforce(f"http://127.0.0.1:{receiver.port}", "id", "secret", "Lead", CRM)
        sender = sending.make_sender(to(kind))
        results = [(await sender.send(Delivery((alert_of(),))))[0].result for _ in range(3)]
        await sender.close()
    assert results == [Result.DELIVERED, Result.RETRY, Result.DELIVERED]
    assert [each.method for each in receiver.received] == ["POST", "PATCH", "PATCH", "POST", "PATCH"]
    assert receiver.received[1].path.endswith("/composite/sobjects/Lead/key")


@pytest.mark.parametrize("answer", [hostile.endless_body, hostile.too_short, hostile.NO_SENSE])
async def test_salesforce_is_asked_again_when_it_does_not_say_what_became_of_each_record(answer: Any) -> None:
    async with receiving(answer) as receiver:
        kind = Salesforce(f"http://127.0.0.1:{receiver.port}", "id", "secret", "Lead", CRM, token="t")
        [outcome] = await send(to(kind))
    assert outcome.result == Result.RETRY


def test_salesforce_records_have_outcomes_of_their_own() -> None:
    rows = [{"success": True}, {"success": False, "errors": [{"statusCode": "UNABLE_TO_LOCK_ROW"}]},
            {"success": False, "errors": [{"statusCode": "INVALID_EMAIL"}]}]  # fmt: skip
    kind = Salesforce("https://x.example", "id", "secret", "Lead", CRM)
    outcomes = kind.outcomes(Delivery((alert_of(),) * 3), Answer(200, None, orjson.dumps(rows)), 0)
    assert [each.result for each in outcomes] == [Result.DELIVERED, Result.RETRY, Result.REFUSED]
