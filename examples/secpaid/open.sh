#!/bin/sh
# Checks and opens one encrypted webhook with openssl alone.
#   SECRET=whsec_... KEY=32_characters SIGNATURE=... sh open.sh < body
# SIGNATURE is the header X-SecPaid-Signature; the body has to be the bytes that came.
set -eu
body=$(mktemp)
trap 'rm -f "$body"' EXIT
cat > "$body"

want=$(openssl dgst -sha256 -hmac "$SECRET" -r "$body" | cut -d' ' -f1)
if [ "$want" != "$SIGNATURE" ]; then
  echo "the signature is wrong" >&2
  exit 1
fi
hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
# Nothing but base64 stands between the last two quotes of {"data":"..."}.
sed 's/^{"data":"\(.*\)"}$/\1/' "$body" |
  openssl enc -d -aes-256-cbc -a -A -K "$(hex "$KEY")" -iv "$(hex "$(printf %s "$KEY" | cut -c1-16)")"
