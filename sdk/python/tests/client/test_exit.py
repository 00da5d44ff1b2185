"""How programs end that have a client, as real processes."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from support import PATIENCE, History, Server, entities, hello


def run(server: Server, program: str) -> None:
    """Runs a program that has the URL of the server, and has to end well."""
    history = History()
    history.publish(entities("red"))
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-c", f"URL = {server.url!r}\n" + textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        if "Client(" in program and "127.0.0.1:1" not in program:
            server.watch().send(hello(30), history.full(), history.heartbeat())
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert err == ""
    assert out == "done\n"
    assert process.returncode == 0


READ = """
client.ready(20)
assert client.evaluate("shop", {"user_id": "ann"}).get_string("color", "") == "red"
"""


def sent(server: Server) -> list[str]:
    return [e.key for e in server.batches.get(timeout=PATIENCE).exposures]


def test_close_was_never_called(server: Server) -> None:
    run(server, "import strata\nclient = strata.Client(url=URL)" + READ + "print('done')")
    assert sent(server) == ["ann"]


def test_a_client_that_nobody_refers_to(server: Server) -> None:
    run(
        server,
        "import strata\nclient = strata.Client(url=URL)" + READ + "del client\nprint('done')",
    )
    assert sent(server) == ["ann"]


def test_with(server: Server) -> None:
    program = """
    import strata
    with strata.Client(url=URL) as client:
        client.ready(20)
        client.evaluate("shop", {"user_id": "ann"}).get_string("color", "")
    print("done")
    """
    run(server, program)
    assert sent(server) == ["ann"]


def test_exposures_of_threads_that_end_last(server: Server) -> None:
    program = """
    import strata, threading
    client = strata.Client(url=URL)
    client.ready(20)
    def last():
        threading.main_thread().join()
        client.evaluate("shop", {"user_id": "last"}).get_string("color", "")
    threading.Thread(target=last).start()
    print("done")
    """
    run(server, program)
    assert sent(server) == ["last"]


def test_a_daemon_thread_that_evaluates_to_the_end(server: Server) -> None:
    program = """
    import strata, threading
    client = strata.Client(url=URL)
    client.ready(20)
    begun = threading.Event()
    def forever():
        i = 0
        while True:
            i += 1
            client.evaluate("shop", {"user_id": i}).get_string("color", "")
            begun.set()
    threading.Thread(target=forever, daemon=True).start()
    begun.wait()
    print("done", flush=True)
    """
    run(server, program)


def test_nothing_was_heard(server: Server) -> None:
    program = """
    import strata, logging
    logging.getLogger("strata").setLevel(logging.CRITICAL)
    client = strata.Client(url="http://127.0.0.1:1")
    client.evaluate("shop", {"user_id": "ann"}).get_string("color", "")
    print("done")
    """
    run(server, program)


def test_sys_exit_and_exceptions_in_listeners(server: Server) -> None:
    program = """
    import logging, strata, sys
    logging.getLogger("strata").setLevel(logging.CRITICAL)
    client = strata.Client(url=URL)
    client.on_change(lambda change: 1 / 0)
    client.ready(20)
    print("done")
    sys.exit(0)
    """
    run(server, program)


@pytest.mark.parametrize("close", ["", "    await client.close()\n"])
def test_from_an_event_loop(server: Server, close: str) -> None:
    program = (
        "import asyncio, strata\n"
        "async def main():\n"
        "    client = strata.AsyncClient(url=URL)\n"
        "    await client.ready(20)\n"
        "    client.on_change(lambda change: None)\n"
        "    client.evaluate('shop', {'user_id': 'ann'}).get_string('color', '')\n"
        + close
        + "    print('done')\n"
        "asyncio.run(main())\n"
    )
    run(server, program)
    assert sent(server) == ["ann"]


def test_an_event_loop_that_waits_for_nothing_to_come(server: Server) -> None:
    program = """
    import asyncio, logging, strata
    logging.getLogger("strata").setLevel(logging.CRITICAL)
    async def main():
        client = strata.AsyncClient(url="http://127.0.0.1:1")
        waiting = asyncio.create_task(client.ready())
        await asyncio.sleep(0)
        print("done")
    asyncio.run(main())
    """
    run(server, program)


def test_import_starts_nothing(server: Server) -> None:
    run(server, "import strata, threading\nassert threading.active_count() == 1\nprint('done')")
