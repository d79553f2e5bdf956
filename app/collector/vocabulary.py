"""Names of the collector's own events, and reasons to mark an event as a machine's."""

from __future__ import annotations

from typing import Final

DELIVERED: Final = "Email Delivered"
OPENED: Final = "Email Opened"
CLICKED: Final = "Email Link Clicked"
BOUNCED: Final = "Email Bounced"
SPAM: Final = "Email Marked as Spam"
UNSUBSCRIBED: Final = "Unsubscribed"
SUBSCRIBED: Final = "Subscribed"
MAIL_EVENTS: Final = frozenset({DELIVERED, OPENED, CLICKED, BOUNCED, SPAM, UNSUBSCRIBED, SUBSCRIBED})

PROVIDER: Final = "provider"
"""The mail service reports a machine, without saying which."""
APPLE: Final = "apple_mpp"
"""Apple's Mail Privacy Protection loads the images of every mail."""
IMAGE_PROXY: Final = "image_proxy"
LINK_SCANNER: Final = "link_scanner"
TOO_SOON: Final = "too_soon"
CRAWLER: Final = "crawler"
HEAD: Final = "head_request"
REASONS: Final = frozenset({PROVIDER, APPLE, IMAGE_PROXY, LINK_SCANNER, TOO_SOON, CRAWLER, HEAD})
