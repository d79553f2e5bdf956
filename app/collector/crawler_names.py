"""Names and words of machines in user agents, and the patterns of the public list that match people, too."""

from __future__ import annotations

from typing import Final

NARROWED: Final = {
    "okhttp": "^okhttp",  # apps put their name before it
    "WhatsApp": r"^WhatsApp(?:/[\d.]+(?:[ /][A-Za-z])?)?$",  # link previews; the app and its desktop client say more
    "008\\/": "^008/",  # model numbers end with 008
    "Butterfly": "Butterfly/",  # phones of HTC
    "Charlotte": "Charlotte/",
    "NewsBlur": "NewsBlur (?:Feed|Page|Favicon)",
    "Nitro-": "Nitro-Optimizer",
    "mail\\.ru": r"top\.mail\.ru",
}
"""Pattern of the public list -> a stricter one, which does not match people."""

_PHONES: Final = "a model or build of phones and tablets"
_BROWSERS: Final = "a browser"
_APPS: Final = "an app for people"
SHARED_NAMES: Final = {
    "AP3A\\.240617\\.008": _PHONES,  # Android 15 of OPPO, OnePlus, realme and Xiaomi
    "Sonic": _PHONES,  # ViewSonic, Cherry Sonic
    "Expanse": _PHONES,
    "Fever": _PHONES,
    "Adventurer": _PHONES,
    "Magellan": _PHONES,
    "speedy": _PHONES,
    "fluffy": _PHONES,
    "Yeti": _PHONES,
    "Trove": _PHONES,
    "Odin;": _PHONES,
    "HappyWing": _PHONES,
    "Sogou": _BROWSERS,
    "coccoc": _BROWSERS,
    "Fluid": _BROWSERS,
    "Freespoke\\/": _BROWSERS,
    "^Silk\\/": _BROWSERS,
    "MetaIAB Facebook": "a page in the app of Facebook",
    **dict.fromkeys(
        (
            "AllAfrica", "Asana\\/", "Blackboard", "Bluesky\\/", "CapitalOneShopping", "Chirp|gotosocial",
            "Code\\/1\\.", "Daum\\/", "Disqus", "Feedly", "Fetch\\/", "Friendica", "Goodreads", "GoPay",
            "Grammarly\\/", "Grover\\/", "Hatena", "HubSpot", "inoreader", "Instapaper\\/", "Jumio", "Klaviyo\\/",
            "MailChimp", "Mastodon", "NewsNow\\/", "NextCloud", "Notion\\/", "Nuzzel", "OneTrust", "outbrain",
            "Overcast\\/", "PayPal\\/", "PocketCasts\\/", "Podimo", "Readable\\/", "Salesforce\\.com",
            "Scoop\\.it\\/", "Stripe\\/", "Trae\\/", "Tumblr\\/", "upday\\/", "Viber", "Wayback", "WordPress\\/",
        ),
        _APPS,
    ),
}  # fmt: skip
"""Pattern of the public list -> who else has this name; it counts only in an agent that names no device of a person."""

WORDS: Final = {
    "bot": r"(?<!cu)bots?(?![a-z])",  # Cubot makes phones
    "crawl": "crawl",
    "spider": "spider",
    "scrap": "scrap(?:er|y|ing)",
    "fetch": "fetch(?:er|ing)",
    "archiver": "archiver",
    "indexer": "indexer",
    "harvest": "harvest(?:er|ing)",
    "extractor": "extractor",
    "grabber": "grabber",
    "headless": "headless",
    "synthetic": "synthetic",
    "subscribers": r"\d subscribers",
    "proxy": "(?:image|mail|checker)[ _-]?proxy",
    "google": "google[- ](?:ads|adwords|assess|cloud|firebase|hotelads|page sp|publisher|search console|sites|speakr)",
    "mailto:": "mailto:",
    "user": "user-?agent(?!:)|my user agent",
    "jndi:": "jndi:",
    "compatible": r"compatible; (?!msie)[^)]*(?:https?:|www\.)|^mozilla/5\.0 ?\(compatible(?:; ?[^;()]+)?\)$",
    "mozilla/5.0 ": r"^mozilla/5\.0 [a-z_]+(?:/[\d.]+)?$",  # no system
    "http": "^https?://",
}
"""Part of an agent in lower case -> the pattern, in an agent that has this part, by which a machine names itself."""
TASKS: Final = {
    "check": r"check(?:er)?\b|(?:link|site|url|feed|web|seo|ssl|page|css|domain|health|green)[ _-]?check",
    "link": "link[ _-]?(?:alarm|count|exam|valet|valid)",
    "shot": "(?:screen|web|site)[ -]?shot|mshots",
    "thumb": "thumb",
    "favicon": "favicon",
    "map": "site-?map",
    "resolver": "resolver",
    "expander": "expander",
    "client": "http[_ .-]?client",
    "webhook": "webhook",
    "seo": r"\bseo|seo\b",
    "semantic": "semantic",
    "classif": "classifi",
    "census": "census",
    "fuzz": "fuzz",
    "vuln": "vuln",
    "ping": r"ping(?:er)?\b",
    "ptst": r"\bptst\b",  # WebPageTest
    "uptime": "uptime",
    "monitor": "monitoring|(?:url|web|site|page|server|http|network|rocket)[ _-]?monitor",
    "scan": r"(?<!cam)scan(?:s|ner|ning)?(?![a-z])",
    "probe": r"probe[rd]?\b",
    "valid": "validat(?:or|ion)",
    "verification": "verification",
    "analy": "analy[sz]er",
    "research": r"(?<!p)research\b",
    "survey": "[-_ ]survey|survey[-_]",
    "audit": "[-_ ]audit|auditor",
    "recon": r"\brecon\b",
    "preview": "(?:link|url)[ _-]?preview",
    "lookup": "lookup",
    "dcv": r"\bdcv\b",
}
"""The same for tasks of machines, which are names of apps for phones, too."""
ADDRESS: Final = r"\+ ?https?:|[\w.+-]+@[\w-]+\.[a-z]{2,}"
"""An address for complaints, as machines give it; some apps of people give their home page, too."""

