package collect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/sweep"
)

// Draft says what a sweep should move, and where to.
type Draft struct {
	Branch merchant.Branch
	To     asset.Address
	Funder asset.Address // zero for none
	Min    map[asset.ID]*big.Int
	Open   bool     // addresses of payments that may still change, too
	Own    bool     // addresses that were given to no payment, too
	MaxFee *big.Int // wei per gas; nil for twice the base fee and the tip
	Tip    *big.Int // nil for what the chain's node proposes
}

// Plan is a plan and what was left out of it.
type Plan struct {
	sweep.Plan
	LeftOpen, LeftOwn []Held
}

// Plan plans to move what sits on a branch's addresses of one chain.
func (c Collector) Plan(ctx context.Context, d Draft, of Chain) (Plan, error) {
	branch, err := hdkey.OpenBranch(d.Branch.XPub)
	if err != nil {
		return Plan{}, fmt.Errorf("key %s: %w", d.Branch.ID, err)
	}
	if err := c.partners(ctx, d); err != nil {
		return Plan{}, err
	}
	held, err := c.Holdings(ctx, d.Branch, of)
	if err != nil {
		return Plan{}, err
	}
	var out Plan
	held = slices.DeleteFunc(held, func(h Held) bool {
		switch {
		case h.Open() && !d.Open:
			out.LeftOpen = append(out.LeftOpen, h)
		case h.Payment == nil && !d.Own:
			out.LeftOwn = append(out.LeftOwn, h)
		default:
			return false
		}
		return true
	})
	terms := sweep.Terms{Chain: of.Chain, To: d.To, Path: branch.Path, Branch: d.Branch.ID, Min: d.Min, MaxFee: d.MaxFee, Tip: d.Tip, MadeAt: time.Now().UTC()}
	p := pricer{node: of.Node, terms: &terms}
	if err := p.fees(ctx); err != nil {
		return Plan{}, fmt.Errorf("price of gas on %s: %w", of.Network, err)
	}
	if err := p.funder(ctx, d.Funder); err != nil {
		return Plan{}, fmt.Errorf("the funder on %s: %w", of.Network, err)
	}
	holdings, refused, err := p.gas(ctx, held)
	if err != nil {
		return Plan{}, fmt.Errorf("gas on %s: %w", of.Network, err)
	}
	if out.Plan, err = sweep.Make(holdings, terms); err != nil {
		return Plan{}, err
	}
	out.Skipped = append(out.Skipped, refused...)
	return out, nil
}

// partners refuses receivers and funders whose part in a sweep would be taken for payments.
func (c Collector) partners(ctx context.Context, d Draft) error {
	for _, x := range []asset.Address{d.To, d.Funder} {
		_, err := c.Branches.DepositAddress(ctx, x)
		if err == nil {
			return fmt.Errorf("%s is a deposit address itself", x)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	if d.Funder.IsZero() || !c.Watched || slices.Contains(c.Funders, d.Funder) {
		return nil
	}
	return fmt.Errorf("what %s sends for gas would count as payments: add it to deposits.funders and restart the server first", d.Funder)
}

// pricer finds out what transfers take on a chain.
type pricer struct {
	node  chain.Batcher
	terms *sweep.Terms
}

// oracle is where rollups of the OP Stack say what the chain below takes for a
// transaction (GasPriceOracle, a predeploy); elsewhere nothing is there.
var oracle = asset.Address{0: 0x42, 19: 0x0f}

// upperBound is getL1FeeUpperBound(uint256) of a transaction's size in bytes, which no
// transfer of ours reaches.
var upperBound = append([]byte{0xf1, 0xc7, 0xa5, 0x8b}, big.NewInt(300).FillBytes(make([]byte, 32))...)

// fees sets the price of gas, and what the chain below takes.
func (p pricer) fees(ctx context.Context) error {
	rs, err := p.node.Batch(ctx, []chain.Call{
		chain.HeaderCall(chain.Latest), chain.GasPriceCall(), chain.ContractCall(chain.Msg{To: oracle, Data: upperBound}, chain.Latest),
	})
	if err != nil {
		return err
	}
	head, err := rs[0].Header()
	if err != nil || head == nil || head.BaseFee == nil {
		return cmp.Or(err, errors.New("it has no base fee (EIP-1559)"))
	}
	going, err := rs[1].Big()
	if err != nil {
		return err
	}
	t := p.terms
	if t.Tip == nil {
		if t.Tip = new(big.Int).Sub(going, head.BaseFee); t.Tip.Sign() < 0 {
			t.Tip.SetInt64(0)
		}
	}
	if t.MaxFee == nil {
		t.MaxFee = new(big.Int).Lsh(head.BaseFee, 1)
		t.MaxFee.Add(t.MaxFee, t.Tip)
	}
	if data, err := rs[2].Bytes(); err == nil && len(data) == 32 {
		t.Reserve = new(big.Int).Lsh(new(big.Int).SetBytes(data), 1) // it may rise until the plan is sent
	}
	return nil
}

func (p pricer) funder(ctx context.Context, a asset.Address) error {
	if a.IsZero() {
		return nil
	}
	nonce, err := chain.Ask(ctx, p.node, nonceCall(a), chain.Result.Uint)
	p.terms.Funder = &sweep.Funder{Address: a, Nonce: nonce}
	return err
}

func nonceCall(a asset.Address) chain.Call {
	return chain.Call{Method: "eth_getTransactionCount", Params: []any{a.Lower(), chain.Latest}}
}

// plainGas is what a transfer of native currency to an account takes.
const plainGas = 21_000

// gas tries every transfer out, sets what they may take, and leaves out those that the
// chain refuses.
func (p pricer) gas(ctx context.Context, held []Held) (out []sweep.Holding, refused []sweep.Skipped, err error) {
	var calls []chain.Call
	for _, h := range held {
		if h.Native.Sign() > 0 {
			calls = append(calls, chain.EstimateGasCall(chain.Msg{From: h.Address, To: p.terms.To, Value: big.NewInt(1)}))
		}
		for _, t := range h.Tokens {
			calls = append(calls, chain.EstimateGasCall(chain.Msg{From: h.Address, To: t.Token.Address, Data: sweep.TransferData(p.terms.To, t.Units)}))
		}
	}
	if len(calls) == 0 {
		return nil, nil, nil
	}
	rs, err := p.node.Batch(ctx, calls)
	if err != nil {
		return nil, nil, err
	}
	next := func() (uint64, error) {
		gas, err := rs[0].Uint()
		rs = rs[1:]
		return gas, err
	}
	native, token := uint64(plainGas), uint64(0)
	for _, h := range held {
		x := h.Holding
		x.Tokens = nil
		if h.Native.Sign() > 0 {
			gas, err := next()
			if err != nil {
				return nil, nil, fmt.Errorf("the receiver %s does not take native currency: %w", p.terms.To, err)
			}
			native = max(native, gas)
		}
		for _, t := range h.Tokens {
			gas, err := next()
			if err != nil {
				refused = append(refused, sweep.Skipped{Address: h.Address, Asset: t.Token.ID, Amount: t.Units, Why: "refused"})
				continue
			}
			token = max(token, gas)
			x.Tokens = append(x.Tokens, t)
		}
		out = append(out, x)
	}
	p.terms.TokenGas = token + token/4
	if p.terms.NativeGas = native; native > plainGas {
		p.terms.NativeGas = native + native/4
	}
	return out, refused, nil
}
