package spacepay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"quittance/internal/webhook"
)

// The headers of a webhook.
const (
	HeaderEndpointID = "X-SpacePay-Id"          // which endpoint it is for
	HeaderEventID    = "X-SpacePay-Event-Id"    // the event, the same for all endpoints and attempts
	HeaderTimestamp  = "X-SpacePay-Timestamp"   // of the attempt, Unix milliseconds
	HeaderDeliveryID = "X-SpacePay-Delivery-Id" // of the attempt
	HeaderSignature  = "X-SpacePay-Signature"
	// HeaderSignatureNext is not documented: while a secret is being replaced, the
	// signature by the new one. The documented header holds one signature only, and
	// stays with the secret that every receiver has.
	HeaderSignatureNext = "X-SpacePay-Signature-Next"
)

// Sign is the signature of a webhook: the lower-case hex of the HMAC-SHA256, keyed with
// the secret's text, of the timestamp header's value, a dot and the body as it is sent.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Headers are the headers of one attempt. Secrets are those that sign now: one, or the
// new one and the one it replaces.
func Headers(d webhook.Delivery, secrets []string, now time.Time) map[string]string {
	at := strconv.FormatInt(now.UnixMilli(), 10)
	event := d.EventID
	if event == "" { // a test is its own event
		event = d.ID
	}
	h := map[string]string{
		HeaderEndpointID: d.Endpoint,
		HeaderEventID:    event,
		HeaderTimestamp:  at,
		HeaderDeliveryID: d.ID + "-" + strconv.Itoa(d.Attempts+1),
		HeaderSignature:  Sign(secrets[len(secrets)-1], at, d.Body),
	}
	if len(secrets) > 1 {
		h[HeaderSignatureNext] = Sign(secrets[0], at, d.Body)
	}
	return h
}
