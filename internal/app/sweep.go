package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/fault"
	"quittance/internal/hdkey"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail/deposit"
	"quittance/internal/sweep"
)

// Held is what sits on one deposit address of one chain.
type Held struct {
	Branch  string // its id
	Path    string // where a wallet finds the address
	Network asset.Chain
	sweep.Holding

	// Payment is whose address it is, nil for one that was given to nobody: then what
	// sits there is the key's owner's in some other way.
	Payment *payment.Payment
}

// Open reports whether a payment may still change: somebody may pay more, or what came is
// not final yet.
func (h Held) Open() bool {
	if h.Payment == nil {
		return false
	}
	state := h.Payment.Standing.State
	return state == payment.Open || state == payment.Seen ||
		slices.ContainsFunc(h.Payment.Transfers, func(t payment.Transfer) bool { return t.Stage == payment.Pending })
}

// PickBranches returns the keys that deposit addresses come from: of one merchant, or of
// all for "", and one by its id unless that is "".
func (a *Admin) PickBranches(ctx context.Context, m payment.MerchantID, id string) ([]merchant.Branch, error) {
	all, err := a.Store.Branches(ctx)
	if err != nil {
		return nil, err
	}
	picked := slices.DeleteFunc(all, func(b merchant.Branch) bool { return m != "" && b.Merchant != m || id != "" && b.ID != id })
	if len(picked) == 0 {
		return nil, errors.New("there is no such key for deposit addresses; `quittance deposits list` has them")
	}
	return picked, nil
}

