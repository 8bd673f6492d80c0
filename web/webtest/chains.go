package webtest

import (
	"log/slog"
	"slices"
	"testing"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/chain/chaintest"
	"quittance/internal/official"
)

func (w *World) startChains(o Options) {
	w.t.Helper()
	if w.Chain == nil {
		options := []chaintest.Option{chaintest.WithID(900008453)}
		if len(o.Code) > 0 {
			proxy, _ := official.Default().Contract(900008453, official.ERC20FeeProxy)
			options = append(options, chaintest.WithCode(proxy.Address.String(), o.Code, nil))
		}
		w.Chain = chaintest.New(w.t, slices.Concat(options, o.contracts(w.t, asset.SandboxBase), o.Deposits.Feeds(w.t))...)
	}
	w.Chain.Mine(1)
	if o.Routing || o.Deposits.two() {
		if w.Second = o.Second; w.Second == nil {
			w.Second = chaintest.New(w.t, slices.Concat(o.contracts(w.t, asset.SandboxArbitrum), o.Deposits.Feeds(w.t), []chaintest.Option{chaintest.WithID(uint64(asset.SandboxArbitrum))})...)
		}
		w.Second.Mine(1)
	}
}

func pins(t testing.TB, chains []asset.Chain, running []*chaintest.Chain) official.Pins {
	t.Helper()
	nodes, ids := map[asset.ChainID]chain.Batcher{}, []asset.ChainID{}
	for i, c := range running {
		id := chains[i].ID
		client, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: c.URL()}}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatalf("client: %v", err)
		}
		defer client.Close()
		nodes[id], ids = client, append(ids, id)
	}
	read := app.CodeReader(nodes)
	p, err := official.ReadPins(t.Context(), official.Default(), ids, read, read)
	if err != nil {
		t.Fatalf("read pins: %v", err)
	}
	return p
}
