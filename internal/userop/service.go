package userop

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/breaker"
	"quittance/internal/fault"
)

// ServiceConfig says where a bundler or a sponsor is asked. The URL holds the key
// with most providers: it is a secret as a whole and shown nowhere.
type ServiceConfig struct {
	Chain asset.ChainID
	URL   string // https, or http on loopback
	// Authorization is sent as the header of this name, unless empty.
	Authorization string

	Timeout   time.Duration     // of one question, 10 s if zero
	Transport http.RoundTripper // carries requests, nil for the network
	Now       func() time.Time  // time.Now if nil
}

// service asks JSON-RPC questions. It is safe for concurrent use.
type service struct {
	name    string // "the bundler", "the sponsor"
	chain   asset.ChainID
	url     string
	auth    string
	timeout time.Duration
	http    *http.Client
	now     func() time.Time
	breaker breaker.Breaker
}

func newService(name string, cfg ServiceConfig) (*service, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("the address of %s is not a URL", name) // without it: it holds a key
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return nil, fmt.Errorf("%s at %s must be asked over https", name, u.Host)
	}
	if cfg.Chain == 0 || cfg.Timeout < 0 || strings.ContainsFunc(cfg.Authorization, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, fmt.Errorf("%s has no chain, a negative timeout, or a key that no header can carry", name)
	}
	s := &service{
		name: name, chain: cfg.Chain, url: u.String(), auth: cfg.Authorization, timeout: cmp.Or(cfg.Timeout, 10*time.Second), now: cfg.Now,
		http: &http.Client{
			Transport: cfg.Transport,
			// A redirect would carry the key to someone else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if cfg.Transport == nil {
		s.http.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxConnsPerHost: 16, MaxIdleConnsPerHost: 4,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return s, nil
}

// Available reports whether the service may be asked: false while it is left alone
// after repeated failures, or because it said so.
func (s *service) Available() bool { return s.breaker.Available(s.now()) }

// Close drops idle connections. Questions under way go on.
func (s *service) Close() { s.http.CloseIdleConnections() }

// RefusedError is a service's refusal of one question. The message is the service's
// own, for logs and never for a page.
type RefusedError struct {
	Method  string
	Code    int // of JSON-RPC; the ERCs' own are -32500 to -32521
	Message string
}

// Error names method, code and message.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s: refused with %d: %s", e.Method, e.Code, e.Message)
}

// The codes of ERC-7769, for what a bundler refuses.
const (
	codeEntryPoint = -32500 // the account's validation, or the factory's
	codePaymaster  = -32501
	codeExpired    = -32503
	codeThrottled  = -32504 // the paymaster's reputation
	codeStake      = -32505
	codeSignature  = -32507
	codeReverted   = -32521 // the calls fail
	codeParams     = -32602
)

// entryPointReason is how the EntryPoint numbers its reasons; bundlers repeat them
// among other words.
var entryPointReason = regexp.MustCompile(`\bAA[0-9]{2}\b`)

// reason is the EntryPoint's own, "" if the message names none.
func (e *RefusedError) reason() string { return entryPointReason.FindString(e.Message) }

// has reports whether the message has one of these words.
func (e *RefusedError) has(words ...string) bool {
	text := strings.ToLower(e.Message)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

func (e *RefusedError) limited() bool {
	return e.Code == 429 || e.Code == -32029 || e.has("rate limit", "too many requests", "capacity limit")
}

// maxAnswer is how much of an answer is read: an operation and its receipt.
const maxAnswer = 2 << 20

var errAnswer = errors.New("its answer makes no sense")

// ask puts one question and decodes the result into out. Errors: *RefusedError and
// others, none of which holds the URL.
func (s *service) ask(ctx context.Context, out any, method string, params ...any) error {
	id := rand.Uint64N(1 << 53) // which JSON carries exactly; an answer to another question has another
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": id, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	pass, err := s.breaker.Enter(s.now())
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	tctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	result, wait, err := s.exchange(tctx, method, id, body)
	var refused *RefusedError
	verdict := breaker.Neither
	switch {
	case errors.Is(err, breaker.ErrLimited):
		s.breaker.Rest(s.now(), wait)
	case err == nil, errors.As(err, &refused):
		verdict = breaker.Healthy
	case ctx.Err() == nil: // a caller in a hurry says nothing about the service
		verdict = breaker.Failed
	}
	s.breaker.Leave(s.now(), pass, verdict)
	if err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	if err := json.Unmarshal(result, out); err != nil {
		return fmt.Errorf("%s: %s: %w: %w", s.name, method, errAnswer, err)
	}
	return nil
}

func (s *service) exchange(ctx context.Context, method string, id uint64, body []byte) (jsontext.Value, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, errors.New("making the request failed") // without the cause: it quotes the URL
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "quittance")
	if s.auth != "" {
		req.Header.Set("Authorization", s.auth)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL
		}
		return nil, 0, fmt.Errorf("%s: the connection: %w", method, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, retryAfter(resp.Header), breaker.ErrLimited
	case err != nil:
		return nil, 0, fmt.Errorf("%s: reading the answer: %w", method, err)
	case len(raw) > maxAnswer:
		return nil, 0, fmt.Errorf("%s: %w: longer than %d bytes", method, errAnswer, maxAnswer)
	}
	result, refused := envelope(method, id, raw)
	switch {
	case refused != nil && refused.limited():
		return nil, retryAfter(resp.Header), breaker.ErrLimited
	case refused != nil && resp.StatusCode < 500: // some answer refusals with 400
		return nil, 0, refused
	case resp.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("%s: it answered %d", method, resp.StatusCode)
	case result == nil:
		return nil, 0, fmt.Errorf("%s: %w: neither a result nor an error", method, errAnswer)
	}
	return result, 0, nil
}

