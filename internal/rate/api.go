package rate

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
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"quittance/internal/asset"
	"quittance/internal/breaker"
	"quittance/internal/money"
)

// APIConfig is how a price API is reached: one that answers as CoinGecko's
// /simple/price does.
type APIConfig struct {
	URL string // of the API, "https://pro-api.coingecko.com/api/v3"; http on loopback only
	// Key is sent in the header KeyHeader ("x-cg-pro-api-key", "x-cg-demo-api-key").
	Key, KeyHeader string
	IDs            map[asset.ID]string // the API's names: "ethereum", "usd-coin"
	MaxAge         time.Duration       // of a price; five minutes if zero
	Timeout        time.Duration       // of a question; three seconds if zero
	PerMinute      int                 // questions; 30 if zero
	Transport      http.RoundTripper   // nil for the network
	Now            func() time.Time    // time.Now if nil
}

// API is a price API over HTTP. It is safe for concurrent use.
type API struct {
	config  APIConfig
	base    *url.URL
	client  *http.Client
	circuit breaker.Breaker

	names []string // of all assets, without repeats

	mu    sync.Mutex
	asked []time.Time // within the last minute
	last  told
}

// told is the API's last answer that could be understood.
type told struct {
	of map[string]quoted
	at time.Time
}

const (
	apiName   = "price-api"
	maxAnswer = 256 << 10
	maxIDs    = 100
)

// NewAPI checks the configuration; it asks nobody.
func NewAPI(c APIConfig) (*API, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, errors.New("price API: the URL must be https, without user or query") // without the URL: it may hold a key
	}
	if len(c.IDs) == 0 || len(c.IDs) > maxIDs {
		return nil, fmt.Errorf("price API: names of 1 to %d assets are needed", maxIDs)
	}
	for id, name := range c.IDs {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return nil, fmt.Errorf("price API: %q is no name for %s", name, id)
		}
	}
	c.MaxAge, c.Timeout, c.PerMinute = cmp.Or(c.MaxAge, 5*time.Minute), cmp.Or(c.Timeout, 3*time.Second), cmp.Or(c.PerMinute, 30)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 4, MaxConnsPerHost: 8, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: c.Timeout, ResponseHeaderTimeout: c.Timeout, MaxResponseHeaderBytes: 16 << 10, ForceAttemptHTTP2: true,
		}
	}
	names := slices.Compact(slices.Sorted(maps.Values(c.IDs)))
	return &API{config: c, base: u, names: names, client: &http.Client{
		Transport: c.Transport, Timeout: c.Timeout,
		// A redirect would send the key elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback() || host == "localhost"
}

// Close drops idle connections.
func (a *API) Close() { a.client.CloseIdleConnections() }

// Prices implements Source. Whatever is wanted, the API is asked for all that it knows: so
// one answer does for everybody, and those who want one asset after the other do not use up
// what it may be asked. Once half of that is used, answers of some seconds ago count again.
func (a *API) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	if !slices.ContainsFunc(of, func(id asset.ID) bool { return a.config.IDs[id] != "" }) {
		return failed(of, apiName, Unknown, nil)
	}
	told, err := a.ask(ctx)
	if err != nil {
		why := Unreachable
		if errors.Is(err, errAnswer) {
			why = Malformed
		}
		return failed(of, apiName, why, err)
	}
	out := map[asset.ID]Answer{}
	for _, id := range of {
		x, ok := told[a.config.IDs[id]]
		if !ok {
			out[id] = Answer{Err: &Error{Asset: id, Source: apiName, Why: Unknown}}
			continue
		}
		out[id] = a.answer(id, x)
	}
	return out
}

// quoted is what the API says of one asset.
type quoted struct {
	USD jsontext.Value `json:"usd"`
	At  jsontext.Value `json:"last_updated_at"` // Unix seconds
}

