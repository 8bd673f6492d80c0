package lifi_test

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
	"quittance/internal/official"
)

// The demo's chains have the same addresses on both sides: a table of their own
// is all that it takes to route over them, and nothing of the real one fits.
func TestATableOfOnesOwn(t *testing.T) {
	chains, tokens := asset.Sandbox()
	at := func(n byte) asset.Address { return asset.Address{0x5a, 0x4d, 0xb0, 19: n} }
	var networks []lifi.Network
	for _, c := range chains {
		proxy, _ := official.Default().Contract(c.ID, official.ERC20FeeProxy)
		networks = append(networks, lifi.Network{
			Chain: c.ID, Diamond: at(1), FeeForwarder: at(2), Executor: at(3), ReceiverAcross: at(4), DEXes: []asset.Address{at(5)}, FeeProxy: proxy.Address,
			Stables:      slices.DeleteFunc(slices.Clone(tokens), func(k asset.Token) bool { return k.Chain != c.ID }),
			MaxNativeFee: new(big.Int),
		})
	}
	table, err := lifi.NewTable(networks)
	if err != nil {
		t.Fatal(err)
	}
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