// envelope takes the result or the refusal out of an answer; nil and nil if it is no
// answer to the question with this id. A refusal of what could not be read has none.
func envelope(method string, id uint64, raw []byte) (jsontext.Value, *RefusedError) {
	var e struct {
		ID     jsontext.Value `json:"id"`
		Result jsontext.Value `json:"result"`
		Error  *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(raw, &e) != nil {
		return nil, nil
	}
	named := len(e.ID) > 0 && e.ID.Kind() != 'n'
	switch own := string(e.ID) == strconv.FormatUint(id, 10); {
	case named && !own, e.Error == nil && !own:
		return nil, nil
	case e.Error != nil:
		return nil, &RefusedError{Method: method, Code: e.Error.Code, Message: printable(e.Error.Message)}
	}
	return e.Result, nil
}

// retryAfter is how long a service wants to be left alone, ten seconds if it does
// not say, between a second and an hour.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil {
		return 10 * time.Second
	}
	return min(max(time.Duration(seconds)*time.Second, time.Second), time.Hour)
}

// toFault says what a caller can do about an error: see Bundler and Sponsor. what is
// "bundler" or "sponsor".
func toFault(ctx context.Context, what string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("asking the %s: %w", what, ctx.Err())
	}
	var e *RefusedError
	switch {
	case errors.Is(err, breaker.ErrLimited):
		return fault.New(fault.Limited, what+"_limited", "Paying without gas cannot be asked for this often. Please try again in a moment.").Because(err)
	case errors.As(err, &e):
		return e.fault(what).Because(err)
	}
	return fault.New(fault.Unavailable, what+"_unavailable", "Paying without gas is not possible right now.").Because(err)
}

// fault tells by the EntryPoint's reason, then by the code, what is wrong.
func (e *RefusedError) fault(what string) *fault.Error {
	late := fault.New(fault.Conflict, "op_nonce", "Another operation of this account came first. Please try again.")
	poor := fault.New(fault.Unavailable, "sponsor_unavailable", "Gas is not paid for right now.")
	unsponsored := fault.New(fault.Forbidden, "sponsor_refused", "Gas is not paid for this payment.")
	wrong := fault.New(fault.Invalid, "op_refused", "The payment would fail or was not signed as it should be.")
	switch reason := e.reason(); {
	case reason == "AA25":
		return late
	case reason == "AA10":
		return fault.New(fault.Conflict, "op_deployed", "The account was created meanwhile. Please try again.")
	case reason == "AA30" || reason == "AA31": // the paymaster is not there, or has no money
		return poor
	case strings.HasPrefix(reason, "AA3"):
		return unsponsored
	case reason != "":
		return wrong
	}
	switch e.Code {
	case codeThrottled, codeStake:
		return poor
	case codePaymaster, codeExpired:
		return unsponsored
	case codeEntryPoint, codeSignature, codeReverted:
		return wrong
	}
	switch {
	case e.has("reverted"), what == "bundler" && e.Code == codeParams:
		return wrong
	case what == "sponsor": // a policy's own words
		return unsponsored
	}
	return fault.New(fault.Unavailable, what+"_unavailable", "Paying without gas is not possible right now.")
}
