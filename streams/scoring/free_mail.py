"""Domains of mail addresses that belong to no company: anybody can get an address there.

A short list on purpose: the services that most people use, by country, without disposable addresses. A domain that is
missing gives an account of its own, which is easily seen; a company's domain that is listed by mistake would be lost.
"""

from __future__ import annotations

from typing import Final

FAMILIES: Final = frozenset(
    [
        "aol",
        "gmx",
        "googlemail",
        "hotmail",
        "live",
        "msn",
        "outlook",
        "rediffmail",
        "rocketmail",
        "yahoo",
        "yandex",
        "ymail",
    ]
)
"""Names that exist under the domains of many countries: ``yahoo.co.uk``."""
_NAMES: Final = """
gmail.com icloud.com me.com mac.com proton.me protonmail.com protonmail.ch pm.me tutanota.com tutanota.de tuta.com
tuta.io fastmail.com fastmail.fm hushmail.com hey.com mail.com email.com usa.com zohomail.com zohomail.eu duck.com
passport.com mail2world.com lycos.com excite.com inbox.com inbox.lv gawab.com mailfence.com runbox.com disroot.org
riseup.net posteo.de posteo.net mailbox.org web.de t-online.de freenet.de arcor.de online.de kabelmail.de email.de
bluewin.ch hispeed.ch sunrise.ch aon.at chello.at utanet.at orange.fr wanadoo.fr free.fr sfr.fr laposte.net neuf.fr
bbox.fr numericable.fr libero.it virgilio.it tiscali.it alice.it tin.it inwind.it iol.it fastwebnet.it terra.es
telefonica.net ono.com ya.com movistar.es sapo.pt clix.pt iol.pt telenet.be skynet.be proximus.be scarlet.be
ziggo.nl kpnmail.nl planet.nl home.nl xs4all.nl hetnet.nl upcmail.nl casema.nl btinternet.com btopenworld.com
virginmedia.com ntlworld.com blueyonder.co.uk sky.com talktalk.net tiscali.co.uk eircom.net comcast.net verizon.net
att.net sbcglobal.net bellsouth.net cox.net charter.net spectrum.net earthlink.net juno.com netzero.net
optonline.net frontier.com windstream.net centurylink.net roadrunner.com rogers.com shaw.ca bell.net sympatico.ca
telus.net videotron.ca bigpond.com bigpond.net.au optusnet.com.au iinet.net.au xtra.co.nz telia.com spray.se
bredband.net online.no broadpark.no jubii.dk ofir.dk luukku.com suomi24.fi kolumbus.fi wp.pl o2.pl onet.pl onet.eu
interia.pl interia.eu op.pl tlen.pl poczta.fm gazeta.pl seznam.cz centrum.cz email.cz volny.cz post.cz centrum.sk
azet.sk zoznam.sk freemail.hu citromail.hu mail.ru inbox.ru list.ru bk.ru internet.ru rambler.ru ya.ru ukr.net i.ua
meta.ua bigmir.net abv.bg mail.bg otenet.gr in.gr mynet.com qq.com foxmail.com 163.com 126.com yeah.net sina.com
sina.cn sohu.com aliyun.com 139.com 189.cn naver.com hanmail.net daum.net nate.com docomo.ne.jp ezweb.ne.jp
softbank.ne.jp nifty.com ocn.ne.jp biglobe.ne.jp walla.co.il walla.com uol.com.br bol.com.br terra.com.br ig.com.br
globo.com globomail.com r7.com oi.com.br zipmail.com.br fibertel.com.ar ciudad.com.ar arnet.com.ar speedy.com.ar
prodigy.net.mx indiatimes.com sify.com in.com webmail.co.za mweb.co.za rocketmail.com
"""
DOMAINS: Final = frozenset(_NAMES.split())
_COUNTRY: Final = 3
"""The longest part of what follows the name of a family: `com`, `co.uk`."""


def is_free_mail(domain: str) -> bool:
    """Whether anybody can get an address of a domain (in lower case)."""
    name, _, rest = domain.partition(".")
    of_family = name in FAMILIES and bool(rest) and all(len(part) <= _COUNTRY for part in rest.split("."))
    return domain in DOMAINS or of_family
