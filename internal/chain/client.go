package chain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
)

// Config describes the endpoints of one chain.
type Config struct {
	Chain     asset.ChainID
	Endpoints []Endpoint // in order of preference

	Timeout     time.Duration // for one attempt at one endpoint, 5 s if zero
	MaxResponse int64         // bytes of one response after decompression, 16 MiB if zero
	MaxBatch    int           // calls in one round trip, 100 if zero; longer batches take several

	// RestMin and RestMax bound how long an endpoint that failed is left alone:
	// 250 ms and 30 s if zero, doubling between them.
	RestMin, RestMax time.Duration

	Log *slog.Logger // slog.Default if nil
}

// Endpoint is one JSON-RPC endpoint: either an http or https URL, or a
// Transport inside the process.
type Endpoint struct {
	URL       string // may hold a provider's key: shown nowhere but for its host
	Transport Transport
	Name      string // for logs and Health; the URL's scheme and host if empty
	// PerSecond is how many questions a second it is asked, each of a batch counted;
	// no limit if zero.
	PerSecond float64
}

// Client asks one chain. It is safe for concurrent use.
type Client struct {
	chain     asset.ChainID
	endpoints []*endpoint
	timeout   time.Duration
	maxBatch  int
	hedges    hedges
	log       *slog.Logger
}

var _ Batcher = (*Client)(nil)

// NewClient checks the configuration; it connects to nothing.
func NewClient(cfg Config) (*Client, error) {
	if cfg.Chain == 0 {
		return nil, errors.New("chain: no chain id")
	}
	if len(cfg.Endpoints) == 0 {
		return nil, fmt.Errorf("chain %d: no endpoint", cfg.Chain)
	}
	c := &Client{
		chain:    cfg.Chain,
		timeout:  cmp.Or(cfg.Timeout, 5*time.Second),
		maxBatch: cmp.Or(cfg.MaxBatch, 100),
		log:      cmp.Or(cfg.Log, slog.Default()).With("chain", uint64(cfg.Chain)),
	}
	maxResponse := cmp.Or(cfg.MaxResponse, 16<<20)
	restMin, restMax := cmp.Or(cfg.RestMin, 250*time.Millisecond), cmp.Or(cfg.RestMax, 30*time.Second)
	if c.timeout < 0 || c.maxBatch < 2 || maxResponse < 0 || restMin < 0 || restMax < restMin {
		return nil, fmt.Errorf("chain %d: a limit is out of its range", cfg.Chain)
	}
	for i, e := range cfg.Endpoints {
		w, name, err := openWire(e, maxResponse)
		if err != nil {
			return nil, fmt.Errorf("chain %d: endpoint %d: %w", cfg.Chain, i+1, err)
		}
		if e.PerSecond < 0 {
			return nil, fmt.Errorf("chain %d: endpoint %d: a negative limit", cfg.Chain, i+1)
		}
		c.endpoints = append(c.endpoints, &endpoint{
			name: name, host: hostOf(e, i), wire: w, restMin: restMin, restMax: restMax, limit: bucket{perSecond: e.PerSecond}, count: newTally(),
		})
	}
	return c, nil
}

func openWire(e Endpoint, maxResponse int64) (wire, string, error) {
	switch {
	case e.Transport != nil && e.URL != "":
		return nil, "", errors.New("both a URL and a transport")
	case e.Transport != nil:
		return inProcess{e.Transport}, cmp.Or(e.Name, "in-process"), nil
	}
	u, err := url.Parse(e.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, "", errors.New("not an http or https URL") // without the URL: it may hold a key
	}
	return newHTTPWire(u, maxResponse), cmp.Or(e.Name, u.Scheme+"://"+u.Host), nil
}

// hostOf says who answers: two URLs of one host are one opinion. A transport is its own.
func hostOf(e Endpoint, i int) string {
	if u, err := url.Parse(e.URL); err == nil && e.URL != "" {
		return strings.ToLower(u.Host)
	}
	return fmt.Sprintf("in-process %d", i)
}

// Hosts is how many independent opinions there are.
func (c *Client) Hosts() int {
	set := map[string]bool{}
	for _, e := range c.endpoints {
		set[e.host] = true
	}
	return len(set)
}

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() {
	for _, e := range c.endpoints {
		e.wire.close()
	}
}

// Chain is the chain this client is for.
func (c *Client) Chain() asset.ChainID { return c.chain }

// Batch asks all calls in one round trip and returns their answers in the same
// order. A call that the node refused has its error in its Result; an endpoint
// that does not answer, or not sensibly, is passed over for the next, and beside one that
// takes long the next is asked for reads as well.
//
// Faults: Unavailable "chain_unavailable" if no endpoint answered. If ctx was
// canceled, its error.
func (c *Client) Batch(ctx context.Context, calls []Call) ([]Result, error) {
	rs, _, err := c.any(ctx, calls, nil, true)
	return rs, err
}

// any is Batch, and tells which endpoint answered. Endpoints for which avoid
// returns true are asked last.
func (c *Client) any(ctx context.Context, calls []Call, avoid func(i int) bool, hedge bool) ([]Result, int, error) {
	if len(calls) == 0 {
		return nil, 0, nil
	}
	for {
		r := race{client: c, calls: calls, order: c.order(avoid)}
		rs, by, failures := r.run(ctx, hedge)
		if failures == nil {
			return rs, by, nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, by, fmt.Errorf("asking chain %d: %w", c.chain, ctx.Err())
		}
		if !c.waitForLeave(ctx, failures) {
			return nil, 0, Unavailable(errors.Join(failures...))
		}
	}
}

