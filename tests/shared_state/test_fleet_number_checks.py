"""Which numbers are suppressed in a fleet of gateways that share a real Valkey or Redis."""

import asyncio
from pathlib import Path

import pytest

from dialgateway import CallFailed, Confirmation, NumberChecks, NumberStatus, SuppressionLifetime
from tests.integration.fleet_world import Replica, fleet_of
from tests.integration.test_guard import guarded, rules
from tests.integration.world import PHONE, until
from tests.shared_state.lossy_proxy import lossy_proxy_to
from tests.shared_state.operators import NAMES, client_of, dialctl
from tests.shared_state.servers import Server
from tests.shared_state.test_fleet_suppressions import OTHER, REASON, keyed, suppress

STATUS = NumberStatus
UNKNOWN_HERE = "+12065550177"


async def check(replica: Replica, *numbers: str) -> NumberChecks:
    async with client_of(replica) as client:
        return await client.check_numbers(numbers)


def statuses(found: NumberChecks) -> list[NumberStatus]:
    return [one.status for one in found.checks]


async def test_every_replica_tells_what_is_in_force_on_all(fleet_server: Server) -> None:
    """Each tells the same, at once after the suppression and its end."""
    async with fleet_of(3, fleet_server.url) as fleet:
        await fleet.joined()
        await suppress(fleet.replicas[0])
        for replica in fleet.replicas:
            found = await check(replica, PHONE, OTHER)
            assert statuses(found) == [STATUS.SUPPRESSED, STATUS.NOT_SUPPRESSED]
            known, other = found.checks
            assert (known.reason, known.lifetime) == (REASON, SuppressionLifetime.SHARED)
            assert known.on_all_replicas
            assert not other.on_all_replicas
            assert (found.suppressed_by_operators, found.complete) == (1, True)
            assert found.confirmation == Confirmation(NAMES, (), only_here=False)
        async with client_of(fleet.replicas[1]) as client:
            done = await client.allow_number(PHONE, "wants calls")
        assert done.number_hash == known.number_hash
        assert [statuses(await check(one, PHONE)) for one in fleet.replicas] == [[STATUS.NOT_SUPPRESSED]] * 3


async def test_a_fleet_that_keeps_thousands_tells_about_them(fleet_server: Server) -> None:
    """A replica that starts reads them in pages of 1,000; a check of 2,200 numbers takes three calls."""
    numbers = [f"+1206555{number:04}" for number in range(1_100)]
    async with fleet_of(1, fleet_server.url, shared_state_timeout=5.0) as fleet:
        await fleet.joined()
        async with client_of(fleet.replicas[0]) as client:
            for first in range(0, len(numbers), 10):  # few at once: each has its time limit
                part = numbers[first : first + 10]
                await asyncio.gather(*(client.suppress_number(number, REASON) for number in part))
        late = await fleet.add("late")
        await fleet.joined()
        found = await check(late, *numbers, *numbers)
        assert set(statuses(found)) == {STATUS.SUPPRESSED}
        assert all(one.on_all_replicas for one in found.checks)
        assert found.suppressed_by_operators == len(numbers)


async def test_a_replica_without_the_store_does_not_say_not_suppressed(fleet_server: Server) -> None:
    """It tells what it knows. The others name it, and tell what it has not carried out."""
    async with lossy_proxy_to(fleet_server.port) as proxy, fleet_of(2, fleet_server.url) as fleet:
        cut_off = await fleet.add("cut-off", shared_state_url=f"valkey://127.0.0.1:{proxy.port}")
        await fleet.joined()
        await keyed(cut_off)
        await suppress(fleet.replicas[0])
        await until(lambda: len(cut_off.gateway.guard.suppressions.live) == 1)
        proxy.partitioned = True
        await suppress(fleet.replicas[0], OTHER)
        found = await check(fleet.replicas[1], PHONE, OTHER)
        assert statuses(found) == [STATUS.SUPPRESSED] * 2
        assert [one.on_all_replicas for one in found.checks] == [True, False]
        assert found.confirmation == Confirmation(NAMES[:2], ("cut-off",), only_here=False)
        async with client_of(cut_off) as client:
            with pytest.raises(CallFailed, match="on this replica only"):
                await client.suppress_number(UNKNOWN_HERE, REASON)
        found = await check(cut_off, PHONE, OTHER, UNKNOWN_HERE)
        assert statuses(found) == [STATUS.SUPPRESSED, STATUS.UNKNOWN, STATUS.SUPPRESSED]
        assert not any(one.on_all_replicas for one in found.checks)
        assert found.checks[2].lifetime is SuppressionLifetime.PROCESS
        assert found.confirmation == Confirmation(("cut-off",), NAMES[:2], only_here=False)
        assert not found.complete
        code, out, err = await dialctl(cut_off, "suppressions", OTHER)
        assert (code, out) == (1, "UNKNOWN, the shared state cannot be read\nconfirmed by cut-off\n")
        assert "the shared state cannot be read" in err
        proxy.heal()
        await until(lambda: len(cut_off.gateway.guard.suppressions.live) == 3)
        async with asyncio.timeout(10):
            while not all(  # noqa: ASYNC110 - it need not tell
                one.on_all_replicas for one in (await check(cut_off, PHONE, UNKNOWN_HERE)).checks
            ):
                await asyncio.sleep(0.1)


async def test_dialctl_tells_what_is_missing_on_a_replica(fleet_server: Server, tmp_path: Path) -> None:
    """The exit code is 0 only if every number is in force on all replicas."""
    path = tmp_path / "opt-out.txt"
    path.write_text(f"{PHONE}\n{OTHER}\n")
    settings = guarded(tmp_path, rules("always", lists="[dnc]"), listed=f"{OTHER}\n")
    async with fleet_of(2, fleet_server.url, **settings) as fleet:
        await fleet.joined()
        await suppress(fleet.replicas[0])
        code, out, err = await dialctl(fleet.replicas[1], "suppressions", "--numbers", str(path), "--missing")
        assert (code, err) == (0, "")
        assert out.splitlines() == [
            "2 numbers: 1 suppressed by operators, 1 in lists",
            "confirmed by gateway-0, gateway-1",
        ]
        path.write_text(f"{PHONE}\n{UNKNOWN_HERE}\n")
        code, out, _ = await dialctl(fleet.replicas[1], "suppressions", "--numbers", str(path), "--missing")
        assert (code, out.splitlines()[0]) == (1, "line 2: not suppressed")
