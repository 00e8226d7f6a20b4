"""A program for the scenarios whose client lies, as the variable LIE says."""

import json
import os
import sys

for line in sys.stdin:
    command = json.loads(line)
    lie = os.environ["LIE"]
    for request in command.get("requests", ()):
        answer = {
            "campaign": command["campaign"],
            "token": "never-sent" if lie == "unsent" else request["token"],
            "outcome": "ACCEPTED" if lie == "accepted" else "NOT_ACCEPTED",
            "reason": "",
            "dial_request_id": "id",
            "replayed": False,
        }
        for _ in range({"missing": 0, "twice": 2}.get(lie, 1)):
            sys.stdout.write(json.dumps({"id": command["id"], "answer": answer}) + "\n")
    if lie == "crash":
        sys.exit(1)
    sys.stdout.write(json.dumps({"id": command["id"], "end": "ok"}) + "\n")
    sys.stdout.flush()
