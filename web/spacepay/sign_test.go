package spacepay

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"quittance/internal/webhook"
)

const body = `{"type":"payment.updated","data":{"payment":{"id":"11111111-1111-4111-8111-111111111111","status":"completed"}},"timestamp":"2026-01-02T03:04:05.678Z"}`

func TestSignatureIsTheDocumentedOne(t *testing.T) {
	const want = "3d23dcc59d5a892e81d47c98067a001c60fc641e431bfe56d2b1b044d4cba33e"
	if got := Sign("whsec_test_0123456789", "1767323045678", []byte(body)); got != want {
		t.Errorf("got %s", got)
	}
	at := time.UnixMilli(1767323045678)
	d := webhook.Delivery{ID: "D", EventID: "E", Endpoint: "W", Body: []byte(body), Attempts: 2}
	h := Headers(d, []string{"whsec_test_0123456789"}, at)
	for name, want := range map[string]string{
		"X-SpacePay-Id": "W", "X-SpacePay-Event-Id": "E", "X-SpacePay-Timestamp": "1767323045678", "X-SpacePay-Delivery-Id": "D-3", "X-SpacePay-Signature": want,
	} {
		if h[name] != want {
			t.Errorf("%s: %q, want %q", name, h[name], want)
		}
	}
	if len(h) != 5 {
		t.Errorf("headers %v", h)
	}
}

// While a secret is replaced, old receivers go on and new ones can be tried.
func TestTwoSecrets(t *testing.T) {
	d := webhook.Delivery{ID: "D", Body: []byte(body)}
	h := Headers(d, []string{"new", "old"}, time.Now())
	for header, secret := range map[string]string{HeaderSignature: "old", HeaderSignatureNext: "new"} {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(h[HeaderTimestamp] + "." + body))
		if h[header] != hex.EncodeToString(mac.Sum(nil)) {
			t.Errorf("%s is not by the %s secret", header, secret)
		}
	}
	if h[HeaderEventID] != "D" {
		t.Errorf("a test's event is %q", h[HeaderEventID])
	}
}

func TestPaymentSecrets(t *testing.T) {
	secret, hash := NewPaymentSecret()
	second, _ := NewPaymentSecret()
	if !strings.HasPrefix(secret, "ps_") || secret == second || strings.Contains(hash, secret) || len(secret) != 35 {
		t.Errorf("%s, %s", secret, second)
	}
	for text, want := range map[string]bool{secret: true, second: false, "": false, hash: false, secret + " ": false, strings.ToUpper(secret): false} {
		if IsPaymentSecret(hash, text) != want {
			t.Errorf("%q is the secret: %t", text, !want)
		}
	}
}
