package request

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/web"
)

// reply is the answer to a POST that succeeded: a 2xx status, and what is sent
// as JSON, nil for nothing.
type reply struct {
	status int
	body   any
}

// effect does what was asked for, with the context it is given and nothing else
// of the request. Everything it writes, and the answer, are one transaction. It
// may run more than once, calls no chain and no other server, and starts no
// goroutine: on SQLite every other write waits for it. Whatever is slow belongs
// before it, into the plan.
type effect func(ctx context.Context) (reply, error)

// plan checks a request and returns its effect. body is nil if none was sent. It
// does not run for a repeat, and it must change nothing that counts: what it
// leaves behind stays if the effect fails or somebody else's wins.
type plan func(c echo.Context, who caller, body []byte) (effect, error)

// once serves a request that changes something: auth finds the caller, p checks the request, and the
// effect happens, with an Idempotency-Key once for each key. A repeat gets the
// first answer and the header Idempotent-Replayed. Only successes are kept: what
// was refused left nothing, and may be asked again.
//
// Faults: Mismatch "idempotency_key_reused"; Conflict "idempotency_key_running"
// while the first is under way on this node. Another node's request waits, and
// gets the same answer.
func (d *dialect) once(auth func(echo.Context) (caller, error), p plan) echo.HandlerFunc {
	return func(c echo.Context) error {
		who, err := auth(c)
		if err != nil {
			return err
		}
		body, err := optionalBody(c)
		if err != nil {
			return err
		}
		once, err := keyOf(c, who, body)
		if err != nil {
			return err
		}
		if once != nil {
			leave, ok := d.running.Enter(once.Key)
			if !ok {
				return fault.New(fault.Conflict, codeRunning, "The first request with this Idempotency-Key is still running.")
			}
			defer leave()
		}
		a, replayed, err := d.perform(c, who, body, once, p)
		if err != nil {
			return err
		}
		return web.Answer(c, a, replayed)
	}
}

const codeRunning = "idempotency_key_running"

func (d *dialect) perform(c echo.Context, who caller, body []byte, once *checkout.Once, p plan) (checkout.Answer, bool, error) {
	r := c.Request()
	ctx := r.Context()
	if once != nil {
		first, err := d.Ledger.Answer(ctx, once.Key)
		if err != nil {
			return checkout.Answer{}, false, err
		}
		if first != nil {
			return *first, true, once.Accepts(*first)
		}
	}
	do, err := p(c, who, body)
	if err != nil {
		return checkout.Answer{}, false, err
	}
	// The request's context follows the effect's while it runs: a write with the
	// wrong one would wait for this very transaction.
	defer c.SetRequest(r)
	return d.Ledger.Once(ctx, once, time.Now().UTC(), func(ctx context.Context) (checkout.Answer, error) {
		c.SetRequest(r.WithContext(ctx))
		made, err := do(ctx)
		if err != nil {
			return checkout.Answer{}, err
		}
		a := checkout.Answer{Status: made.status}
		if made.body == nil {
			return a, nil
		}
		if a.Body, err = json.Marshal(made.body); err != nil {
			return checkout.Answer{}, fmt.Errorf("encode answer: %w", err)
		}
		return a, nil
	})
}

// optionalBody is the request's JSON, nil if it has no body at all.
func optionalBody(c echo.Context) ([]byte, error) {
	if c.Request().ContentLength == 0 {
		return nil, nil
	}
	return web.Body(c, web.MaxBody)
}

// keyOf reads the Idempotency-Key header; nil if there is none. The request is
// the same if its address, its client id and its body are.
func keyOf(c echo.Context, who caller, body []byte) (*checkout.Once, error) {
	key, given, valid := web.IdempotencyKey(c.Request().Header.Values(web.HeaderIdempotencyKey), false)
	if !given {
		return nil, nil
	}
	if !valid {
		return nil, fault.Field(web.HeaderIdempotencyKey, "invalid_idempotency_key", "Idempotency-Key must be 1 to 255 visible ASCII characters, given once.")
	}
	h := sha256.New()
	// Beside an API key the client id says whose things are meant.
	_, _ = fmt.Fprintf(h, "%s\n%s\n%q\n", c.Request().Method, c.Request().URL.RequestURI(), c.Request().Header.Get("x-client-id")) // a hash takes everything
	_, _ = h.Write(body)
	return &checkout.Once{
		Key:         checkout.IdempotencyKey{Merchant: who.Merchant, Route: c.Request().Method + " " + c.Path(), Key: who.keyScope() + key},
		RequestHash: hex.EncodeToString(h.Sum(nil)),
	}, nil
}
