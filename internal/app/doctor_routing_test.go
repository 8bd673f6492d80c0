package app

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/config"
	"quittance/internal/lifi"
)

// What a configuration means for the service, and what is left of it where none
// of the chains is pinned.
func TestRoutingSetup(t *testing.T) {
	load := func(more string) *config.Config {
		c, err := config.Load("", func(name string) string {
			return map[string]string{
				"QUITTANCE_BASE_URL": "https://pay.example.com", "QUITTANCE_KEYS": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=",
				"QUITTANCE_CHAIN_" + more + "_RPC": "http://127.0.0.1:1", "QUITTANCE_CHAIN_SEPOLIA_RPC": "http://127.0.0.1:1",
			}[name]
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	build := func(c *config.Config) *RoutingSetup {
		s, err := production(c, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s.Routing
	}
	c := load("MATIC")
	r := build(c)
	// The defaults of the configuration are those of the client.
	if s := r.Service; s.BaseURL != lifi.DefaultBaseURL || !slices.Equal(s.Bridges, []string{lifi.BridgeAcross, lifi.BridgeStargate}) ||
		s.Slippage != 50 || s.Timeout != 25*time.Second || r.MaxCost != 500 || s.APIKey != "" {
		t.Errorf("by default: %+v", r)
	}
	if got := r.Service.Table.Chains(); !slices.Equal(got, []asset.ChainID{asset.Matic}) {
		t.Errorf("pinned for %v, want the configured chain alone", got)
	}
	c.Routing.APIKey, c.Routing.Integrator, c.Routing.Slippage, c.Routing.MaxCost = "k", "me", 20, 300
	c.Routing.Bridges, c.Routing.Timeout = []string{lifi.BridgeAcross}, config.Duration(time.Second)
	if r := build(c); r.Service.APIKey != "k" || r.Service.Integrator != "me" || r.Service.Slippage != 20 || r.MaxCost != 300 ||
		len(r.Service.Bridges) != 1 || r.Service.Timeout != time.Second {
		t.Errorf("as set: %+v", r)
	}
	off := false
	c.Routing.Enabled = &off
	if r := build(c); r != nil {
		t.Errorf("switched off: %+v", r)
	}
	if r := build(load("SEPOLIA")); r != nil {
		t.Errorf("over a chain that nothing is pinned for: %+v", r)
	}
}

func TestWrongPinsByChain(t *testing.T) {
	a, b := &lifi.PinError{Chain: asset.Base, Contract: "diamondAddress"}, &lifi.PinError{Chain: asset.Base, Contract: "permit2Proxy"}
	c := &lifi.PinError{Chain: asset.BSC, Contract: "diamondAddress"}
	got := wrongPins(errors.Join(a, b, c))
	if len(got) != 2 || !errors.Is(got[asset.Base], a) || !errors.Is(got[asset.Base], b) || errors.Is(got[asset.Base], c) || !errors.Is(got[asset.BSC], c) {
		t.Errorf("got %v", got)
	}
	if got := wrongPins(fmt.Errorf("alone: %w", c)); len(got) != 1 || !errors.Is(got[asset.BSC], c) {
		t.Errorf("alone: %v", got)
	}
	for _, err := range []error{nil, errors.New("down"), errors.Join(errors.New("down"), errors.New("twice"))} {
		if got := wrongPins(err); len(got) != 0 {
			t.Errorf("%v: %v", err, got)
		}
	}
}
