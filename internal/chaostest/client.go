//go:build linux

package chaostest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	// patience is how long a client waits for one answer.
	patience = 5 * time.Second
	// lastTry is how long a client goes on asking before it calls that a failure.
	lastTry = 3 * time.Minute
	// bound is how long anything may take to come back.
	bound = 10 * time.Second
)

// call asks one node. status is 0 if it did not answer.
func (s *Suite) call(ctx context.Context, n *node, method, path, body string, h http.Header) (status int, answer []byte) {
	r, err := http.NewRequestWithContext(ctx, method, n.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.fail("%v", err)
		return 0, nil
	}
	if h != nil {
		r.Header = h
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, answer
}

func (s *Suite) any(r *rand.Rand) *node { return s.nodes[r.IntN(len(s.nodes))] }

// ready reports whether a process says that it is, or else why it is not.
func (s *Suite) ready(n *node) (why string, ok bool) {
	status, answer := s.call(s.t.Context(), n, http.MethodGet, "/readyz", "", nil)
	if status == 0 {
		return "no answer", false
	}
	return strings.TrimSpace(string(answer)), status == http.StatusOK
}

// order is what a shop's client asks for: it is sent until it is answered, each time with
// the same key.
func (o *order) post() (path, body string, h http.Header) {
	h = o.shop.header()
	h.Set("Idempotency-Key", o.key)
	switch o.shop.dialect {
	case request:
		return "/v2/secure-payments", fmt.Sprintf(`{"requests":[{"payee":"0x742d35Cc6634C0532925a3b844Bc454e4438f44e","paymentCurrency":"ETH-base","amount":"0.0001"}],"reference":%q}`, o.key), h
	case spacepay:
		return "/v1/external/secretkey-auth/payments", fmt.Sprintf(`{"orderId":%q,"amount":%d,"currency":"USD"}`, o.key, o.cents), h
	default:
		return "/api/v2/createLink", fmt.Sprintf(`{"amount":%d.%02d,"recipient_note":%q}`, o.cents/100, o.cents%100, o.key), h
	}
}

// accepted reports whether an answer says that it was done, and whether to ask again.
func (o *order) accepted(status int, answer []byte) (done, again bool) {
	switch {
	case status == 0 || status >= 500 || status == http.StatusTooManyRequests || status == http.StatusConflict:
		return false, true // a conflict: the same key is still running
	case o.shop.dialect == secpaid:
		var v struct{ ResponseCode int }
		if json.Unmarshal(answer, &v) != nil {
			return false, true
		}
		return v.ResponseCode == 1, bytes.Contains(answer, []byte("still running"))
	}
	return status == http.StatusCreated, false
}

// insist sends one request until it is answered, each time to any node, and keeps how long
// that took.
func (s *Suite) insist(ctx context.Context, r *rand.Rand, o *order, path, body string, h http.Header) (answer []byte, ok bool) {
	begun, last := time.Now(), ""
	for tries := 1; time.Since(begun) < lastTry; tries++ {
		n := s.any(r)
		status, answer := s.call(ctx, n, http.MethodPost, path, body, h)
		if ctx.Err() != nil {
			return nil, false
		}
		done, again := o.accepted(status, answer)
		if done {
			s.tally.answered(time.Since(begun), tries)
			return answer, true
		}
		last = fmt.Sprintf("%d %s", status, answer)
		if !again {
			break
		}
		pause(ctx, 20*time.Millisecond)
	}
	s.fail("%s %s was not answered within %v: %s", path, o.key, time.Since(begun).Round(time.Millisecond), last)
	return nil, false
}

// pause paces a client; it ends early with the context.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// create has a shop's client make a payment.
func (s *Suite) create(ctx context.Context, r *rand.Rand, o *order) bool {
	path, body, h := o.post()
	answer, ok := s.insist(ctx, r, o, path, body, h)
	if !ok {
		return false
	}
	if err := o.read(answer); err != nil {
		s.fail("%s: %v in %s", o.key, err, answer)
		return false
	}
	return true
}

// repeat sends a creation again, to any node: its answer must be the first one.
func (s *Suite) repeat(ctx context.Context, r *rand.Rand, o *order) {
	path, body, h := o.post()
	if answer, ok := s.insist(ctx, r, o, path, body, h); ok && !bytes.Equal(answer, o.answer) {
		s.fail("key %s was answered %s, and later %s", o.key, o.answer, answer)
	}
}

// read takes what the payer needs out of an answer.
func (o *order) read(answer []byte) error {
	var v struct {
		Token     string
		PaymentID string
		Payment   struct {
			DepositAddress struct{ Address string }
			Quotes         []struct {
				ExpectedAmountAsset string
			}
		}
		Data struct{ ID int64 }
	}
	if err := json.Unmarshal(answer, &v); err != nil {
		return err
	}
	o.answer = answer
	switch o.shop.dialect {
	case request:
		o.id = v.Token
	case spacepay:
		o.id, o.address = v.PaymentID, v.Payment.DepositAddress.Address
		if len(v.Payment.Quotes) > 0 {
			o.due = integer(v.Payment.Quotes[0].ExpectedAmountAsset)
		}
		if o.address == "" || o.due == nil {
			return fmt.Errorf("no address or no quote")
		}
	case secpaid:
		o.id = fmt.Sprint(v.Data.ID)
	}
	if o.id == "" || o.id == "0" {
		return fmt.Errorf("no id")
	}
	return nil
}
