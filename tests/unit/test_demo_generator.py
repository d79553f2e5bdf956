import orjson

from app.demo.generator import CRM, EMAIL, INVALID, WEB, Message, Traffic

START_MS = 1_795_309_200_000
STEP_MS = 5


def records(seed: int = 1, count: int = 5000, leads: int = 300) -> list[Message]:
    traffic = Traffic(seed, leads)
    return [traffic.next(START_MS + i * STEP_MS) for i in range(count)]


def events(count: int = 5000) -> list[dict[str, object]]:
    return [orjson.loads(m.value) for m in records(count=count) if m.value and m.value not in INVALID]


def test_the_same_seed_sends_the_same_records_and_another_one_others() -> None:
    assert records(seed=7, count=500) == records(seed=7, count=500)
    assert records(seed=7, count=500) != records(seed=8, count=500)


def test_every_source_has_traffic() -> None:
    assert {m.source for m in records()} == {WEB, EMAIL, CRM}


def test_every_kind_of_nonsense_comes_up_and_is_rare() -> None:
    found = [m.value for m in records(count=20_000) if m.value in INVALID]
    assert set(found) == set(INVALID)
    assert len(found) < 300


def test_some_events_are_sent_twice_with_the_same_id() -> None:
    ids = [event["messageId"] for event in events()]
    assert 20 < len(ids) - len(set(ids)) < 500


def test_visitors_are_anonymous_until_they_identify_and_keep_their_anonymous_id() -> None:
    users: dict[object, object] = {}
    anonymous = set()
    for event in events():
        if event["type"] == "identify":
            users[event["anonymousId"]] = event["userId"]
        elif "anonymousId" in event and event["anonymousId"] not in users:
            assert "userId" not in event or event["messageId"] in anonymous
            anonymous.add(event["anonymousId"])
    assert len(users.keys() & anonymous) > 20


def test_mail_is_opened_by_people_and_by_machines_and_unsubscribed_from() -> None:
    mails = [event for event in events() if "campaign_id" in str(event.get("properties"))]
    opened = [event["properties"] for event in mails if event["event"] == "Email Opened"]
    assert {orjson.dumps(p).count(b'"automated":true') for p in opened} == {0, 1}
    assert any(event["event"] == "Unsubscribed" for event in mails)


def test_some_events_are_late_and_some_come_from_a_wrong_clock() -> None:
    late = [e for e in events() if "sentAt" not in e and str(e["timestamp"]) < "2026-11-21T"]
    assert late
    assert any("sentAt" in event for event in events())


def test_there_are_campaigns_students_and_people_who_look_for_a_job() -> None:
    text = orjson.dumps(events())
    for sign in (
        b'"campaign":{"source":',
        b'"title":"Student"',
        b'"path":"/jobs/',
        b'"title":"CTO"',
        b"Demo Requested",
    ):
        assert sign in text
