"""Every link of the built site leads somewhere, and no page loads anything from elsewhere."""

from functools import cache
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


class Page(HTMLParser):
    """The ids, links and loaded files of one HTML page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids.add(attributes.get("id"))
        if address := attributes.get(LOADED.get(tag)):
            self.loads.add(address)
        if tag == "a" and (address := attributes.get("href")):
            self.links.add(address)


@cache
def parse(path):
    return Page(path)


def test_internal_links_lead_somewhere(site):
    dead = []
    for path in sorted(site.rglob("*.html")):
        if "_static" in path.parts:
            continue
        for address in parse(path).links | parse(path).loads:
            link = urlsplit(address)
            if link.scheme or link.netloc:
                continue
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            if not target.is_file() or (link.fragment and link.fragment not in parse(target).ids):
                dead.append(f"{path.relative_to(site)}: {address}")
    assert dead == []


def test_pages_load_nothing_from_elsewhere(site):
    pages = [path for path in site.rglob("*.html") if "_static" not in path.parts]
    assert pages
    assert {address for path in pages for address in parse(path).loads if urlsplit(address).netloc} == set()
