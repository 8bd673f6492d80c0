package lifi

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"quittance/internal/asset"
	"quittance/internal/breaker"
	"quittance/internal/money"
)

// DefaultBaseURL is LI.FI's API.
const DefaultBaseURL = "https://li.quest/v1"

// The bridges whose calldata can be verified, by LI.FI's names.
const (
	BridgeAcross   = "across"
	BridgeStargate = "stargateV2"
)

// Config describes the service. The zero value is LI.FI itself without a key:
// 75 quotes in two hours.
type Config struct {
	BaseURL    string            // DefaultBaseURL if empty; http only on loopback
	APIKey     string            // sent as x-lifi-api-key, and never shown anywhere
	Integrator string            // a name registered with LI.FI, or none
	Bridges    []string          // in order of preference; both if empty
	Exchanges  []string          // for swaps on one chain; the route processors' if empty
	Slippage   money.BasisPoints // 50 if zero, at most 500
	Table      *Table            // Pinned if nil

	Timeout time.Duration // of one attempt, 25 s if zero: quotes are slow
	// Transport carries requests, nil for the network.
	Transport http.RoundTripper
	Now       func() time.Time // time.Now if nil
}

// Client asks the service. It is safe for concurrent use.
//
// Its errors are the faults NotFound "no_route" if nothing is offered, Limited
// "routing_limited", Invalid "route_invalid" if the question will never be
// taken, and Unavailable "routing_unavailable" for all the rest; an *Error is
// their cause where the service answered. If ctx was canceled it is ctx's error.
type Client struct {
	base       *url.URL
	key        string
	integrator string
	bridges    []string
	exchanges  []string
	slippage   money.BasisPoints
	table      *Table
	timeout    time.Duration
	http       *http.Client
	now        func() time.Time

	limits  limiter
	circuit breaker.Breaker
	chains  cached[[]Chain]
	tools   cached[Tools]
	mu      sync.Mutex // guards the map below
	tokens  map[asset.ChainID]*cached[[]Token]
}

// NewClient checks the configuration; it asks nobody.
func NewClient(cfg Config) (*Client, error) {
	base, err := parseBase(cmp.Or(cfg.BaseURL, DefaultBaseURL))
	if err != nil {
		return nil, err
	}
	c := &Client{
		base: base, key: cfg.APIKey, integrator: cfg.Integrator,
		bridges: slices.Clone(cfg.Bridges), exchanges: slices.Clone(cfg.Exchanges),
		slippage: cmp.Or(cfg.Slippage, 50), table: cfg.Table,
		timeout: cmp.Or(cfg.Timeout, 25*time.Second), now: cfg.Now,
		chains: newCached[[]Chain](staticLife), tools: newCached[Tools](staticLife),
		tokens: map[asset.ChainID]*cached[[]Token]{},
	}
	if len(c.bridges) == 0 {
		c.bridges = []string{BridgeAcross, BridgeStargate}
	}
	if len(c.exchanges) == 0 {
		c.exchanges = []string{"sushiswap", "lifidexaggregator"}
	}
	for _, b := range c.bridges {
		if b != BridgeAcross && b != BridgeStargate {
			return nil, fmt.Errorf("bridge %q: only %s and %s can be verified", b, BridgeAcross, BridgeStargate)
		}
	}
	if c.slippage > 500 || c.timeout < 0 {
		return nil, errors.New("slippage or timeout of the routing service is out of its range")
	}
	if strings.ContainsFunc(c.key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the routing service's key has characters that no header can carry") // without the key
	}
	if c.table == nil {
		c.table = Pinned()
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.http = &http.Client{
		Transport: cfg.Transport,
		// A redirect would carry the key to someone else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if cfg.Transport == nil {
		c.http.Transport = newTransport()
	}
	return c, nil
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: 8,
		MaxConnsPerHost:     32,
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,

		MaxResponseHeaderBytes: 64 << 10,
	}
}

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the routing service's address is not a plain URL") // without it: it may hold a secret
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return nil, fmt.Errorf("the routing service at %s must be asked over https", u.Host)
	}
	return u, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// Available reports whether the service may be asked: false while it is left
// alone after repeated failures.
func (c *Client) Available() bool { return c.circuit.Available(c.now()) }

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Table is what the client's routes are pinned to.
func (c *Client) Table() *Table { return c.table }
