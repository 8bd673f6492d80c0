package secpaid

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/web"
)

// keysKept is how long an idempotency key is remembered.
const keysKept = 24 * time.Hour

var (
	errKey    = fault.Field(web.HeaderIdempotencyKey, "invalid_idempotency_key", "Invalid Idempotency-Key")
	errReused = fault.New(fault.Mismatch, "idempotency_key_reused", "This Idempotency-Key was used with other fields").At(web.HeaderIdempotencyKey)
)

// once reads a request's idempotency key, nil if there is none, and holds it until leave is
// called. This API's documentation has no such thing; clients that send none lose nothing.
//
// Faults: Invalid "invalid_idempotency_key"; Locked "idempotency_key_running".
func (d *dialect) once(c echo.Context, r call) (once *checkout.Once, leave func(), err error) {
	key, given, valid := web.IdempotencyKey(c.Request().Header.Values(web.HeaderIdempotencyKey), true)
	if !valid {
		return nil, func() {}, errKey
	}
	if !given {
		return nil, func() {}, nil
	}
	k := checkout.IdempotencyKey{Merchant: r.merchant, Route: http.MethodPost + " " + c.Path(), Key: key}
	if k, leave, err = d.running.Hold(c.Request().Context(), d.Ledger, k, d.Now().Add(-keysKept)); err != nil {
		return nil, func() {}, err
	}
	return &checkout.Once{Key: k, RequestHash: r.in.hash()}, leave, nil
}

// hash is the same for the same fields, in whatever form and order they came: a multipart
// form that is sent again has another boundary.
func (in input) hash() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(in)) {
		v := in[name]
		if v.kind == absent {
			continue
		}
		if v.kind == other {
			inner := jsontext.Value(v.text)
			_ = inner.Canonicalize() // it is JSON: the body was read
			v.text = string(inner)
		}
		_, _ = fmt.Fprintf(h, "%q %q\n", name, v.text) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// change answers a request that changes something, with an Idempotency-Key once: what effect
// does and its answer are one transaction, with the context that it is given.
func (d *dialect) change(c echo.Context, r call, effect func(ctx context.Context) (any, error)) error {
	once, leave, err := d.once(c, r)
	if err != nil {
		return err
	}
	defer leave()
	a, replayed, err := d.Ledger.Once(c.Request().Context(), once, d.Now().UTC(), func(ctx context.Context) (checkout.Answer, error) {
		body, err := effect(ctx)
		if err != nil {
			return checkout.Answer{}, err
		}
		b, err := encode(body)
		return checkout.Answer{Status: http.StatusOK, Body: b}, err
	})
	return done(c, &a, replayed, err)
}

// done sends an answer that was given before, or now; a is looked at if there is no err.
func done(c echo.Context, a *checkout.Answer, replayed bool, err error) error {
	if fault.Is(err, fault.Mismatch) {
		return errReused
	}
	if err != nil {
		return err
	}
	return web.Answer(c, *a, replayed)
}
