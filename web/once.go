package web

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/checkout"
	"quittance/internal/fault"
)

// HeaderIdempotencyKey names a request, so that it is done once however often it is sent.
const HeaderIdempotencyKey = "Idempotency-Key"

// Ledger runs an effect in one transaction and keeps its answer in the same one;
// *store.Store is one and says what an effect must heed.
type Ledger interface {
	Once(ctx context.Context, once *checkout.Once, now time.Time, effect func(context.Context) (checkout.Answer, error)) (a checkout.Answer, replayed bool, err error)
	Answer(ctx context.Context, key checkout.IdempotencyKey) (*checkout.Answer, error)
}

// Answer sends an answer that a Ledger has: as it was made, and with Idempotent-Replayed if
// that was for an earlier request.
func Answer(c echo.Context, a checkout.Answer, replayed bool) error {
	if replayed {
		c.Response().Header().Set("Idempotent-Replayed", "true")
	}
	if len(a.Body) == 0 {
		return c.NoContent(a.Status)
	}
	return JSON(c, a.Status, a.Body)
}

// Running is the idempotency keys whose request is under way on this node. Its zero value
// is ready.
type Running struct {
	mu   sync.Mutex
	keys map[checkout.IdempotencyKey]bool
}

// Enter takes a key; leave gives it back. ok is false if somebody has it.
func (r *Running) Enter(k checkout.IdempotencyKey) (leave func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[k] {
		return nil, false
	}
	if r.keys == nil {
		r.keys = map[checkout.IdempotencyKey]bool{}
	}
	r.keys[k] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.keys, k)
	}, true
}

// Hold is Enter for keys that are forgotten after a while: one whose answer is from since or
// before begins anew, under a name of its own that follows from that answer, so that all
// who find it do the same. leave gives the key back, whatever its name.
//
// Fault: Locked "idempotency_key_running".
func (r *Running) Hold(ctx context.Context, l Ledger, k checkout.IdempotencyKey, since time.Time) (named checkout.IdempotencyKey, leave func(), err error) {
	leave, ok := r.Enter(k)
	if !ok {
		return k, nil, fault.New(fault.Locked, "idempotency_key_running", "The first request with this Idempotency-Key is still running")
	}
	for named = k; ; {
		first, err := l.Answer(ctx, named)
		if err != nil {
			leave()
			return k, nil, err
		}
		if first == nil || first.At.After(since) {
			return named, leave, nil
		}
		named.Key = k.Key + "\n" + strconv.FormatInt(first.At.UnixMicro(), 10)
	}
}

// IdempotencyKey reads the header; given is false if there is none, and valid tells
// whether it is 1 to 255 characters of ASCII that can be seen, and blanks where a dialect
// takes them, given once.
func IdempotencyKey(values []string, blanks bool) (key string, given, valid bool) {
	if len(values) == 0 {
		return "", false, true
	}
	const longest = 255
	key = values[0]
	if len(values) > 1 || key == "" || len(key) > longest {
		return "", true, false
	}
	for i := range len(key) {
		if c := key[i]; c > '~' || c < ' ' || c == ' ' && !blanks {
			return "", true, false
		}
	}
	return key, true, true
}