// waitForLeave waits until an endpoint that was at its limit may be asked again, and
// reports whether it is worth to: no caller waits who would not be there any more, or
// whose question may have been carried out.
func (c *Client) waitForLeave(ctx context.Context, failures []error) bool {
	wait, ok := spent(failures)
	if end, limited := ctx.Deadline(); !ok || limited && time.Until(end) < wait {
		return false
	}
	if slices.ContainsFunc(failures, func(err error) bool { return !errors.Is(err, errNotAsked) }) {
		return false
	}
	pause(ctx, wait, nil)
	return ctx.Err() == nil
}

// on asks one endpoint only.
func (c *Client) on(ctx context.Context, i int, calls []Call) ([]Result, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	for {
		rs, err := c.attempt(ctx, i, calls, c.timeout, false)
		if err == nil {
			return rs, nil
		}
		err = fmt.Errorf("%s: %w", c.endpoints[i].name, err)
		if !c.waitForLeave(ctx, []error{err}) {
			return nil, Unavailable(err)
		}
	}
}

// CodeUnavailable is the code of the fault of a chain that does not answer, or not sensibly.
const CodeUnavailable = "chain_unavailable"

// Unavailable is that fault, for whoever waits for the answer.
func Unavailable(cause error) error {
	return fault.New(fault.Unavailable, CodeUnavailable, "The network does not answer at the moment. Please try again.").Because(cause)
}

// patience is how long one of the endpoints that are left may take: its part of
// what the caller still waits, so that one that hangs leaves time for the others.
func (c *Client) patience(ctx context.Context, left int) time.Duration {
	end, limited := ctx.Deadline()
	if !limited {
		return c.timeout
	}
	return min(c.timeout, time.Until(end)/time.Duration(left))
}

// attempt asks one endpoint, verifying its chain in the same round trip when
// that is due, and keeps its record.
func (c *Client) attempt(ctx context.Context, i int, calls []Call, patience time.Duration, hedge bool) ([]Result, error) {
	e := c.endpoints[i]
	verify, err := e.enter(time.Now(), len(calls), hedge)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	tctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	rs, err := c.exchange(tctx, e, calls, verify)
	switch {
	case err == nil:
		e.succeed(time.Now(), time.Since(start))
		if head := newestHead(calls, rs); head > 0 {
			c.sawHead(ctx, i, head)
		}
		return rs, nil
	case errors.Is(err, errWrongChain):
		c.log.ErrorContext(ctx, "endpoint refused for good", "endpoint", e.name, "error", err)
		return nil, err
	case errors.Is(ctx.Err(), context.Canceled), errors.Is(err, errTooLong) && asksLogs(calls):
		// Neither a caller who left nor a range with too many logs says anything about the endpoint.
		e.leave(time.Now(), time.Since(start), errors.Is(context.Cause(ctx), errBeaten))
		return nil, err
	}
	if rest := e.fail(time.Now(), err); rest > 0 {
		c.log.WarnContext(ctx, "endpoint failed", "endpoint", e.name, "error", err, "rest", rest.Round(time.Millisecond).String())
	}
	return nil, err
}

func asksLogs(calls []Call) bool {
	return slices.ContainsFunc(calls, func(c Call) bool { return c.Method == "eth_getLogs" })
}

// exchange does the round trips of one attempt: one, unless the batch is longer
// than allowed or must not be asked of a node on another chain.
func (c *Client) exchange(ctx context.Context, e *endpoint, calls []Call, verify bool) ([]Result, error) {
	if verify && !allReads(calls) {
		rs, err := e.wire.roundTrip(ctx, []Call{ChainIDCall()})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNotAsked, err)
		}
		if err := c.verify(e, rs[0]); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotAsked, err)
		}
		verify = false
	}
	if verify {
		calls = append([]Call{ChainIDCall()}, calls...)
	}
	out := make([]Result, 0, len(calls))
	for len(calls) > 0 {
		n := parcel(calls, c.maxBatch, e.takes())
		rs, err := e.wire.roundTrip(ctx, calls[:n])
		if errors.Is(err, errRequestTooLong) && e.refusedSize(calls[:n]) {
			continue
		}
		if err != nil {
			return nil, err
		}
		calls = calls[n:]
		if verify {
			if err := c.verify(e, rs[0]); err != nil {
				return nil, err
			}
			rs, verify = rs[1:], false
		}
		for _, r := range rs {
			if refusal, ok := AsRPC(r.Err); ok && refusal.limited() {
				return nil, &limitError{cause: refusal}
			}
		}
		out = append(out, rs...)
	}
	return out, nil
}

func (c *Client) verify(e *endpoint, r Result) error {
	got, err := r.Uint()
	if err != nil {
		return fmt.Errorf("verifying the chain id: %w", err)
	}
	if !e.identify(got, uint64(c.chain)) {
		return fmt.Errorf("%w: it is on chain %d, not %d", errWrongChain, got, c.chain)
	}
	return nil
}

// newestHead is the number of the head among the answers, 0 if it was not asked.
func newestHead(calls []Call, rs []Result) uint64 {
	for i, call := range calls {
		if call.Method != "eth_getBlockByNumber" || len(call.Params) == 0 || call.Params[0] != Latest {
			continue
		}
		if h, err := rs[i].Header(); err == nil && h != nil {
			return h.Number
		}
	}
	return 0
}

// Health is how each endpoint is doing, in the order of the configuration.
func (c *Client) Health() []EndpointHealth {
	out := make([]EndpointHealth, len(c.endpoints))
	for i, e := range c.endpoints {
		out[i] = e.health(time.Now())
	}
	return out
}
