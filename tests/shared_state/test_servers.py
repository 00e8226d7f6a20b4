"""The real servers of the tests do what the tests of the shared state rely on."""

from pathlib import Path

import pytest
import valkey

from tests.shared_state.servers import SERVICE, Server, absent, running, running_pair


def test_versions(real_server: Server) -> None:
    """Valkey is version 9, Redis at least 7."""
    name, lowest = ("valkey_version", 9) if real_server.program == "valkey" else ("redis_version", 7)
    info = real_server.command("INFO", "server")
    assert isinstance(info, dict)
    assert int(info[name].partition(".")[0]) >= lowest


def test_a_killed_server_starts_again_without_its_keys(real_server: Server) -> None:
    """After SIGKILL a server refuses connections; it starts on the same port, without the keys."""
    real_server.command("SET", "a", "1")
    real_server.kill()
    with pytest.raises(valkey.ConnectionError):
        real_server.command("GET", "a")
    real_server.start()
    assert real_server.command("GET", "a") is None


def test_a_server_that_persists_keeps_its_keys(program: str, tmp_path: Path) -> None:
    """With `appendfsync always`, a write that was answered survives SIGKILL."""
    options = {"appendonly": "yes", "appendfsync": "always"}
    with running(program, tmp_path / "server", options) as server:
        server.command("SET", "a", "1")
        server.kill()
        server.start()
        assert server.command("GET", "a") == "1"


def test_a_paused_server_carries_out_late_what_it_was_sent(real_server: Server) -> None:
    """While a server is stopped a command times out; once it goes on, it carries the command out."""
    impatient = real_server.client(timeout_s=1.0)
    impatient.ping()
    real_server.pause()
    with pytest.raises(valkey.TimeoutError):
        impatient.set("a", "1")
    real_server.resume()
    assert real_server.command("GET", "a") == "1"


def test_memory_limit(program: str, tmp_path: Path) -> None:
    """A server without room refuses to write, and evicts nothing."""
    with running(program, tmp_path / "server", {"maxmemory": "4mb"}) as server:
        assert server.command("CONFIG", "GET", "maxmemory-policy") == ["maxmemory-policy", "noeviction"]
        for number in range(100):
            try:
                server.command("SET", f"key-{number}", "x" * 100_000)
            except valkey.exceptions.OutOfMemoryError:
                break
        else:
            pytest.fail("10 MB fit into 4 MB")
        assert server.command("EXISTS", "key-0") == 1


def test_tls(tmp_path: Path) -> None:
    """Debian's Redis speaks TLS with a certificate of the test's authority."""
    if reason := absent("redis"):
        pytest.skip(reason)
    with running("redis", tmp_path / "server", tls=True) as server:
        assert server.url.startswith("rediss://")
        assert server.command("PING") in {True, "PONG"}


def test_a_promotion_after_a_cut_loses_writes(program: str, tmp_path: Path) -> None:
    """What was written after replication was cut is lost once the replica has taken over."""
    with running_pair(program, tmp_path) as pair:
        pair.primary.command("SET", "before", "1")
        pair.wait_for_replica()
        pair.cut_replication()
        pair.primary.command("SET", "after", "1")
        old = pair.primary
        pair.promote()
        assert pair.primary is not old
        assert pair.primary.command("MGET", "before", "after") == ["1", None]
        with pytest.raises(valkey.exceptions.ReadOnlyError):
            old.command("SET", "again", "1")


@pytest.mark.timed
def test_a_sentinel_promotes_the_replica(program: str, tmp_path: Path) -> None:
    """After the primary is killed, the Sentinel names the replica as the primary within seconds."""
    with running_pair(program, tmp_path, sentinel=True) as pair:
        assert pair.sentinel is not None
        watcher = pair.sentinel.client()
        pair.primary.command("SET", "a", "1")
        pair.wait_for_replica()
        events = watcher.pubsub()
        events.subscribe("+switch-master")
        pair.primary.kill()
        waited = 0
        while (event := events.get_message(timeout=1.0)) is None or event["type"] != "message":
            waited += 1
            assert waited < 20, "no failover"
        name, *_, port = event["data"].split()
        assert (name, int(port)) == (SERVICE, pair.replica.port)
        assert pair.replica.command("GET", "a") == "1"
        watcher.close()