LIBRARIES: Final = (
    r"^(?:apache-http\w*|bun|deno|faraday|fasthttp|go[- ]\S*http|go-resty|google-http-java-client|grpc-\w+|gsoap"
    r"|guzzlehttp|hackney|http-kit|http_request2?|jakarta commons|java|libcurl|lua-resty-http|lwp|mojolicious|okhttp"
    r"|perl|php|postmanruntime|python|reqwest|rest-client|restsharp|ruby|scalaj-http|undici|winhttp"
    r"|akka-http|amphp|aria2|attohttpc|boost\.beast|cpp-httplib|curb|docker|eventmachine|gradle|http\.rb|http-tiny"
    r"|httpie|jersey|kubectl|needle|nghttp2|node-superagent|npm|pip|pnpm|reactornetty|snoopy|spray-can|superagent"
    r"|symfony2?|twine|typhoeus|unirest-java|ureq|zend)(?:[/ -]|$)"
)
"""Libraries for programs; an app for people puts its own name first."""
NAMES: Final = (
    "${jndi", "-sectxt", "360jk yunjiankong", "<?=", "acme.sectigo.com", "adauth/", "adreview/", "amazon-kendra",
    "apachebench", "arachni", "artelleadradar", "assetnote", "azure-logic-apps", "baidu transcoder",
    "barracuda sentinel", "bidtellect", "blackboardally", "bloglovin", "browsershots", "castopod", "catexplorador",
    "cf-uc user agent", "cloudflare-diagnostics", "cloudflarediagnostics", "cloudflareobservatory", "collectd/",
    "convertify", "copyviodetector", "cybaaagent", "daum 4", "daumoa", "duplexweb-google", "email exractor",
    "externalhit", "facebookexternalua", "feed wrangler", "fragfinn", "functionize", "gather/",
    "gbrmss", "geckoversion", "githubcopilotchat", "gobuster", "google-amphtml", "google-ilp", "google-lens",
    "google-pinpoint", "google-transparency-report", "google-youtube-links", "googleadsenseinfeed", "grafana/",
    "greedyhand", "gsa-crawler", "hackermention", "heartrails_capture", "hells-net", "hlb/", "httpmon",
    "ias wombles", "idbte4m", "idg/", "insomania", "inspici", "internaetboten", "internal dummy connection",
    "iplabel", "k6/0", "karnoprospecting", "keycdn-tools", "keydrop", "kirkland-signature", "kiwitcms-gitops",
    "kocmohabt", "komaru_", "kouio.com", "l9tcpid", "laravel reaver", "letrixlabs", "libredtail", "linkchain",
    "lolisec", "mail.ukr.net proxy", "masjesu", "matomo/", "meta-externalads", "microsoft-flow",
    "mixnode", "mnogosearch", "morningscore", "multi-country-domains", "munin/", "nettrack", "neural network",
    "neustar wpm", "newsgatoronline", "nsfw-go-placeholder", "nvd0rz", "ohdear", "ort/v", "pageburst", "paypal ipn",
    "phpmyadmin", "pocketimagecache", "pompos", "prerender", "prittorrent", "project-resonance", "project_patchwatch",
    "prometheus/", "punkmap", "rainmeter webparser", "ramblermail", "re-re studio", "report runner", "reqbin",
    "researchcyber", "roi hunter", "rootevidence", "safersoftwash", "sbider", "scooter/", "securitee.org",
    "sffeedreader", "shadowforce", "shodan", "silverreader", "simbiat software",
    "sixy.ch", "sparkler/", "sprinklr", "sqalix", "taginspector", "thesafe", "thewebinternetsearch", "trackable/",
    "ucsbnetworkmeasurement", "veryhip", "voilabotcollector", "vyhledavac", "webmon", "whatcms", "wordup",
    "wp_is_mobile", "xenforo", "xtate", "yottaamonitor", "zao/", "{{.",
)  # fmt: skip
"""Parts of agents, in lower case, that only machines have."""
WHOLE: Final = frozenset(
    {
        "0xabyssaldoesntexist", "abcd", "anarchy99", "android", "antoine", "b3astmode", "chrome", "client",
        "cortex/1.0", "dark", "desktop", "firefox", "google", "googlesites", "hakai/2.0", "hello, world",
        "intently.co", "itms", "java", "jesus christ of nazareth is lord", "kowai/1.0", "kvshclient",
        "linux gnu (cow)", "lmao/2.0", "matomo", "mozilla", "mozilla/4.0", "nameofagent", "node", "node.js",
        "octopus 1.0.2", "opera", "parser", "php", "python", "request-promise", "revolt", "robozilla/1.0", "ruby",
        "safari", "spark", "spotify/1.0", "test", "url", "xfa1", "xx032_bo9vs83_2a", "zeno", "zeus",
    }
)  # fmt: skip
"""Whole agents, in lower case: a browser says more about itself."""
