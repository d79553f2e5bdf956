"""User agents that open mails and follow their links by themselves: image proxies and mail security. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from app.collector.vocabulary import APPLE, IMAGE_PROXY, LINK_SCANNER

_APPLE: Final = "Mozilla/5.0"
"""The whole agent of Apple's Mail Privacy Protection."""
_IMAGE_PROXIES: Final = (
    "ggpht.com",  # Gmail, when a person opens the mail
    "gmail-content-sampling", "edge/12.246 mozilla/5.0",  # Gmail, on delivery
    "imageproxy", "image proxy", "image-proxy",  # Google, HEY, Rambler, Startpage, Tweakers
    "image fetcher",  # Shortwave
    "imageresizer",  # Yandex
    "mailproxy", "mail proxy",  # Yahoo, Seznam
    "mail.ukr.net",
    "fastmailua",
)  # fmt: skip
_SCANNERS: Final = (
    "abnormal security", "area1security", "avanan", "barracuda", "bitdefender", "check point", "cisco secure",
    "ciscosecure", "clamav", "cloudmark", "cyren", "darktrace", "f-secure", "fireeye", "forcepoint", "fortiguard",
    "fortimail", "fortinet", "google-safety", "hornetsecurity", "inky", "ironport", "ironscales", "kaspersky",
    "mailguard", "mailmarshal", "messagelabs", "mimecast", "netskope", "palo alto", "paloalto", "perception point",
    "phishtank", "proofpoint", "retarus", "safelinks", "senderbase", "sonicwall", "sophos", "spamexperts",
    "spamhaus", "spamtitan", "symantec", "tessian", "tmes/", "trellix", "trend micro", "trendmicro", "trustwave",
    "twinwave", "urldefense", "urlscan", "vade secure", "vadesecure", "virustotal", "votiro", "websense",
    "withsecure", "zerospam", "zscaler",
)  # fmt: skip
"""Parts of the agents of mail security services, in lower case."""


@lru_cache(maxsize=10_000)
def mail_machine(agent: str) -> str | None:
    """The reason why a machine opened a mail or clicked a link in it; None if its agent does not show it."""
    if agent == _APPLE:
        return APPLE
    folded = agent.lower()
    if any(part in folded for part in _IMAGE_PROXIES):
        return IMAGE_PROXY
    return LINK_SCANNER if folded == "tmes" or any(part in folded for part in _SCANNERS) else None
