package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// SecretPrefix marks an endpoint's secret, as the Standard Webhooks
// specification writes it.
const SecretPrefix = "whsec_"

// The headers of the Standard Webhooks specification, 1.0.
const (
	HeaderID        = "webhook-id"        // the delivery's id, the same over all attempts
	HeaderTimestamp = "webhook-timestamp" // Unix seconds of the attempt
	HeaderSignature = "webhook-signature" // "v1," and base64 HMAC-SHA256
)

// NewSecret makes an endpoint's secret: "whsec_" and the padded base64 of 32
// random bytes.
//
// Two keys come from it. The Standard Webhooks signature is keyed with the 32
// decoded bytes, as that specification says and its libraries do. A dialect's
// own signature (x-request-network-signature) is keyed with the bytes of the
// whole text, prefix included, because its receivers pass the secret to HMAC as
// the text they were given.
func NewSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	return SecretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// Key returns the bytes that key the Standard Webhooks signature. A secret must
// be SecretPrefix and the base64 of 24 to 64 bytes.
func Key(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, SecretPrefix)
	if !ok {
		return nil, errors.New("the endpoint's secret does not start with " + SecretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("the endpoint's secret is not the base64 of 24 to 64 bytes")
	}
	return key, nil
}

// Sign returns the value of HeaderSignature for a message: a signature for each
// secret in their order, separated by a space.
func Sign(secrets []string, id string, at time.Time, body []byte) (string, error) {
	all := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := Key(secret)
		if err != nil {
			return "", err
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(all, " "), nil
}
