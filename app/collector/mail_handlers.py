"""Handlers for requests about mails: webhooks of mail services, and one-click unsubscribing."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import aiohttp
from aiohttp import web

from app.collector import responses, webhooks
from app.collector.inbound import Delivery, Inbound, Refusal
from app.collector.keyring import Webhook
from app.collector.reception import Reception
from app.collector.webhooks import unsubscribe
from app.collector.webhooks.accepted_requests import AcceptedRequests
from app.collector.webhooks.sns import NeedsCertificate
from streams.clock import now_ms

FETCH_S: Final = 5.0
FETCHED_BYTES: Final = 64 * 1024
FETCH_EVERY_MS: Final = 1000
"""Shortest time between two fetches: messages that are not verified yet name the certificate to fetch."""
MAX_CERTIFICATES: Final = 100


class MailHandlers:
    """Handlers for all requests about mails."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception
        self._accepted = AcceptedRequests(now_ms())
        self._certificates: OrderedDict[str, bytes] = OrderedDict()
        self._fetched_ms = 0

    async def accept_webhook(self, inbound: Inbound, name: str) -> web.Response:
        """Accept events of a mail service, or its check of the address."""
        hook = self._reception.keyring.webhooks.get(name)
        if hook is None:
            raise Refusal(404, "unknown_webhook", "The keys file has no webhook of this name: see its `webhooks`.")
        delivery = await self._read_webhook(hook, inbound)
        await self._reception.accept_mail(inbound, delivery, name)
        if delivery.request_id:
            self._accepted.remember(delivery.request_id, inbound.received_ms)
        if delivery.confirm_url:
            await _fetch_url(delivery.confirm_url)
        return responses.accepted_response()

    async def show_unsubscribe_page(self, inbound: Inbound, token: str) -> web.Response:
        """Show a button. Mail scanners follow links, so viewing the page changes nothing."""
        return responses.page_response(unsubscribe.confirmation_page(inbound, self._reception.keyring.link_secret))

    async def accept_unsubscribe(self, inbound: Inbound, token: str) -> web.Response:
        """Unsubscribe by RFC 8058: without a question, without a redirect."""
        secret = self._reception.keyring.link_secret
        delivery = unsubscribe.read_unsubscribe(inbound, secret)
        await self._reception.accept_mail(inbound, delivery, "unsubscribe")
        return responses.page_response(unsubscribe.done_page(inbound, secret))

    async def _read_webhook(self, hook: Webhook, inbound: Inbound) -> Delivery:
        try:
            return webhooks.read_webhook(
                hook.name, hook.service, hook.options, inbound, self._accepted, self._certificates
            )
        except NeedsCertificate as needed:
            if inbound.received_ms < self._fetched_ms + FETCH_EVERY_MS:
                raise _fetch_refusal() from None
            self._fetched_ms = inbound.received_ms
            self._certificates[needed.url] = await _fetch_url(needed.url)
            if len(self._certificates) > MAX_CERTIFICATES:
                self._certificates.popitem(last=False)
        return webhooks.read_webhook(hook.name, hook.service, hook.options, inbound, self._accepted, self._certificates)


async def _fetch_url(url: str) -> bytes:
    """Fetch a URL that the service's adapter has checked.

    Raises:
        Refusal: 503, so that the service asks again.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(FETCH_S), trust_env=True) as session,
            session.get(url, allow_redirects=False) as reply,
        ):
            body = b""
            while len(body) <= FETCHED_BYTES and (part := await reply.content.read(FETCHED_BYTES)):
                body += part
            if reply.status == 200 and len(body) <= FETCHED_BYTES:
                return body
    except (aiohttp.ClientError, TimeoutError):
        pass
    raise _fetch_refusal()


def _fetch_refusal() -> Refusal:
    return Refusal(
        503, "no_confirmation", "The mail service's own server did not answer: send this request again later.", 30
    )
