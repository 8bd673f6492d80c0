package safe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/breaker"
	"quittance/internal/fault"
	"quittance/internal/official"
)

// Services returns the base URLs of Safe's own Transaction Service, by the names
// that @safe-global/api-kit 5.0.3 has for the chains.
func Services() map[asset.ChainID]string {
	const host = "https://api.safe.global/tx-service/"
	return map[asset.ChainID]string{
		asset.Mainnet: host + "eth/api", asset.Optimism: host + "oeth/api", asset.BSC: host + "bnb/api",
		asset.Matic: host + "pol/api", asset.Base: host + "base/api", asset.ArbitrumOne: host + "arb1/api",
		asset.Sepolia: host + "sep/api",
	}
}

// ServiceConfig describes where to ask. The zero value is Safe's own service
// without a key.
type ServiceConfig struct {
	BaseURLs map[asset.ChainID]string // Services if nil; http only on loopback
	APIKey   string                   // sent as a bearer token, and never shown anywhere
	// V1 asks the first version of the endpoint, for older services of one's own.
	V1 bool

	Timeout   time.Duration     // of one question, 10 s if zero
	Transport http.RoundTripper // carries requests, nil for the network
	Now       func() time.Time  // time.Now if nil
}

// Service asks a Safe Transaction Service, which collects owners' signatures
// before a transaction is executed. It tells sooner and more than a chain does,
// and is never the only evidence. It is safe for concurrent use.
type Service struct {
	bases   map[asset.ChainID]*url.URL
	key     string
	path    string
	timeout time.Duration
	http    *http.Client
	now     func() time.Time
	gate    breaker.Breaker
}

// NewService checks the configuration; it asks nobody.
func NewService(cfg ServiceConfig) (*Service, error) {
	s := &Service{
		bases: map[asset.ChainID]*url.URL{}, key: cfg.APIKey, path: "/v2/multisig-transactions/",
		timeout: cmp.Or(cfg.Timeout, 10*time.Second), now: cfg.Now,
	}
	if cfg.V1 {
		s.path = "/v1/multisig-transactions/"
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.timeout < 0 || strings.ContainsFunc(s.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the Safe service's timeout is negative, or its key no header can carry") // without the key
	}
	urls := cfg.BaseURLs
	if urls == nil {
		urls = Services()
	}
	for chain, text := range maps.All(urls) {
		u, err := parseService(text)
		if err != nil {
			return nil, fmt.Errorf("chain %d: %w", chain, err)
		}
		s.bases[chain] = u
	}
	s.http = &http.Client{
		Transport: cfg.Transport,
		// A redirect would carry the key to someone else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if cfg.Transport == nil {
		s.http.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxConnsPerHost: 8,
			IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return s, nil
}

func parseService(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the Safe service's address is not a plain URL") // without it: it may hold a secret
	}
	ip, err := netip.ParseAddr(u.Hostname())
	local := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && local) {
		return nil, fmt.Errorf("the Safe service at %s must be asked over https", u.Host)
	}
	return u, nil
}

// Close drops idle connections. Questions under way go on.
func (s *Service) Close() { s.http.CloseIdleConnections() }

// Knows reports whether there is a service for a chain.
func (s *Service) Knows(chain asset.ChainID) bool { return s.bases[chain] != nil }

// Available reports whether the service may be asked: false while it is left
// alone after repeated failures, or because it said so.
func (s *Service) Available() bool { return s.gate.Available(s.now()) }

// Transaction asks for the transaction behind a safeTxHash. Its transaction is
// proven: a Record whose hash is another is refused. What else it says is news.
//
// Errors are the faults NotFound "safe_tx_unknown" if the service does not know
// it, Limited "safe_service_limited", and Unavailable "safe_service_unavailable"
// for all the rest, a chain without a service among it. If ctx was canceled it
// is ctx's error.
func (s *Service) Transaction(ctx context.Context, chain asset.ChainID, hash official.Hash) (*Record, error) {
	raw, err := s.ask(ctx, chain, hash)
	if err == nil {
		var r *Record
		if r, err = parseRecord(raw, chain, hash); err == nil {
			return r, nil
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil, fmt.Errorf("asking the Safe service: %w", ctx.Err())
	}
	err = fmt.Errorf("asking the Safe service about a transaction of chain %d: %w", chain, err)
	switch {
	case errors.Is(err, errUnknown):
		return nil, fault.New(fault.NotFound, "safe_tx_unknown", "The Safe service does not know this transaction.").Because(err)
	case errors.Is(err, breaker.ErrLimited):
		return nil, fault.New(fault.Limited, "safe_service_limited", "The Safe service cannot be asked this often. Please try again in a moment.").Because(err)
	}
	return nil, fault.New(fault.Unavailable, "safe_service_unavailable", "The Safe service does not answer right now.").Because(err)
}

// maxAnswer is how much of an answer is read: calldata, and its decoding by the
// service, which is not used.
const maxAnswer = 2 << 20

var (
	errUnknown = errors.New("it does not know the transaction")
	errAnswer  = errors.New("its answer makes no sense")
)

// ask puts one question, minded by the gate.
func (s *Service) ask(ctx context.Context, chain asset.ChainID, hash official.Hash) (jsontext.Value, error) {
	base := s.bases[chain]
	if base == nil {
		return nil, errors.New("there is none for the chain")
	}
	pass, err := s.gate.Enter(s.now())
	if err != nil {
		return nil, err
	}
	ctx2, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	raw, wait, err := s.exchange(ctx2, base, hash)
	verdict := breaker.Neither
	switch {
	case err == nil, errors.Is(err, errUnknown):
		verdict = breaker.Healthy
	case errors.Is(err, breaker.ErrLimited):
		s.gate.Rest(s.now(), wait)
	case ctx.Err() == nil: // a caller in a hurry says nothing about the service
		verdict = breaker.Failed
	}
	s.gate.Leave(s.now(), pass, verdict)
	return raw, err
}

func (s *Service) exchange(ctx context.Context, base *url.URL, hash official.Hash) (jsontext.Value, time.Duration, error) {
	u := *base
	u.Path += s.path + hash.String() + "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, 0, errors.New("making the request failed") // without the cause: it quotes the URL
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "quittance")
	if s.key != "" {
		req.Header.Set("Authorization", "Bearer "+s.key)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL
		}
		return nil, 0, fmt.Errorf("the connection: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	valid := len(raw) <= maxAnswer && jsontext.Value(raw).IsValid()
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return nil, retryAfter(resp.Header), breaker.ErrLimited
	case resp.StatusCode == http.StatusNotFound && valid && err == nil: // a page of HTML is another server
		return nil, 0, errUnknown
	case resp.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("it answered %d", resp.StatusCode)
	case err != nil:
		return nil, 0, fmt.Errorf("reading the answer: %w", err)
	case !valid:
		return nil, 0, fmt.Errorf("%w: no JSON of at most %d bytes", errAnswer, maxAnswer)
	}
	return raw, 0, nil
}

// retryAfter is how long the service wants to be left alone, a minute if it
// does not say, between a second and an hour.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseInt(h.Get("Retry-After"), 10, 32)
	if err != nil {
		return time.Minute
	}
	return min(max(time.Duration(seconds)*time.Second, time.Second), time.Hour)
}