// Holdings reads from a chain what sits on the addresses of a branch up to the last one
// that was given out, payments or not. Addresses with nothing on them are left out.
func (a *Admin) Holdings(ctx context.Context, b merchant.Branch, network string) ([]Held, error) {
	c, info, err := a.setup.network(network)
	if err != nil {
		return nil, err
	}
	branch, err := hdkey.OpenBranch(b.XPub)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", b.ID, err)
	}
	addresses, owners, err := a.givenOut(ctx, b, branch)
	if err != nil {
		return nil, err
	}
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: a.setup.Log})
	if err != nil {
		return nil, fmt.Errorf("chains.%s: %w", network, err)
	}
	defer client.Close()
	tokens := a.tokensOf(c.ID)
	contract, ok := a.setup.Registry.Contract(c.ID, official.Multicall3)
	if !ok {
		return nil, fmt.Errorf("chain %s has no Multicall3", network)
	}
	at := make([]asset.Address, len(tokens))
	for i, t := range tokens {
		at[i] = t.Address
	}
	held, err := deposit.Holdings(ctx, client, contract.Address, at, addresses)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", network, err)
	}
	var out []Held
	for i, h := range held {
		x := Held{Branch: b.ID, Path: branch.Path(uint32(i)), Network: info, Holding: sweep.Holding{Index: uint32(i), Address: h.Address, Nonce: h.Nonce, Native: h.Native}}
		for j, units := range h.Tokens {
			if units != nil && units.Sign() > 0 {
				x.Tokens = append(x.Tokens, sweep.TokenHolding{Token: tokens[j], Units: units})
			}
		}
		if h.Native.Sign() == 0 && len(x.Tokens) == 0 {
			continue
		}
		if id := owners[uint32(i)]; id != "" {
			if x.Payment, err = a.Checkout.Payment(ctx, id); err != nil {
				return nil, fmt.Errorf("payment of %s: %w", h.Address, err)
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// addressesRead bounds one look into the database.
const addressesRead = 1000

// givenOut derives a branch's addresses up to the last one that a payment has, and tells
// whose they are by their index. What the database has of them must be what is derived.
func (a *Admin) givenOut(ctx context.Context, b merchant.Branch, branch hdkey.Branch) ([]asset.Address, map[uint32]payment.ID, error) {
	owners, stored := map[uint32]payment.ID{}, map[uint32]asset.Address{}
	end := uint32(0)
	for seq := int64(0); ; {
		some, err := a.Store.AddressesAfter(ctx, seq, addressesRead)
		if err != nil {
			return nil, nil, err
		}
		if len(some) == 0 {
			break
		}
		for _, d := range some {
			if d.Branch == b.ID && d.Payment != "" {
				owners[d.Index], stored[d.Index], end = d.Payment, d.Address, max(end, d.Index+1)
			}
		}
		seq = some[len(some)-1].Seq
	}
	out := make([]asset.Address, end)
	for i := range end {
		var err error
		// An index without a key is met by nobody; its place stays the zero address, which
		// no key has either.
		if out[i], err = branch.Address(i); err != nil && !errors.Is(err, hdkey.ErrNoChild) {
			return nil, nil, fmt.Errorf("address %d of key %s: %w", i, b.ID, err)
		}
		if want, ok := stored[i]; ok && want != out[i] {
			return nil, nil, fmt.Errorf("the database says that address %d of key %s is %s, the key says %s", i, b.ID, want, out[i])
		}
	}
	return out, owners, nil
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

// SweepDraft says what a sweep should move, and where to.
type SweepDraft struct {
	Branch  merchant.Branch
	Network string
	To      asset.Address
	Funder  asset.Address // zero for none
	Min     map[asset.ID]*big.Int
	Open    bool     // addresses of payments that may still change, too
	Own     bool     // addresses that were given to no payment, too
	MaxFee  *big.Int // wei per gas; nil for twice the base fee and the tip
	Tip     *big.Int // nil for what the chain's node proposes
}

// SweepPlan is a plan and what was left out of it.
type SweepPlan struct {
	sweep.Plan
	LeftOpen, LeftOwn []Held
}

// PlanSweep plans to move what sits on a branch's addresses of one chain.
func (a *Admin) PlanSweep(ctx context.Context, d SweepDraft) (SweepPlan, error) {
	c, info, err := a.setup.network(d.Network)
	if err != nil {
		return SweepPlan{}, err
	}
	branch, err := hdkey.OpenBranch(d.Branch.XPub)
	if err != nil {
		return SweepPlan{}, fmt.Errorf("key %s: %w", d.Branch.ID, err)
	}
	if err := a.partners(ctx, d); err != nil {
		return SweepPlan{}, err
	}
	held, err := a.Holdings(ctx, d.Branch, d.Network)
	if err != nil {
		return SweepPlan{}, err
	}
	var out SweepPlan
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
	client, err := chain.NewClient(chain.Config{Chain: c.ID, Endpoints: c.Endpoints, Log: a.setup.Log})
	if err != nil {
		return SweepPlan{}, fmt.Errorf("chains.%s: %w", d.Network, err)
	}
	defer client.Close()
	terms := sweep.Terms{Chain: info, To: d.To, Path: branch.Path, Branch: d.Branch.ID, Min: d.Min, MaxFee: d.MaxFee, Tip: d.Tip, MadeAt: time.Now().UTC()}
	p := pricer{node: client, terms: &terms}
	if err := p.fees(ctx); err != nil {
		return SweepPlan{}, fmt.Errorf("price of gas on %s: %w", d.Network, err)
	}
	if err := p.funder(ctx, d.Funder); err != nil {
		return SweepPlan{}, fmt.Errorf("the funder on %s: %w", d.Network, err)
	}
	holdings, refused, err := p.gas(ctx, held)
	if err != nil {
		return SweepPlan{}, fmt.Errorf("gas on %s: %w", d.Network, err)
	}
	if out.Plan, err = sweep.Make(holdings, terms); err != nil {
		return SweepPlan{}, err
	}
	out.Skipped = append(out.Skipped, refused...)
	return out, nil
}

// partners refuses receivers and funders whose part in a sweep would be taken for payments.
func (a *Admin) partners(ctx context.Context, d SweepDraft) error {
	for _, x := range []asset.Address{d.To, d.Funder} {
		_, err := a.Store.DepositAddress(ctx, x)
		if err == nil {
			return fmt.Errorf("%s is a deposit address itself", x)
		}
		if !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	if d.Funder.IsZero() || a.setup.Deposits == nil || slices.Contains(a.setup.Deposits.Funders, d.Funder) {
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

// quiet is for commands, which say themselves what is wrong.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
