"""The live page: on 127.0.0.1 alone, read-only, and nothing but the page."""

from __future__ import annotations

import http.client
import json
import threading

import pytest

from gan_lab.errors import UserError
from gan_lab.reporting import Asked, gather, read_runs
from gan_lab.reporting.report.serve import HOST, LivePage, server
from helpers.made_up import record, run_dirs


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A served sweep: (its folder, the page, the port)."""
    folder = run_dirs(tmp_path_factory.mktemp("live") / "runs", record(seed=0), record(seed=1))
    page = LivePage(
        lambda: gather(read_runs([folder], report=lambda line: None), Asked(title="live")), 5
    )
    made = server(page)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield folder, page, made.server_port
    made.shutdown()
    made.server_close()


def ask(port, path="/", method="GET", host=None):
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    headers = {"Host": host or f"{HOST}:{port}"}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    content = answer.read().decode()
    connection.close()
    return answer, content


def test_the_page_and_its_state_are_served_to_this_machine_alone(live):
    _, page, port = live
    answer, content = ask(port)
    assert (answer.status, content) == (200, page.content.decode())
    assert 'data-refresh="5"' in content
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(port, "/state")[1] == page.state
    assert ask(port, "/", "HEAD")[1] == ""
    assert HOST == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    [
        "/record.json",
        "/../../etc/passwd",
        "//etc/passwd",
        "/?x",
        "/state/",
        "/%2e%2e/",
        "*",
        "/x\\y",
    ],
)
def test_no_other_address_is_answered(live, path):
    assert ask(live[2], path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(live, method):
    assert ask(live[2], "/", method)[0].status == 501


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example:1"])
def test_a_name_of_another_page_is_refused(live, host):
    assert ask(live[2], "/", host=host)[0].status == 403


def test_a_new_run_makes_a_new_page_and_time_alone_does_not(live):
    folder, page, port = live
    before = page.state
    page.refresh()
    assert page.state == before
    run_dirs(folder, record(seed=2, run_id="later"))
    page.refresh()
    assert page.state != before
    assert "later" in ask(port)[1]

    # a record that is half written leaves the page, and says it in the next
    (folder / "later" / "record.json").write_text(json.dumps(record(seed=2))[:100])
    page.refresh()
    assert "passed over" in ask(port)[1]


@pytest.mark.thorough
def test_a_page_that_cannot_be_made_at_first_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        LivePage(lambda: gather(read_runs([tmp_path / "none"]), Asked()), 5)
