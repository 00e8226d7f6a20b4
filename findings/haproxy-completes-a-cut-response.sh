#!/usr/bin/env bash
# HAProxy 2.6 ends a response to an HTTP/2 client as if it were complete, although its server has died in the middle.
#
# Version: HAProxy 2.6.12-1+deb12u4 of Debian 12 (installed with apt if it is missing, which needs root), curl of Debian 12 as the
#   client; Python 3.11 or later for the server.
# Expected: a response of unknown length that the server has not ended is incomplete. A proxy tells its client: it closes the
#   connection before the last chunk (HTTP/1.1), or resets the stream (HTTP/2; RFC 9113, 8.1 and 8.1.1).
# Observed: HAProxy notices the end (its log says SD), and clients of HTTP/1.1 get an error (curl: 18). Clients of HTTP/2 get an
#   empty DATA frame with END_STREAM, so curl ends with 0 and half of the body. The same happens if the server speaks HTTP/2 and
#   resets the stream.
# Who is affected: HTTP/2 clients of downloads, exports and event streams without a Content-Length: a cut file looks whole.
#   A gRPC call without trailers is an error in any case, but its status differs: CANCELLED or INTERNAL.
# What to do: send a Content-Length, or a mark at the end of the body that the client checks, or use HTTP/1.1 towards clients.
#
# Exits with 0 as long as it behaves so, and with 1 when the client of HTTP/2 gets an error too.
set -euo pipefail
PATH=$PATH:/usr/sbin
command -v haproxy >/dev/null || apt-get -qq install -y --no-install-recommends haproxy
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}"; rm -rf "$folder"' EXIT
cd "$folder"
cat >server.py <<'PYTHON'
"""Sends the first chunk of a response, and closes the connection before the last."""
import asyncio


async def serve(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfirst half\r\n")
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(120)


asyncio.run(main())
PYTHON
python3 server.py >port &
pids+=($!)
until [[ -s port ]]; do sleep 0.1; done
cat >haproxy.cfg <<CONFIGURATION
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
frontend http_1
    bind unix@$folder/http_1
    default_backend server
frontend http_2
    bind unix@$folder/http_2 proto h2
    default_backend server
backend server
    server only 127.0.0.1:$(<port)
CONFIGURATION
haproxy -v | head -n 1
haproxy -f haproxy.cfg &
pids+=($!)
until [[ -S http_2 ]]; do sleep 0.1; done

fetch() { # NAME CURL_OPTION...: prints the exit code of curl, and what it has received
    local name=$1 code=0
    shift
    curl --silent "$@" --output body || code=$?
    echo "$name: curl ends with $code, received \"$(<body)\"" | tee -a ends
}
fetch "without a proxy" "http://127.0.0.1:$(<port)/"
fetch "HAProxy, HTTP/1.1" --unix-socket http_1 http://localhost/
fetch "HAProxy, HTTP/2" --unix-socket http_2 --http2-prior-knowledge http://localhost/
grep -q "^without a proxy: curl ends with 18" ends
grep -q "^HAProxy, HTTP/1.1: curl ends with 18" ends
grep -q '^HAProxy, HTTP/2: curl ends with 0, received "first half"' ends
