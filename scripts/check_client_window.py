"""Checks that the Python client runs on every protobuf and grpcio that its pyproject.toml allows.

Each combination runs in its own process, with these two packages before the installed
ones on the path: the messages make a round trip through bytes, and the client talks to a small gateway over a
real socket, with a stream and with a single call. The packages are kept in `.venv/client-window`;
only missing packages are downloaded.
"""

import os
import subprocess
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "clients" / "python"
PACKAGES = Path(sysconfig.get_paths()["data"]) / "client-window"

PROTOBUF = ("4.25.3", "4.25.9", "5.29.6", "6.33.6", "7.36.2")
"""The oldest allowed version, and the newest of every major version."""
OLDEST_PROTOBUF, OLDEST_GRPCIO = PROTOBUF[0], "1.62.3"
NEWEST_PYTHON_OF_OLDEST_GRPCIO = (3, 12)
DEADLINE_S = 30.0


def main() -> int:
    """Try all combinations, print a line for each; 0 if all of them work."""
    # None: the installed grpcio.
    combinations: list[tuple[str, str | None]] = [(version, None) for version in PROTOBUF]
    if sys.version_info[:2] <= NEWEST_PYTHON_OF_OLDEST_GRPCIO:
        combinations.append((OLDEST_PROTOBUF, OLDEST_GRPCIO))
    else:
        print(f"client window: there is no wheel of grpcio {OLDEST_GRPCIO} for this Python: skipped")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return max(list(pool.map(lambda combination: _try(*combination), combinations)))


def _try(protobuf: str, grpcio: str | None) -> int:
    name = f"client window: protobuf {protobuf}, grpcio {grpcio or 'as installed'}"
    try:
        folders = [_package("protobuf", protobuf)]
        folders += [_package("grpcio", grpcio)] if grpcio else []
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [*folders, CLIENT])))
        done = subprocess.run(
            [sys.executable, "-P", __file__, "--child", protobuf, grpcio or ""],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=2 * DEADLINE_S,
        )
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{name}: could not be tested: {error}")
        return 1
    print(f"{name}: {'works' if done.returncode == 0 else 'FAILS'}")
    sys.stderr.write(done.stderr if done.returncode else "")
    return int(done.returncode != 0)


_downloads = threading.Lock()


def _package(name: str, version: str) -> Path:
    """Return the folder that holds this release, downloaded if it is not there."""
    with _downloads:
        folder = PACKAGES / f"{name}-{version}"
        if not folder.exists():
            unfinished = folder.with_name(f"{folder.name}.unfinished")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
            subprocess.run([*pip, "--upgrade", f"--target={unfinished}", f"{name}=={version}"], check=True)
            unfinished.rename(folder)
    return folder


# --- in the process of one combination ------------------------------------------------------------


def exercise(protobuf: str, grpcio: str) -> None:
    """Make messages and calls with the named packages, which are first on the path."""
    import google.protobuf
    import grpc

    for module, version in ((google.protobuf, protobuf), (grpc, grpcio)):
        if version and module.__version__ != version:
            raise RuntimeError(f"{module.__name__} is {module.__version__}, not {version}")
    _round_trip()
    _talk()


def _round_trip() -> None:
    from dialgateway.v1 import dial_request_service_pb2 as pb

    request = pb.DialRequest(phone_number="+12065550100", attributes={"name": "Jane"})
    request.expiration_time.FromSeconds(1_800_000_000)
    sent = pb.StreamDialRequestsRequest(
        campaign_id="c", dial_requests=[request], priority=pb.Priority.PRIORITY_HIGH
    )
    received = pb.StreamDialRequestsRequest.FromString(sent.SerializeToString())
    if received != sent or pb.Priority.Name(received.priority) != "PRIORITY_HIGH":
        raise RuntimeError("a message changed in the round trip")


def _talk() -> None:
    from concurrent import futures
    from datetime import UTC, datetime, timedelta

    import grpc

    from dialgateway import DialRequest, Outcome, SyncDialGatewayClient
    from dialgateway.v1 import dial_request_service_pb2_grpc as pb_grpc

    server = grpc.server(futures.ThreadPoolExecutor(4))
    pb_grpc.add_DialRequestServiceServicer_to_server(_gateway(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    late = threading.Timer(DEADLINE_S, os._exit, (1,))
    late.start()
    expires_at = datetime.now(UTC) + timedelta(minutes=5)
    requests = [DialRequest(f"t-{number}", "+12065550100", expires_at, {"n": "1"}) for number in range(300)]
    with SyncDialGatewayClient(f"127.0.0.1:{port}") as client:
        streamed = list(client.dial("c", requests))
        put = client.put("c", requests[:3], timeout=DEADLINE_S)
    late.cancel()
    server.stop(None).wait()
    if [result.client_token for result in put] != ["t-0", "t-1", "t-2"] or len(streamed) != len(requests):
        raise RuntimeError(f"{len(streamed)} and {len(put)} answers came back")
    if any(result.outcome is not Outcome.ACCEPTED for result in (*streamed, *put)):
        raise RuntimeError("an answer changed in the round trip")


def _gateway() -> Any:
    from dialgateway.v1 import dial_request_service_pb2 as pb
    from dialgateway.v1.dial_request_service_pb2_grpc import DialRequestServiceServicer

    def accepted(requests: Any, begin: int) -> list[pb.DialResult]:
        accepted = pb.Outcome.OUTCOME_ACCEPTED
        return [
            pb.DialResult(
                client_token=request.client_token, index=index, outcome=accepted, dial_request_id="id"
            )
            for index, request in enumerate(requests, begin)
        ]

    class Gateway(DialRequestServiceServicer):
        def StreamDialRequests(self, request_iterator: Any, context: Any) -> Any:  # noqa: N802
            begin = 0
            for message in request_iterator:
                results = accepted(message.dial_requests, begin)
                begin += len(results)
                yield pb.StreamDialRequestsResponse(campaign_id=message.campaign_id, results=results)

        def PutDialRequests(self, request: Any, context: Any) -> Any:  # noqa: N802
            return pb.PutDialRequestsResponse(results=accepted(request.dial_requests, 0))

    return Gateway()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        exercise(*sys.argv[2:])
    else:
        sys.exit(main())
