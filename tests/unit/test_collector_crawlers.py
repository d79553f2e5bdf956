"""Bots are marked, people are not, with every version of the crawler list: measured on the agents of public lists."""

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA  # type: ignore[import-untyped]

from app.collector.crawler_names import NARROWED, SHARED_NAMES
from app.collector.crawlers import is_crawler
from app.collector.mail_agents import mail_machine
from tests.support.agents import read_agents

MAX_PEOPLE_MARKED = 0.0005
MIN_BOTS_MARKED = 0.99
PROGRAMS_AMONG_PEOPLE = ("splash Version/", "webscraping/", "OpenVAS-VT", " PTST/")
"""Test and scanning programs that device-detector's fixtures do not call so."""
APPS_WITH_A_HOME_PAGE = {"Bullhorn/1.0 (+http://bullhorn.fm/)", "gPodder/3.5.2 (+http://gpodder.org/)"}
"""Podcast apps that give an address as bots do."""


def marked(agents: list[str]) -> list[str]:
    return [agent for agent in agents if is_crawler.__wrapped__(agent)]


def test_the_agents_of_people_are_not_marked() -> None:
    people = read_agents("people")
    found = marked(people)
    print(f"people: {len(found)} of {len(people)} marked, {len(found) / len(people):.3%}")
    assert len(people) > 37_000
    assert len(found) <= MAX_PEOPLE_MARKED * len(people)
    unexpected = [each for each in found if not any(name in each for name in PROGRAMS_AMONG_PEOPLE)]
    assert set(unexpected) == APPS_WITH_A_HOME_PAGE  # a pattern that matches people is narrowed in crawler_names


def test_no_agent_of_people_is_a_mail_machines() -> None:
    assert [agent for agent in read_agents("people") if mail_machine(agent)] == []


def test_the_agents_of_bots_are_marked() -> None:
    bots = read_agents("bots")
    found = marked(bots)
    print(f"bots: {len(found)} of {len(bots)} marked, {len(found) / len(bots):.2%}")
    assert len(bots) > 1_300
    assert len(found) >= MIN_BOTS_MARKED * len(bots)


def test_the_examples_of_the_crawler_list_are_marked() -> None:
    examples = sorted({example for each in CRAWLER_USER_AGENTS_DATA for example in each["instances"]})
    found = marked(examples)
    print(f"examples: {len(found)} of {len(examples)} marked, {len(found) / len(examples):.2%}")
    assert len(found) >= MIN_BOTS_MARKED * len(examples)


def test_each_corrected_pattern_is_on_the_crawler_list() -> None:
    assert {*NARROWED, *SHARED_NAMES} - {each["pattern"] for each in CRAWLER_USER_AGENTS_DATA} == set()


INSTAGRAM = "Mobile Safari/537.36 Instagram 406.0.0"
FACEBOOK = "Mobile Safari/537.36 MetaIAB Facebook"
GOOGLE = "Mobile Safari/537.36 (compatible; Googlebot/2.1)"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0"


@pytest.mark.parametrize(
    "agent",
    [
        f"Mozilla/5.0 (Linux; Android 15; CPH2557 Build/AP3A.240617.008; wv) {CHROME} {INSTAGRAM}",
        "Dalvik/2.1.0 (Linux; U; Android 15; CPH2557 Build/AP3A.240617.008)",
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {CHROME} WhatsApp/2.24 Electron/28.1 Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 16; Pixel 10 Build/CP1A.260305.018; wv) {CHROME} {FACEBOOK}",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Notion/4.2.1 Electron/33.2 Safari/537.36",
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 coccocbrowser/1.0",
        f"Mozilla/5.0 (Linux; Android 12; CUBOT P60) {CHROME} Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 7.0; M bot 51) {CHROME} Mobile Safari/537.36",
        f"Mozilla/5.0 (Linux; Android 13; Spider 8) {CHROME} Mobile Safari/537.36",
        "QRScanner/2.4 (com.acme.scanner; build:7; iOS 18.1) Alamofire/5.9",
        "Site Monitor/3.1 CFNetwork/1410.0.3 Darwin/22.6.0",
        "Acme/3.1 (com.acme; build:7; Android 14) okhttp/4.12.0",
        "Acme/3.1 okhttp/4.12.0",
        "Acme/3.1 (com.acme.app; build:7; iOS 18.1) Alamofire/5.9",
        "Mozilla/5.0",
        "",
    ],
)
def test_a_persons_browser_or_app_is_none(agent: str) -> None:
    assert not is_crawler(agent)


@pytest.mark.parametrize(
    "agent",
    [
        f"Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) {CHROME} {GOOGLE}",
        f"Mozilla/5.0 (X11; Linux x86_64) {CHROME.replace('Chrome', 'HeadlessChrome')} Safari/537.36",
        "Mozilla/5.0 (compatible; Unheard-Of/0.1; +https://unheard.example/why)",
        "Mozilla/5.0 (compatible; Unheard-Of/0.1)",
        "unheard-of-crawler/0.1",
        "unheard-of (ops@unheard.example)",
        "WhatsApp/2.23.18.78 i",
        "curl/8.5.0",
        "Wget/1.21",
        "okhttp/4.12.0",
        "Java/17.0.2",
        "PostmanRuntime/7.29.0",
        "Faraday v2.7.10",
        "reqwest/0.11",
        "Deno/1.3",
        "Bun/1.0",
        "fasthttp",
        "go-resty/2.3.0 (https://github.com/go-resty/resty)",
        "Feedfetcher; 12 subscribers",
    ],
)
def test_a_machine_is_one(agent: str) -> None:
    assert is_crawler(agent)
