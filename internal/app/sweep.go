package app

import (
	"context"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/collect"
	"quittance/internal/config"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/sweep"
)

func (a *Admin) collector() collect.Collector {
	c := collect.Collector{Branches: a.Store, Checkout: a.Checkout}
	if d := a.setup.Deposits; d != nil {
		c.Watched, c.Funders = true, d.Funders
	}
	return c
}

// PickBranches is collect.Collector's Pick.
func (a *Admin) PickBranches(ctx context.Context, m payment.MerchantID, id string) ([]merchant.Branch, error) {
	return a.collector().Pick(ctx, m, id)
}

// Holdings is collect.Collector's, of a configured chain.
func (a *Admin) Holdings(ctx context.Context, b merchant.Branch, network string) ([]collect.Held, error) {
	of, done, err := a.dial(network)
	if err != nil {
		return nil, err
	}
	defer done()
	return a.collector().Holdings(ctx, b, of)
}

// PlanSweep is collect.Collector's Plan, for a configured chain.
func (a *Admin) PlanSweep(ctx context.Context, network string, d collect.Draft) (collect.Plan, error) {
	of, done, err := a.dial(network)
	if err != nil {
		return collect.Plan{}, err
	}
	defer done()
	return a.collector().Plan(ctx, d, of)
}

// dial makes a configured chain ready to be asked, until done.
func (a *Admin) dial(network string) (of collect.Chain, done func(), err error) {
	c, info, err := a.setup.network(network)
	if err != nil {
		return of, nil, err
	}
	contract, ok := a.setup.Registry.Contract(c.ID, official.Multicall3)
	if !ok {
		return of, nil, fmt.Errorf("chain %s has no Multicall3", network)
	}
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: a.setup.Log})
	if err != nil {
		return of, nil, fmt.Errorf("chains.%s: %w", network, err)
	}
	return collect.Chain{Chain: info, Node: client, Multicall: contract.Address, Tokens: a.tokensOf(c.ID)}, client.Close, nil
}

// tokensOf are a chain's tokens, native currency not among them.
func (a *Admin) tokensOf(id asset.ChainID) []asset.Token {
	return slices.DeleteFunc(a.book.Tokens(), func(t asset.Token) bool { return t.Chain != id || t.Native })
}

// network finds a configured chain by its name.
func (s Setup) network(name string) (ChainSetup, asset.Chain, error) {
	info, ok := s.Book.Network(name)
	i := slices.IndexFunc(s.Chains, func(c ChainSetup) bool { return c.ID == info.ID })
	if !ok || i < 0 {
		return ChainSetup{}, asset.Chain{}, fmt.Errorf("no chain %q is configured", name)
	}
	return s.Chains[i], info, nil
}

// Networks are the names of the configured chains.
func (a *Admin) Networks() []string {
	var out []string
	for _, c := range a.setup.Chains {
		if info, ok := a.book.Chain(c.ID); ok {
			out = append(out, info.Network)
		}
	}
	return out
}

// Amounts reads amounts of assets: "USDC-base=1.50".
func (a *Admin) Amounts(texts []string) (map[asset.ID]*big.Int, error) {
	out := map[asset.ID]*big.Int{}
	for _, text := range texts {
		name, amount, _ := strings.Cut(text, "=")
		t, ok := a.book.Token(asset.ID(name))
		if !ok {
			return nil, fmt.Errorf("asset %q is not known or its chain is not configured", name)
		}
		v, err := money.Parse(amount, t.Decimals)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", text, err)
		}
		out[t.ID] = v
	}
	return out, nil
}

// SendSweep is collect.Send over a configuration's chain. It opens no database.
func SendSweep(ctx context.Context, cfg *config.Config, p sweep.Plan, signed [][]byte, patience time.Duration, report func(collect.Step)) error {
	s, err := production(cfg, quiet())
	if err != nil {
		return err
	}
	c, info, err := s.network(p.Network)
	if err != nil {
		return err
	}
	if info.ID != p.Chain {
		return fmt.Errorf("the plan is for chain %d, and %s is chain %d", p.Chain, p.Network, info.ID)
	}
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: s.Log})
	if err != nil {
		return fmt.Errorf("chains.%s: %w", p.Network, err)
	}
	defer client.Close()
	return collect.Send(ctx, client, p, signed, patience, report)
}

// quiet is for commands, which say themselves what is wrong.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
