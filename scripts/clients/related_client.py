"""A client of the related-stories service in one file, to be copied: standard library only, Python 3.9 or newer.

client = Client("https://stories.example", key="rs_...")
client.publish("news/ferry", {"headline": "Ferry breaks down", "body": "..."})
for item in client.related("news/ferry", limit=4)["items"]:
    print(item["teaser"]["headline"])
send_webhook("https://stories.example", "cms", "whs_...", [{"action": "withdraw", "id": "news/ferry"}])
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10


class Problem(Exception):
    """The service refused: `status`, `code` and `detail` of its problem document, `retry_after` in seconds if any."""

    def __init__(self, status: int, code: str, detail: str, retry_after: int | None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status, self.code, self.detail, self.retry_after = status, code, detail, retry_after


class Client:
    """Every call gives the decoded answer, or raises `Problem`, or `OSError` where the service is away.

    Keyword arguments are parameters of the contract under the same names; a list is sent as the parameter repeated.
    """

    def __init__(self, service: str, key: str = "", timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._service = service.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout_seconds = timeout_seconds

    def related(self, article_id: str, **parameters: Any) -> Any:
        """The list under an article."""
        return self._call("GET", "/v1/related", {"id": article_id, **parameters})

    def related_html(self, article_id: str, **parameters: Any) -> str:
        """The same as an HTML fragment, "" where nothing is related."""
        return str(self._call("GET", "/v1/related.html", {"id": article_id, **parameters}, raw=True))

    def related_batch(self, article_ids: list[str], **parameters: Any) -> Any:
        """Up to 100 lists, or a problem each. Needs a key that reads."""
        return self._call("POST", "/v1/related/batch", parameters, {"ids": article_ids})

    def related_to_draft(self, draft: dict[str, str], **parameters: Any) -> Any:
        """The list under `headline`, `standfirst` and `body`. Needs a key that reads."""
        return self._call("POST", "/v1/related", parameters, draft)

    def article(self, article_id: str) -> Any:
        """The teaser and where the article stands."""
        return self._call("GET", "/v1/article", {"id": article_id})

    def publish(self, article_id: str, article: dict[str, Any]) -> Any:
        """Publish or update. Needs a key that writes."""
        return self._call("PUT", "/v1/article", {"id": article_id}, article)

    def withdraw(self, article_id: str, note: str = "") -> Any:
        """Withdraw; idempotent. Needs a key that writes."""
        return self._call("DELETE", "/v1/article", {"id": article_id, **({"note": note} if note else {})})

    def signals(self, article_id: str) -> Any:
        """An article's signals and their history. Needs an editor's key."""
        return self._call("GET", "/v1/article/signals", {"id": article_id})

    def set_signals(self, article_id: str, signals: list[dict[str, Any]]) -> Any:
        """Replace an article's signals. Needs an editor's key."""
        return self._call("PUT", "/v1/article/signals", {"id": article_id}, {"signals": signals})

    def _call(
        self, method: str, path: str, parameters: dict[str, Any], body: Any = None, *, raw: bool = False
    ) -> Any:
        query = urlencode([(name, text) for name, value in parameters.items() for text in _texts(value)])
        content = None if body is None else json.dumps(body).encode()
        url = f"{self._service}{path}" + (f"?{query}" if query else "")
        answer = _ask(method, url, content, self._headers, self._timeout_seconds)
        return answer.decode() if raw else json.loads(answer)


def send_webhook(
    service: str, key_name: str, secret: str, events: list[dict[str, Any]], timeout_seconds: float = TIMEOUT_SECONDS
) -> Any:
    """Send up to 100 events, signed: {"action": "publish", "article": {...}}, {"action": "withdraw", "id": "..."}."""
    content = json.dumps({"events": events}).encode()
    timestamp = str(int(time.time()))
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + content, hashlib.sha256).hexdigest()
    headers = {"X-Related-Timestamp": timestamp, "X-Related-Signature": f"sha256={digest}"}
    url = f"{service.rstrip('/')}/v1/webhooks/{quote(key_name, safe='')}"
    return json.loads(_ask("POST", url, content, headers, timeout_seconds))


def _ask(method: str, url: str, content: bytes | None, headers: dict[str, str], timeout_seconds: float) -> bytes:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url!r} is no http address")
    headers = {**headers, "Content-Type": "application/json"} if content is not None else headers
    request = Request(url, content, headers, method=method)  # noqa: S310 - http(s) alone, as checked above
    try:
        with urlopen(request, timeout=timeout_seconds) as response:  # noqa: S310
            return bytes(response.read())
    except HTTPError as error:
        with error:
            raise _problem(error) from None


def _problem(error: HTTPError) -> Problem:
    try:
        document = json.loads(error.read())
    except ValueError:
        document = {}
    document = document if isinstance(document, dict) else {}
    wait = error.headers.get("Retry-After", "")
    retry_after = int(wait) if wait.isdigit() else None
    return Problem(error.code, document.get("code", ""), document.get("detail", error.reason), retry_after)


def _texts(value: Any) -> list[str]:
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]
