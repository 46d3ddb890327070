"""Who may use the page: programs and the page itself, no page of another host."""

import asyncio

import pytest

from reprise.tools.demo.same_origin import SameOrigin, why_refused

HERE = "127.0.0.1:7860"


def scope(method, host=HERE, *origins):
    headers = [(b"host", host.encode()), *((b"origin", origin.encode()) for origin in origins)]
    return {"type": "http", "method": method, "headers": headers}


@pytest.mark.parametrize(
    "request_of",
    [
        scope("POST"),  # curl, gradio_client
        scope("POST", HERE, f"http://{HERE}"),
        scope("POST", "localhost", "http://localhost"),  # of port 80
        scope("GET", HERE, "http://evil.example"),  # nothing changes, and the browser hides the answer
        scope("OPTIONS", HERE, "http://evil.example"),  # gradio's answer allows it nothing
    ],
)
def test_the_page_and_programs_are_let_through(request_of):
    assert why_refused(request_of) is None


@pytest.mark.parametrize(
    ("request_of", "reason"),
    [
        (scope("POST", HERE, "http://evil.example"), "a page of http://evil.example may not"),
        (scope("POST", HERE, "null"), "a page of null may not"),  # a file, a sandboxed frame
        (scope("POST", HERE, "http://127.0.0.1:3000"), "may not"),  # another program's page on this machine
        (scope("POST", HERE, f"https://{HERE}"), "may not"),
        (scope("DELETE", HERE, f"http://{HERE}", "http://evil.example"), "may not"),
        (scope("GET", "evil.example:7860"), "asked for as evil.example:7860"),  # a name that is made to lead here
        (scope("POST", "127.0.0.1.evil.example:7860", "http://127.0.0.1.evil.example:7860"), "asked for as"),
        ({"type": "http", "method": "GET", "headers": []}, "asked for as nothing"),
        ({**scope("GET", HERE, "http://evil.example"), "type": "websocket", "method": None}, "may not"),
    ],
)
def test_pages_of_others_are_refused(request_of, reason):
    assert reason in (why_refused(request_of) or "")


def test_what_is_refused_never_arrives():
    arrived, sent = [], []

    async def application(scope, receive, send):
        arrived.append(scope["type"])

    async def send(message):
        sent.append(message)

    async def receive():
        return {}

    guarded = SameOrigin(application)
    asyncio.run(guarded({"type": "lifespan"}, receive, send))
    asyncio.run(guarded(scope("POST"), receive, send))
    assert (arrived, sent) == (["lifespan", "http"], [])
    asyncio.run(guarded(scope("POST", HERE, "http://evil.example"), receive, send))
    assert [message.get("status") for message in sent] == [403, None]
    assert arrived == ["lifespan", "http"]
