package spacepay

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"github.com/labstack/echo/v4"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web"
)

// The headers of requests. Names of headers have no case.
const (
	HeaderSecretKey     = "X-SpacePay-Secret-Key"     // the merchant's backend
	HeaderPaymentSecret = "X-SpacePay-Payment-Secret" // whoever holds one payment's secret
	HeaderAccessKey     = "X-SpacePay-Access-Key"     // a public key that clients send along; nothing depends on it
)

// secretPrefix marks a payment's secret, as the vendor's own client does.
const secretPrefix = "ps_"

// NewPaymentSecret makes the secret of one payment, which is shown once, in the answer
// to its creation, and the hash that is stored.
func NewPaymentSecret() (secret, hash string) {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: the runtime aborts instead
	secret = secretPrefix + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b[:]))
	return secret, hashSecret(secret)
}

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// IsPaymentSecret reports whether a header's value is the secret with a hash. It takes
// the same time for every secret that is not.
func IsPaymentSecret(hash, secret string) bool {
	return subtle.ConstantTimeCompare([]byte(hashSecret(secret)), []byte(hash)) == 1
}

// merchant finds the merchant behind a request's secret key, and counts the call. An
// address that keeps presenting what is refused has to wait, whatever it presents next.
//
// Faults: Unauthorized "invalid_api_key"; Limited.
func (d *dialect) merchant(c echo.Context) (payment.MerchantID, error) {
	if err := d.Limits.Guessing(c); err != nil {
		return "", err
	}
	keys := c.Request().Header.Values(HeaderSecretKey)
	if len(keys) != 1 {
		d.Limits.Guessed(c)
		return "", errKey
	}
	who, err := d.Directory.Authenticate(c.Request().Context(), merchant.SpacePaySecret, keys[0])
	if fault.Is(err, fault.Unauthorized) {
		d.Limits.Guessed(c)
		return "", errKey
	}
	if err != nil {
		return "", err
	}
	return who.Merchant, d.Limits.Take(c, d.Limits.Keys, "key", who.ID)
}

// owned finds a payment of the merchant that a request's secret key belongs to; another
// merchant's is not found.
//
// Faults: those of merchant; NotFound "payment_not_found".
func (d *dialect) owned(c echo.Context) (*payment.Payment, error) {
	m, err := d.merchant(c)
	if err != nil {
		return nil, err
	}
	p, err := d.find(c, c.Param("paymentId"))
	if err == nil && p.Terms.Merchant != m {
		return nil, errPayment
	}
	return p, err
}

// opened finds the payment that a request's payment secret opens. No secret opens
// another's.
//
// Faults: Unauthorized "invalid_payment_secret"; NotFound "payment_not_found"; Limited.
func (d *dialect) opened(c echo.Context) (*payment.Payment, error) {
	if err := d.Limits.Guessing(c); err != nil {
		return nil, err
	}
	secrets := c.Request().Header.Values(HeaderPaymentSecret)
	if len(secrets) != 1 || !strings.HasPrefix(secrets[0], secretPrefix) {
		d.Limits.Guessed(c)
		return nil, errSecret
	}
	p, err := d.find(c, c.Param("paymentId"))
	if fault.Is(err, fault.NotFound) || err == nil && !IsPaymentSecret(p.Terms.SecretHash, secrets[0]) {
		d.Limits.Guessed(c)
		if err == nil {
			err = errSecret
		}
	}
	if err != nil {
		return nil, err
	}
	return p, d.Limits.Take(c, d.Limits.Clients, "payment", string(p.ID))
}

// find loads a payment by its id on the wire.
//
// Fault: NotFound "payment_not_found".
func (d *dialect) find(c echo.Context, id string) (*payment.Payment, error) {
	if !web.IsUUID(id) {
		return nil, errPayment
	}
	p, err := d.Checkout.PaymentByAlias(c.Request().Context(), Name, id)
	if fault.Is(err, fault.NotFound) {
		return nil, errPayment
	}
	return p, err
}

// exposed are the headers of an answer that pages of other origins may read.
const exposed = "Retry-After, X-Request-Id, " + web.RateLimitHeaders

// open lets pages of every origin read an answer: the secret that opens it is none that a
// browser sends by itself.
func open(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set(echo.HeaderAccessControlAllowOrigin, "*")
		h.Set(echo.HeaderAccessControlExposeHeaders, exposed)
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		return next(c)
	}
}

// preflight answers the CORS preflight of a path that pages of other origins may call. A
// secret key is not among the headers that they may send.
func preflight(c echo.Context, allowed string) {
	h := c.Response().Header()
	h.Set(echo.HeaderAccessControlAllowOrigin, "*")
	h.Set(echo.HeaderAccessControlAllowMethods, allowed)
	h.Set(echo.HeaderAccessControlAllowHeaders, "content-type, x-spacepay-payment-secret, x-spacepay-access-key, idempotency-key")
	h.Set(echo.HeaderAccessControlMaxAge, "600")
}
