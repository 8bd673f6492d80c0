package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"quittance/internal/fault"
	"quittance/internal/job"
	"quittance/internal/merchant"
	"quittance/internal/span"
)

// recordWithin bounds the record of an attempt, which is made even when the
// server is stopping: a lost record means a second delivery.
const recordWithin = 5 * time.Second

// maxErrorText bounds what is kept of an error's text.
const maxErrorText = 200

// delays is the wait after each failed attempt. The first three are documented
// by the Request API and kept to the second; integrators test against them. The
// rest covers a receiver that is down for some days.
var delays = [...]time.Duration{
	time.Second, 5 * time.Second, 15 * time.Second,
	5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour,
	10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

const documentedDelays = 3

// retryAfter returns the wait after the made-th failed attempt, and whether
// there is another one. The undocumented waits vary by a tenth either way, so
// that receivers which failed together are not called together.
func retryAfter(made int, test bool) (wait time.Duration, ok bool) {
	if made > len(delays) || (test && made > documentedDelays) {
		return 0, false
	}
	wait = delays[made-1]
	if made > documentedDelays {
		wait += rand.N(wait/5) - wait/10
	}
	return wait, true
}

// Deliver makes one attempt at the delivery named by the job's args and records
// its outcome; unless it arrived or was the last, the job sleeps until the next.
// If the record fails or the process dies before it, the attempt is made again
// with the same id and bytes: receivers see a delivery at least once.
func (s *Service) Deliver(ctx context.Context, j job.Job) error {
	d, endpoint, err := s.store.Delivery(ctx, j.Args)
	switch {
	case fault.Is(err, fault.NotFound) && d.ID == "":
		return nil // nothing is left to send
	case fault.Is(err, fault.NotFound):
		endpoint.Active = false
	case err != nil:
		return fmt.Errorf("loading delivery %s: %w", j.Args, err)
	case d.State != Queued:
		return nil // an earlier run recorded its outcome and died before it ended its job
	}
	now := time.Now().UTC()
	if now.Before(d.NextAt) { // a replay has left two jobs: the other one was just here
		return job.Snooze(d.NextAt, "the next attempt is not due")
	}
	if !endpoint.Active {
		a := Attempt{At: now, Error: "the endpoint is switched off or deleted"}
		left, err := s.record(ctx, d, a, Exhausted, time.Time{})
		if err != nil {
			return err
		}
		return left.wait(a)
	}
	a := s.attempt(ctx, d, endpoint, now)
	if a.Error == "" {
		_, err := s.record(ctx, d, a, Delivered, time.Time{})
		return err
	}
	if ctx.Err() != nil { // we broke it off: not the receiver's failure
		return fmt.Errorf("delivery %s was interrupted: %w", d.ID, ctx.Err())
	}
	return s.failed(ctx, d, endpoint, a)
}

// failed records an attempt that failed, switches the endpoint off if that is
// enough, and says when the next attempt is due.
func (s *Service) failed(ctx context.Context, d Delivery, endpoint merchant.Endpoint, a Attempt) error {
	state, next := Exhausted, time.Time{}
	if wait, again := retryAfter(d.Attempts+1, d.Test); again {
		state, next = Queued, time.Now().UTC().Add(wait)
	}
	left, err := s.record(ctx, d, a, state, next)
	if err != nil {
		return err
	}
	if left.Health.Hopeless(a.At) {
		// If this fails, the attempt was recorded all the same: the next failure tries again.
		if err := s.disable(ctx, d.Dialect, endpoint, left.Health, a); err != nil {
			s.log.ErrorContext(ctx, "failing webhook endpoint not switched off", "endpoint", endpoint.ID, "merchant", endpoint.Merchant, "err", err)
		}
	}
	if left.State == Exhausted {
		s.log.WarnContext(ctx, "webhook delivery given up", "delivery", d.ID, "endpoint", d.Endpoint,
			"payment", d.Payment, "merchant", d.Merchant, "outcome", a.Error)
	}
	return left.wait(a)
}

// wait has the job sleep if there is to be another try, whoever decided that: the job of a
// delivery that is queued must stay.
func (o Outcome) wait(a Attempt) error {
	if o.State == Queued {
		return job.Snooze(o.NextAt, a.Error)
	}
	return nil
}

func (s *Service) record(ctx context.Context, d Delivery, a Attempt, state DeliveryState, next time.Time) (Outcome, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordWithin)
	defer cancel()
	left, err := s.store.Attempted(ctx, d, a, state, next)
	if err != nil {
		return Outcome{}, fmt.Errorf("recording an attempt of delivery %s: %w", d.ID, err)
	}
	s.tell(d, a, state)
	return left, nil
}

