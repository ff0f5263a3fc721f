#!/usr/bin/env python3
"""Verifies a webhook with the reference library of the Standard Webhooks specification.

Reads {"secret", "headers", "body"} as JSON from standard input. Prints the verified body's type, or exits
with 1 and says why it is refused.
"""

import json
import sys

from standardwebhooks import Webhook, WebhookVerificationError

given = json.load(sys.stdin)
try:
    verified = Webhook(given["secret"]).verify(given["body"], given["headers"])
except WebhookVerificationError as error:
    sys.exit(f"refused: {error}")
print(verified["type"])
