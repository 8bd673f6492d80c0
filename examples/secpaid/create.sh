#!/bin/sh
# A payment link by curl, as SecPaid's documentation has it.
#   API=http://127.0.0.1:8402 TOKEN=sp_... sh create.sh
set -eu
curl -sS -X POST "${API:-http://127.0.0.1:8402}/api/v2/createLink" \
  -H "Content-Type: application/json" \
  -H "token: $TOKEN" \
  -d '{
    "amount": 49.99,
    "recipient_note": "Invoice #1234",
    "callback_url": "https://yoursite.com/payment/done",
    "cancellable": true
  }'
