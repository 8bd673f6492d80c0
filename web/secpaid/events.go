package secpaid

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// The events that webhooks tell of, in the feed; bodies do not name them.
const (
	eventPaid      = "link.success"
	eventCancelled = "link.cancel" // only where the merchant asked for it
)

type eventWire struct {
	ResponseCode int       `json:"ResponseCode"` // always 1
	Data         eventData `json:"data"`
}

type eventData struct {
	PayID  int64       `json:"pay_id"`
	Note   string      `json:"note"`
	Amount json.Number `json:"amount"` // euros
	UserID string      `json:"user_id"`
	Status string      `json:"status"` // "Success", "Cancel"
}

// sealedWire is an encrypted webhook: data being a text tells it from a plain one.
type sealedWire struct {
	Data string `json:"data"` // padded base64
}

// eventBody is the body of a link's webhook, sealed if the link asks for it.
func (l link) eventBody(event string) ([]byte, error) {
	status := "Success"
	if event == eventCancelled {
		status = "Cancel"
	}
	body, err := encode(eventWire{1, eventData{l.ID, l.Order.Note, json.Number(plainEuros(l.Order.Cents)), userID(l.Owner.Merchant), status}})
	if err != nil || l.Order.Key == "" {
		return body, err
	}
	sealed, err := seal(body, l.Order.Key)
	if err != nil {
		return nil, err
	}
	return encode(sealedWire{sealed})
}

// seal encrypts a body as documented: AES-256-CBC, the key's 32 characters as the key, its
// first 16 as the IV, PKCS#7 padding, padded base64. The same body under the same key is
// the same each time, and nothing in it tells whether it was changed: the signature over
// what is sent does.
func seal(body []byte, key string) (string, error) {
	block, err := aes.NewCipher([]byte(key))
	if err != nil || len(key) != keySize {
		return "", fmt.Errorf("encrypting a webhook: a key of %d bytes", len(key))
	}
	pad := aes.BlockSize - len(body)%aes.BlockSize
	padded := append(bytes.Clone(body), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, []byte(key[:aes.BlockSize])).CryptBlocks(padded, padded)
	return base64.StdEncoding.EncodeToString(padded), nil
}

// The headers of a webhook, beside those of the Standard Webhooks specification that every
// delivery has. They are not documented; clients pass over what they do not know.
const (
	HeaderSignature = "X-SecPaid-Signature"
	// HeaderSignatureNext is the signature by the new secret while one is being replaced.
	HeaderSignatureNext = "X-SecPaid-Signature-Next"
)

// Sign is the signature of a webhook: the lower-case hex of the HMAC-SHA256, keyed with the
// secret's text, of the body as it is sent, encrypted or not.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// headers are a webhook's, Accept as documented. Secrets are those that sign now: one, or the new one and the one
// that it replaces, which every receiver has.
func headers(body []byte, secrets []string) map[string]string {
	h := map[string]string{"Accept": "application/json", HeaderSignature: Sign(secrets[len(secrets)-1], body)}
	if len(secrets) > 1 {
		h[HeaderSignatureNext] = Sign(secrets[0], body)
	}
	return h
}
