package lifi_test

import (
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

// The demo's chains have the same addresses on both sides: a table of their own
// is all that it takes to route over them, and nothing of the real one fits.
func TestATableOfOnesOwn(t *testing.T) {
	_, tokens := asset.Sandbox()
	table := lifi.Sandbox()
	clock := func() time.Time { return now }
	router := lifitest.New(lifitest.Options{Table: table, Now: clock})
	client, err := lifi.NewClient(lifi.Config{Table: table, Now: clock, Transport: lifitest.Transport{Router: router}})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.CheckPins(t.Context()); err != nil {
		t.Error(err)
	}
	find := func(chain asset.ChainID, symbol string) asset.Token {
		return tokens[slices.IndexFunc(tokens, func(k asset.Token) bool { return k.Chain == chain && k.Symbol == symbol })]
	}
	in := intent(t, "USDT-arbitrum-one", "USDC-base")
	in.From, in.To = find(asset.SandboxArbitrum, "USDT"), find(asset.SandboxBase, "USDC")
	in.Payment.Token = in.To.Address
	step, err := client.Quote(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if got := refusals(table.Verify(in, step.Transaction, nil, now)); got != nil {
		t.Errorf("refused by %v", got)
	}
	checks := lifi.Pinned().Verify(in, step.Transaction, nil, now)
	if got := refusals(checks); len(got) != len(checks) {
		t.Errorf("on the real table: refused by %v only", got)
	}

	// Stargate does not end there, so it is not offered.
	router.Behave(lifitest.Behaviour{Bridge: lifi.BridgeStargate})
	if _, err := client.Quote(t.Context(), in); err == nil {
		t.Error("a bridge without a receiver was offered")
	}
}
