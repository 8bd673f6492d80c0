//go:build !nosandbox

package sandbox

import (
	"fmt"
	"net/http"
	"path"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"quittance/internal/asset"
	"quittance/internal/userop/artifacts"
	"quittance/internal/userop/gateway"
)

// SponsorPolicy is the policy under which the gateways sponsor operations.
const SponsorPolicy = gateway.Policy

// sponsorDeposit is what the EntryPoint has of the paymaster in the genesis block, in
// whole native coins: what a thousandth of one pays for, nobody here can use up.
const sponsorDeposit = 1_000_000

// addGaslessContracts puts at their addresses what operations need, and the paymaster
// with its deposit.
func addGaslessContracts(alloc types.GenesisAlloc, id asset.ChainID, keys keys) error {
	deployed, err := artifacts.Deployed(id, artifacts.Sponsor{Signer: asset.Address(address(keys.sponsor)), Deposit: coins(sponsorDeposit)})
	if err != nil {
		return err
	}
	for _, d := range deployed {
		storage := map[common.Hash]common.Hash{}
		for slot, value := range d.Storage {
			storage[slot] = value
		}
		alloc[common.Address(d.Address)] = types.Account{Balance: d.Balance, Nonce: d.Nonce, Code: d.Runtime, Storage: storage}
	}
	return nil
}

// Gateways are bundlers and sponsors of the sandbox's chains, as a provider has them:
// one address for each chain.
type Gateways struct {
	// Paymaster pays for operations on every chain. Checksummed.
	Paymaster string

	gateways map[string]*gateway.Gateway // by network
	server   *loopback
}

// StartGateways starts them on loopback. Close them before the chains.
func (s *Chains) StartGateways() (*Gateways, error) {
	paymaster, err := artifacts.Paymaster(asset.Address(address(s.sponsor)))
	if err != nil {
		return nil, fmt.Errorf("sandbox paymaster: %w", err)
	}
	g := &Gateways{Paymaster: paymaster.String(), gateways: map[string]*gateway.Gateway{}}
	mux := http.NewServeMux()
	for _, c := range s.All() {
		one := gateway.New(gateway.Config{
			Chain: asset.ChainID(c.ChainID), Client: c.Client(), Bundler: s.bundler, Signer: s.sponsor, Paymaster: paymaster,
		})
		g.gateways[c.Network] = one
		mux.HandleFunc("/"+c.Network, func(w http.ResponseWriter, r *http.Request) {
			c.node.AwaitHead() // who has seen a receipt may ask with the state that it led to
			one.ServeHTTP(w, r)
		})
	}
	if g.server, err = listen(mux); err != nil {
		return nil, fmt.Errorf("sandbox bundler: %w", err)
	}
	return g, nil
}

// URL is where bundler, paymaster and gas manager of a chain are.
func (g *Gateways) URL(network string) string { return g.server.url + "/" + network }

// Gateway returns that of a network ("base", "arbitrum-one"), or nil if there is none.
func (g *Gateways) Gateway(network string) *gateway.Gateway { return g.gateways[network] }

// Close stops them and waits until they have.
func (g *Gateways) Close() error { return g.server.close() }

// Control tells the gateways, each under its network's name, how to behave: see
// gateway.Gateway.Control.
func (g *Gateways) Control() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one := g.gateways[path.Base(r.URL.Path)]
		if one == nil {
			http.NotFound(w, r)
			return
		}
		one.Control().ServeHTTP(w, r)
	})
}
