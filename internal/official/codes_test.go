package official_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// node is a chain that tells the code it was given, or an error.
type node struct {
	mu    sync.Mutex
	code  map[asset.Address][]byte
	err   error
	reads int
}

func (n *node) set(f func()) { n.mu.Lock(); defer n.mu.Unlock(); f() }

func (n *node) read(_ context.Context, _ asset.ChainID, addresses []asset.Address) ([][]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.reads++
	if n.err != nil {
		return nil, n.err
	}
	out := make([][]byte, len(addresses))
	for i, a := range addresses {
		out[i] = n.code[a]
	}
	return out, nil
}

// deployed is a registry of two contracts on Base, unpinned, and a node that has them.
func deployed(t *testing.T) (*official.Registry, *node) {
	t.Helper()
	a, b := addr(t, "0x1111111111111111111111111111111111111111"), addr(t, "0x2222222222222222222222222222222222222222")
	r, err := official.NewRegistry([]official.Contract{
		{Chain: asset.Base, Kind: official.ERC20FeeProxy, Address: a}, {Chain: asset.Base, Kind: official.EthereumFeeProxy, Address: b},
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, &node{code: map[asset.Address][]byte{a: []byte("erc20 proxy"), b: []byte("eth proxy")}}
}

func pinned(t *testing.T) (*official.Registry, *node) {
	t.Helper()
	r, n := deployed(t)
	pins, err := official.ReadPins(t.Context(), r, []asset.ChainID{asset.Base}, n.read, n.read)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.WithPins(pins); err != nil {
		t.Fatal(err)
	}
	return r, n
}

func wantCode(t *testing.T, c *official.Codes, kind official.Kind, want rail.Outcome, detail string) {
	t.Helper()
	got := c.Check(asset.Base, kind)
	if got.Name != official.CheckCode || got.Outcome != want || !strings.Contains(got.Detail, detail) {
		t.Errorf("got %+v, want %s about %q", got, want, detail)
	}
}

func TestCodeIsComparedWithItsPin(t *testing.T) {
	r, n := pinned(t)
	var logs bytes.Buffer
	c := official.NewCodes(r, []asset.ChainID{asset.Base}, n.read, slog.New(slog.NewTextHandler(&logs, nil)))
	wantCode(t, c, official.ERC20FeeProxy, rail.Waiting, "not read yet")

	refresh := func() error { t.Helper(); return c.Refresh(t.Context()) }
	n.err = errors.New("connection refused")
	if err := refresh(); !errors.Is(err, n.err) {
		t.Errorf("got %v, want the node's error", err)
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Waiting, "not read yet")

	n.err = nil
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Passed, "")
	wantCode(t, c, official.EthereumFeeProxy, rail.Passed, "")
	wantCode(t, c, official.BatchPayments, rail.Refused, "no official")
	if logs.Len() > 0 {
		t.Errorf("an alarm for nothing: %s", &logs)
	}

	// An outage takes nothing back; a change refuses at once and alarms.
	n.err = errors.New("connection refused")
	if err := refresh(); err == nil {
		t.Error("no error from a node that is down")
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Passed, "")
	n.err = nil
	n.code[addr(t, "0x1111111111111111111111111111111111111111")] = []byte("another proxy")
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Refused, "not the pinned code")
	wantCode(t, c, official.EthereumFeeProxy, rail.Passed, "")
	if !strings.Contains(logs.String(), "ALARM") || !strings.Contains(logs.String(), "contract=ERC20FeeProxy") {
		t.Errorf("no alarm: %s", &logs)
	}

	delete(n.code, addr(t, "0x2222222222222222222222222222222222222222"))
	if err := refresh(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c, official.EthereumFeeProxy, rail.Refused, "not the pinned code")
}

func TestUnpinnedCodeIsRefused(t *testing.T) {
	r, n := deployed(t)
	c := official.NewCodes(r, []asset.ChainID{asset.Base}, n.read, slog.New(slog.DiscardHandler))
	wantCode(t, c, official.ERC20FeeProxy, rail.Refused, "quittance doctor --pin")
	if err := c.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Refused, "quittance doctor --pin")
}

func TestShortAnswerIsAnError(t *testing.T) {
	r, n := pinned(t)
	c := official.NewCodes(r, []asset.ChainID{asset.Base}, func(ctx context.Context, id asset.ChainID, as []asset.Address) ([][]byte, error) {
		out, err := n.read(ctx, id, as)
		return out[:1], err
	}, slog.New(slog.DiscardHandler))
	if err := c.Refresh(t.Context()); err == nil {
		t.Error("one code for two contracts is taken")
	}
	wantCode(t, c, official.ERC20FeeProxy, rail.Waiting, "")
}

func TestRunReadsAgain(t *testing.T) {
	r, n := pinned(t)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		n.err = errors.New("starting up")
		c := official.NewCodes(r, []asset.ChainID{asset.Base}, n.read, slog.New(slog.DiscardHandler))
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		synctest.Wait()
		wantCode(t, c, official.ERC20FeeProxy, rail.Waiting, "")

		n.set(func() { n.err = nil })
		time.Sleep(6 * time.Second) // never read: asked again soon
		synctest.Wait()
		wantCode(t, c, official.ERC20FeeProxy, rail.Passed, "")

		var before, after int
		n.set(func() { before = n.reads })
		time.Sleep(time.Hour)
		synctest.Wait()
		n.set(func() { after = n.reads })
		if again := after - before; again != 6 {
			t.Errorf("read %d times in an hour, want 6", again)
		}
		cancel()
		if err := <-done; err != nil {
			t.Errorf("stopped with %v", err)
		}
	})
}

func TestPinsNeedTwoThatAgree(t *testing.T) {
	chains := []asset.ChainID{asset.Base}
	r, honest := deployed(t)
	liar := &node{code: map[asset.Address][]byte{}}
	for a, code := range honest.code {
		liar.code[a] = bytes.Clone(code)
	}
	liar.code[addr(t, "0x2222222222222222222222222222222222222222")] = []byte("something else")
	if pins, err := official.ReadPins(t.Context(), r, chains, honest.read, liar.read); err == nil || !strings.Contains(err.Error(), "disagree") {
		t.Errorf("got %v %v, want a disagreement", pins, err)
	}
	empty := &node{}
	if pins, err := official.ReadPins(t.Context(), r, chains, empty.read, empty.read); err == nil || !strings.Contains(err.Error(), "no code") {
		t.Errorf("got %v %v, want no code", pins, err)
	}
	down := &node{err: errors.New("down")}
	if pins, err := official.ReadPins(t.Context(), r, chains, honest.read, down.read); !errors.Is(err, down.err) || pins != nil {
		t.Errorf("got %v %v, want the second endpoint's error", pins, err)
	}
}

func TestPinsThatContradictAreRefused(t *testing.T) {
	r, _ := pinned(t)
	other := official.CodeHash([]byte("other"))
	for name, pins := range map[string]official.Pins{
		"another hash":     {asset.Base: {official.ERC20FeeProxy: other}},
		"unknown contract": {asset.Base: {official.BatchPayments: other}},
		"unknown chain":    {asset.Mainnet: {official.ERC20FeeProxy: other}},
		"empty":            {asset.Base: {official.ERC20FeeProxy: {}}},
	} {
		if _, err := r.WithPins(pins); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	own, _ := r.Contract(asset.Base, official.ERC20FeeProxy)
	if _, err := r.WithPins(official.Pins{asset.Base: {official.ERC20FeeProxy: own.CodeHash}}); err != nil {
		t.Errorf("the same pin again: %v", err)
	}
}
