package lifi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/breaker"
)

// How much of an answer is read. Lists of tokens are long.
const (
	maxAnswer = 2 << 20
	maxList   = 32 << 20
)

// retryPause is before the one repetition.
const retryPause = 300 * time.Millisecond

// question is one request, repeatable: the service changes nothing.
type question struct {
	family family
	path   string // behind the base URL
	query  url.Values
	body   []byte // makes it a POST
	limit  int64  // bytes of the answer
}

// ask puts a question, once more if the service stumbled, and decodes the
// answer into out. Errors are faults, but for a canceled context.
func (c *Client) ask(ctx context.Context, q question, out any) (jsontext.Value, error) {
	raw, err := c.attempt(ctx, q)
	if repeatable(err) && c.Available() {
		select {
		case <-time.After(retryPause):
			raw, err = c.attempt(ctx, q)
		case <-ctx.Done():
		}
	}
	if err == nil {
		if err = json.Unmarshal(raw, out); err == nil {
			return raw, nil
		}
		err = fmt.Errorf("%w: %w", errAnswer, err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("asking the routing service: %w", ctx.Err())
	}
	return nil, toFault(fmt.Errorf("asking %s: %w", q.path, err))
}

// errBroken is a connection that failed, not one that was slow: after a
// timeout a payer has waited long enough.
var errBroken = errors.New("the connection failed")

func repeatable(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.again() || errors.Is(err, errBroken)
}

// attempt is one request, minded by the circuit breaker and the limiter.
func (c *Client) attempt(ctx context.Context, q question) (jsontext.Value, error) {
	pass, err := c.circuit.Enter(c.now())
	if err != nil {
		return nil, err
	}
	if wait := c.limits.take(q.family, c.now()); wait > 0 {
		c.circuit.Leave(c.now(), pass, breaker.Neither)
		return nil, &Error{Code: CodeRateLimit, Message: "our own limit, from the service's last answer", RetryAfter: wait}
	}
	defer c.limits.done(q.family)
	tctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	start := c.now()
	raw, err := c.exchange(tctx, q)
	c.circuit.Leave(c.now(), pass, judge(ctx, err, c.now().Sub(start)))
	return raw, err
}

// patience is how long even a caller in a hurry must wait before that counts
// against the service.
const patience = 5 * time.Second

// judge tells what an exchange says about the service as a whole: refusing a
// question is a sign of health.
func judge(ctx context.Context, err error, waited time.Duration) breaker.Verdict {
	var e *Error
	switch {
	case err == nil, errors.As(err, &e) && e.Status < 500:
		return breaker.Healthy
	case errors.Is(ctx.Err(), context.Canceled), ctx.Err() != nil && waited < patience:
		return breaker.Neither
	}
	return breaker.Failed
}

func (c *Client) exchange(ctx context.Context, q question) (jsontext.Value, error) {
	req, err := c.request(ctx, q)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the URL: it names the payer
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("waiting for the answer: %w", err)
		}
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, q.limit+1))
	wait := c.limits.note(q.family, c.now(), resp.StatusCode, resp.Header)
	switch {
	case resp.StatusCode != http.StatusOK:
		e := parseError(resp.StatusCode, raw)
		if e.Code == CodeRateLimit {
			e.RetryAfter = wait
		}
		return nil, e
	case err != nil:
		return nil, fmt.Errorf("reading the answer: %w", err)
	case int64(len(raw)) > q.limit:
		return nil, fmt.Errorf("%w: longer than %d bytes", errAnswer, q.limit)
	case !jsontext.Value(raw).IsValid():
		return nil, fmt.Errorf("%w: not JSON", errAnswer)
	}
	return raw, nil
}

func (c *Client) request(ctx context.Context, q question) (*http.Request, error) {
	u := *c.base
	u.Path += q.path
	u.RawQuery = q.query.Encode()
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if q.body != nil {
		method, body = http.MethodPost, bytes.NewReader(q.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, errors.New("making the request failed") // without the cause: it quotes the URL
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "quittance")
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
		// Not sent (net/http, Transport): allows a question to be repeated on a
		// kept connection that turned out to be closed.
		req.Header["Idempotency-Key"] = []string{}
	}
	if c.key != "" {
		req.Header.Set("X-Lifi-Api-Key", c.key)
	}
	if c.integrator != "" {
		req.Header.Set("X-Lifi-Integrator", c.integrator)
	}
	return req, nil
}
