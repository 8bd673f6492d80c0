//go:build !nosandbox

package app

import (
	"fmt"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/lifi"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/sandbox"
	"quittance/templates"
	"quittance/web/pay"
)

// demoWorld is what the demo runs on.
type demoWorld struct {
	chains   *sandbox.Chains
	routing  *sandbox.Routing
	gateways *sandbox.Gateways
	prices   *sandbox.Prices
}

// demoSetup is the server on sandbox chains.
func demoSetup(cfg DemoConfig, kept *kept, world demoWorld, baseURL string) (Setup, error) {
	chains, routing := world.chains, world.routing
	table, tokens := asset.Sandbox()
	for i := range table {
		table[i].Explorer = baseURL + "/sandbox/explorer/" + table[i].Network
	}
	book, err := asset.NewBook(table, tokens)
	if err != nil {
		return Setup{}, fmt.Errorf("sandbox tokens: %w", err)
	}
	registry, err := sandboxRegistry(chains)
	if err != nil {
		return Setup{}, err
	}
	var ids []asset.ChainID
	var reads []ChainSetup
	for _, c := range chains.All() {
		id := asset.ChainID(c.ChainID)
		ids = append(ids, id)
		reads = append(reads, ChainSetup{
			ID: id, Endpoints: []chain.Endpoint{{Transport: c.Line, Name: "sandbox " + c.Network}},
			PublicRPC: []string{baseURL + "/sandbox/rpc/" + c.Network}, Confirmations: demoConfirmations, Agree: 1,
			StartBlock: 1, Interval: 250 * time.Millisecond,
		})
	}
	list, err := demoList(kept)
	if err != nil {
		return Setup{}, err
	}
	view, err := safeView(book, chains, baseURL)
	if err != nil {
		return Setup{}, fmt.Errorf("the Safe app: %w", err)
	}
	gas, err := demoGasless(cfg.Account, chains, world.gateways)
	if err != nil {
		return Setup{}, err
	}
	deposits, err := demoDeposits(chains, world.prices)
	if err != nil {
		return Setup{}, err
	}
	return Setup{
		BaseURL: baseURL, Database: "sqlite:" + kept.path("quittance.db"), Keys: [][]byte{kept.Key}, Book: book, Registry: registry,
		Routing: &RoutingSetup{Service: lifi.Config{BaseURL: routing.URL, Table: routing.Table, Bridges: []string{lifi.BridgeAcross}}},
		Safe:    &SafeSetup{Table: safe.At(ids...)},
		Gasless: gas, Deposits: deposits,
		Chains: reads, Screening: ScreeningSetup{List: list}, Placeholders: true, AllowLoopback: true, SandboxScript: true, Limits: demoLimits, Streams: pay.Bounds{Total: 20_000}, OpenSignup: true, Log: cfg.Log,
		Mount:          func(a *App, assets templates.Assets) { mountSandbox(a, assets, world, view, kept) },
		FrameAncestors: []string{safeOrigin(baseURL)},
	}, nil
}

// sandboxRegistry pins the code that the sandbox has where the official contracts are.
func sandboxRegistry(chains *sandbox.Chains) (*official.Registry, error) {
	pins := official.Pins{}
	for _, c := range chains.All() {
		id := asset.ChainID(c.ChainID)
		pins[id] = map[official.Kind]official.Hash{}
		for _, k := range official.Default().Contracts(id) {
			text, ok := c.RuntimeHash(k.Address.String())
			if !ok {
				return nil, fmt.Errorf("the sandbox has no contract at %s", k.Address)
			}
			var err error
			if pins[id][k.Kind], err = official.ParseHash(text); err != nil {
				return nil, fmt.Errorf("sandbox contract %s: %w", k.Kind, err)
			}
		}
	}
	registry, err := official.Default().WithPins(pins)
	if err != nil {
		return nil, fmt.Errorf("sandbox contracts: %w", err)
	}
	return registry, nil
}