func (a *API) answer(id asset.ID, x quoted) Answer {
	no := func(why Why, detail string) Answer {
		return Answer{Err: &Error{Asset: id, Source: apiName, Why: why, Detail: detail}}
	}
	if x.USD.Kind() != '0' || x.At.Kind() != '0' {
		return no(Malformed, "the price or its time is no number")
	}
	value, err := parseNumber(string(x.USD), money.PriceDecimals)
	if err != nil {
		return no(Malformed, err.Error())
	}
	seconds, err := strconv.ParseInt(string(x.At), 10, 64)
	if err != nil || seconds <= 0 || seconds > 253402300799 {
		return no(Malformed, "the time of the price")
	}
	p := Price{Value: value, At: time.Unix(seconds, 0).UTC(), Source: apiName}
	if why, detail := sane(p, a.config.MaxAge, a.config.Now()); why != "" {
		return no(why, detail)
	}
	return Answer{Price: p}
}

var (
	errAnswer = errors.New("the answer cannot be understood")
	errOften  = errors.New("our own limit of questions a minute")
)

// Available reports whether the API would be asked: it is not left alone after failures.
func (a *API) Available() bool { return a.circuit.Available(a.config.Now()) }

// ask puts one question, minded by the limit and the circuit breaker.
func (a *API) ask(ctx context.Context) (map[string]quoted, error) {
	if of := a.recent(); of != nil {
		return of, nil
	}
	pass, err := a.circuit.Enter(a.config.Now())
	if err != nil {
		return nil, err
	}
	verdict := breaker.Neither
	defer func() { a.circuit.Leave(a.config.Now(), pass, verdict) }()
	if !a.take() {
		return nil, errOften
	}
	raw, err := a.exchange(ctx, a.names)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("asking for prices: %w", ctx.Err())
	case errors.Is(err, errLimited):
		return nil, err // the breaker knows how long
	case err != nil:
		verdict = breaker.Failed
		return nil, err
	}
	verdict = breaker.Healthy
	var of map[string]quoted
	if err := json.Unmarshal(raw, &of); err != nil {
		return nil, fmt.Errorf("%w: %w", errAnswer, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = told{of, a.config.Now()}
	return of, nil
}

// recent is the last answer while questions are scarce and it is young: one half of a
// minute's questions may come at any pace, the other is spread over the minute.
func (a *API) recent() map[string]quoted {
	a.mu.Lock()
	defer a.mu.Unlock()
	now, limit := a.config.Now(), a.config.PerMinute
	if 2*a.used(now) < limit || now.Sub(a.last.at) >= 2*time.Minute/time.Duration(limit) {
		return nil
	}
	return a.last.of
}

// used is how many of the minute's questions were put. The lock is held.
func (a *API) used(now time.Time) int {
	a.asked = slices.DeleteFunc(a.asked, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	return len(a.asked)
}

// take uses one of the minute's questions.
func (a *API) take() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.config.Now()
	if a.used(now) >= a.config.PerMinute {
		return false
	}
	a.asked = append(a.asked, now)
	return true
}

var errLimited = errors.New("the price API wants to be asked less often")

func (a *API) exchange(ctx context.Context, names []string) ([]byte, error) {
	u := a.base.JoinPath("simple", "price")
	u.RawQuery = url.Values{
		"ids": {strings.Join(names, ",")}, "vs_currencies": {"usd"}, "include_last_updated_at": {"true"}, "precision": {"full"},
	}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, errors.New("making the request failed") // without the cause: it quotes the URL
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "quittance")
	if a.config.Key != "" {
		r.Header.Set(a.config.KeyHeader, a.config.Key)
	}
	resp, err := a.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // without the URL
		}
		return nil, fmt.Errorf("asking for prices: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read as far as it counts
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		a.circuit.Rest(a.config.Now(), retryAfter(resp.Header))
		return nil, errLimited
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("asking for prices: status %d", resp.StatusCode)
	case err != nil:
		return nil, fmt.Errorf("reading prices: %w", err)
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("%w: longer than %d bytes", errAnswer, maxAnswer)
	}
	return raw, nil
}

// retryAfter is how long the API wants to be left alone, at most ten minutes.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(strings.TrimSpace(h.Get("Retry-After")))
	if err != nil || seconds < 1 {
		return time.Minute
	}
	return min(time.Duration(min(seconds, 3600))*time.Second, 10*time.Minute)
}
