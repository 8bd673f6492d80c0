package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far a delivery's time may be from ours: an old one that
// somebody recorded is refused even if its signature is right.
const tolerance = 5 * time.Minute

// verify says why a delivery is not to be trusted, nil if it is. It needs the
// body's bytes as they came. Either signature would do; this checks both.
func verify(secret string, h http.Header, body []byte, now time.Time) error {
	if err := verifyStandard(secret, h, body, now); err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	want := hex.EncodeToString(mac.Sum(nil))
	for _, name := range []string{"x-request-network-signature", "x-request-network-signature-next"} { // the second while a secret is being replaced
		if hmac.Equal([]byte(want), []byte(h.Get(name))) {
			return nil
		}
	}
	return errors.New("x-request-network-signature is wrong")
}

// verifyStandard checks the signature of Standard Webhooks, which covers the
// delivery's id and time.
func verifyStandard(secret string, h http.Header, body []byte, now time.Time) error {
	id, at := h.Get("webhook-id"), h.Get("webhook-timestamp")
	unix, err := strconv.ParseInt(at, 10, 64)
	if err != nil || id == "" {
		return errors.New("webhook-id or webhook-timestamp is missing")
	}
	if age := now.Sub(time.Unix(unix, 0)).Abs(); age > tolerance {
		return fmt.Errorf("webhook-timestamp is %s away", age.Round(time.Second))
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return fmt.Errorf("the secret is no webhook's: %w", err)
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", id, at, body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for _, signature := range strings.Fields(h.Get("webhook-signature")) { // two while a secret is being replaced
		if hmac.Equal([]byte(want), []byte(signature)) {
			return nil
		}
	}
	return errors.New("webhook-signature is wrong")
}
