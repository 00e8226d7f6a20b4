"""A program for the scenarios that gives untrue answers, as the variable FAULT says."""

import json
import os
import sys

for line in sys.stdin:
    command = json.loads(line)
    fault = os.environ["FAULT"]
    for request in command.get("requests", ()):
        answer = {
            "campaign": command["campaign"],
            "token": "never-sent" if fault == "unsent" else request["token"],
            "outcome": "ACCEPTED" if fault == "accepted" else "NOT_ACCEPTED",
            "reason": "",
            "dial_request_id": "id",
            "replayed": False,
        }
        for _ in range({"missing": 0, "twice": 2}.get(fault, 1)):
            sys.stdout.write(json.dumps({"id": command["id"], "answer": answer}) + "\n")
    if fault == "crash":
        sys.exit(1)
    sys.stdout.write(json.dumps({"id": command["id"], "end": "ok"}) + "\n")
    sys.stdout.flush()
