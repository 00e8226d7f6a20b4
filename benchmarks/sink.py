"""A fake Amazon Connect that accepts everything at once, so that only the sender limits the rate.

It reads only the client tokens of a call, to answer each one. With the argument `refusing` it answers no
call until it gets SIGUSR1, and then that the campaign does not exist.
"""

import asyncio
import re
import signal
import sys

_tokens = re.compile(rb'"clientToken": ?"([^"]+)"').findall
_length = re.compile(rb"content-length: (\d+)", re.IGNORECASE).search


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _length(head)
        if not blank or (length is not None and len(body) < int(length[1])):
            if b"100-continue" in head and blank and not body:
                self._write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        self._received = b""
        self._answer(body)

    def _answer(self, body: bytes) -> None:
        accepted = b",".join(b'{"clientToken":"%b","id":"%b"}' % (token, token) for token in _tokens(body))
        answer = b'{"successfulRequests":[%b],"failedRequests":[]}' % accepted
        self._write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-amzn-requestid: sink\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(answer), answer)
        )

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


class _Refusing(_Connection):
    refused = asyncio.Event()

    def _answer(self, body: bytes) -> None:
        self._waiting = asyncio.ensure_future(self._refuse())

    async def _refuse(self) -> None:
        await self.refused.wait()
        answer = b'{"message":"no such campaign"}'
        self._write(
            b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nx-amzn-requestid: sink\r\n"
            b"x-amzn-errortype: ResourceNotFoundException\r\ncontent-length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )


async def _serve(connection: type[_Connection]) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, _Refusing.refused.set)
    server = await loop.create_server(connection, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.sleep(600)  # ends after this time if the benchmark did not stop it


if __name__ == "__main__":
    asyncio.run(_serve(_Refusing if sys.argv[1:] == ["refusing"] else _Connection))
