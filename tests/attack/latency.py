"""Asks one thing again and again at a steady rate and prints how long each answer took.

Usage: latency.py PORT SOURCE SECONDS RATE, with the request on the standard input.

It is a process of its own, so that the attackers' work does not count. The output is a JSON object:
`seconds`, of each answer with status 200, counted from when its request was due; and `others`, the
statuses of the rest, 0 where there was no answer within ten seconds.
"""

import http.client
import json
import sys
import threading
import time

WITHIN = 10
"""Seconds that an answer may take."""


def main(port, source, seconds, rate):
    wanted = json.load(sys.stdin)
    outcome = {"seconds": [], "others": []}
    began = time.monotonic()
    threads = []
    # Each request has a thread, so that a slow answer delays no other request.
    for number in range(int(seconds * rate)):
        due = began + number / rate
        time.sleep(max(0, due - time.monotonic()))
        thread = threading.Thread(target=ask, args=(port, source, wanted, due, outcome))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    print(json.dumps(outcome))


def ask(port, source, wanted, due, outcome):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN, source_address=(source, 0))
    try:
        headers = {"content-type": "application/json"}
        connection.request(wanted["method"], wanted["path"], wanted.get("body"), headers)
        answer = connection.getresponse()
        body = answer.read()
        failed = answer.status != 200 or b'"errors"' in body[:2000]
        took = time.monotonic() - due
        if failed:
            outcome["others"].append(answer.status)
        else:
            outcome["seconds"].append(took)
    except (OSError, http.client.HTTPException):
        outcome["others"].append(0)
    finally:
        connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