// attempt sends a delivery once. Whatever goes wrong is in the answer's Error.
func (s *Service) attempt(ctx context.Context, d Delivery, endpoint merchant.Endpoint, now time.Time) (a Attempt) {
	a.At = now
	// The receiver is not told of the trace: it is ours.
	ctx, end := span.Begin(ctx, "webhook attempt")
	defer func() { end(a.failure()) }()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	req, err := s.request(ctx, d, endpoint, now)
	if err != nil {
		a.Error = plain(err)
		return a
	}
	res, err := s.client.Do(req)
	if err != nil {
		a.Took, a.Error = time.Since(now), plain(err)
		return a
	}
	// The answer says nothing we need. Some of it is read so that a receiver
	// that writes its few bytes slowly is not cut off.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswerBytes)
	_ = res.Body.Close()
	a.Took, a.Status = time.Since(now), res.StatusCode
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
	case res.StatusCode >= 300 && res.StatusCode < 400 && d.Get != "":
		// Whoever is asked for a page sends browsers on to another one: that is an answer.
	case res.StatusCode >= 300 && res.StatusCode < 400:
		a.Error = fmt.Sprintf("the receiver answered %d; redirects are not followed", res.StatusCode)
	default:
		a.Error = fmt.Sprintf("the receiver answered %d", res.StatusCode)
	}
	return a
}

// request makes a delivery's call. A GET is not signed: all that it says is in its URL,
// which a signature of bodies does not cover.
func (s *Service) request(ctx context.Context, d Delivery, endpoint merchant.Endpoint, now time.Time) (*http.Request, error) {
	if d.Get != "" {
		return asking(ctx, d, now)
	}
	enc, ok := s.encoders[d.Dialect]
	if !ok {
		return nil, fmt.Errorf("no encoder for dialect %q", d.Dialect)
	}
	secrets := Secrets(endpoint, now)
	signature, err := Sign(secrets, d.ID, now, d.Body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint.URL, bytes.NewReader(d.Body))
	if err != nil {
		return nil, errors.New("the endpoint's URL is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	name(req, d, now)
	req.Header.Set(HeaderSignature, signature)
	for header, value := range enc.Headers(d, secrets, now) {
		req.Header.Set(header, value)
	}
	return req, nil
}

func asking(ctx context.Context, d Delivery, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Get, nil)
	if err != nil {
		return nil, errors.New("the URL is not valid")
	}
	name(req, d, now)
	return req, nil
}

// name says which delivery a call is, so that a receiver sees a repeat as one.
func name(req *http.Request, d Delivery, now time.Time) {
	req.Header.Set("User-Agent", "Quittance")
	req.Header.Set(HeaderID, d.ID)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(now.Unix(), 10))
}

// plain says in words for the merchant what went wrong, without the URL, which
// may hold a token, and without line breaks or other surprises.
func plain(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if t, ok := errors.AsType[net.Error](err); (ok && t.Timeout()) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("no answer within %d seconds", int(Timeout.Seconds()))
	}
	if c, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		err = fmt.Errorf("the receiver's certificate is not valid: %w", c.Err)
	}
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(err.Error(), "?"))
	if runes := []rune(text); len(runes) > maxErrorText {
		text = string(runes[:maxErrorText]) + "…"
	}
	return text
}
