// Package sweep plans how what sits on deposit addresses is moved to where the merchant
// wants it, and checks what the holder of the keys has signed. The server makes a plan,
// somebody signs it where the keys are, without a network, and the server sends what
// comes back, if it is the plan and nothing else.
//
// It knows transactions and files. It must not know payments, databases or nodes, and no
// key: package keyfile below has those, and the server does not import it.
package sweep

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
)

// Holding is what sits on one deposit address.
type Holding struct {
	Index   uint32 // of the address in the merchant's branch
	Address asset.Address
	Nonce   uint64 // of its next transaction
	Native  *big.Int
	Tokens  []TokenHolding
}

// TokenHolding is an amount of one token.
type TokenHolding struct {
	Token asset.Token
	Units *big.Int
}

// Funder is an account that pays for gas where an address has tokens and no native
// currency. The holder of the keys has its key as well.
type Funder struct {
	Address asset.Address
	Nonce   uint64
}

// Terms say where to and at what price.
type Terms struct {
	Chain  asset.Chain
	To     asset.Address
	Path   func(index uint32) string // where a wallet finds an address
	Branch string                    // names the branch: hdkey.Branch.ID
	Funder *Funder                   // nil for none

	MaxFee, Tip *big.Int // wei per gas (EIP-1559)
	// NativeGas and TokenGas are what transfers may take; 21,000 and 100,000 if zero.
	// Rollups ask for more: what a trial run says, and some slack.
	NativeGas, TokenGas uint64
	// Reserve is left for each transaction beside its gas: rollups of the OP Stack take
	// the cost of the chain below on top. Nil for none.
	Reserve *big.Int
	// Min are amounts below which an asset is left where it is; none where there is none.
	Min    map[asset.ID]*big.Int
	MadeAt time.Time
}

// small reports whether an amount is not asked for.
func (t Terms) small(id asset.ID, amount *big.Int) bool {
	least := t.Min[id]
	return least != nil && amount.Cmp(least) < 0
}

// Kind says what a transaction of a plan is for.
type Kind string

// The kinds, in the order in which they are sent.
const (
	Fund   Kind = "fund"   // from the funder to an address, for its gas
	Token  Kind = "token"  // all of a token
	Native Kind = "native" // what is left of native currency
)

// Transfer is one transaction of a plan, unsigned.
type Transfer struct {
	Kind   Kind
	From   asset.Address
	Path   string // of From's key, "" for the funder's
	Nonce  uint64
	To     asset.Address // the token's contract for tokens
	Value  *big.Int
	Data   []byte
	Gas    uint64
	MaxFee *big.Int
	Tip    *big.Int

	// What it moves, and to whom: repeated for people, and proven by Check.
	Asset     asset.ID
	Amount    *big.Int
	Recipient asset.Address
}

// Skipped is what is not worth moving, or cannot be.
type Skipped struct {
	Address asset.Address
	Asset   asset.ID
	Amount  *big.Int
	Why     string // "dust": it costs more than there is; "small": less than asked for; "no_gas": there is nobody to pay for gas; "refused": the chain would not do it
}

// Plan is what is to be signed.
type Plan struct {
	Chain     asset.ChainID
	Network   string
	To        asset.Address
	Branch    string
	Funder    asset.Address // zero for none
	MadeAt    time.Time
	Transfers []Transfer
	Skipped   []Skipped
}

// planner is the state of making a plan.
type planner struct {
	terms       Terms
	plan        Plan
	funderNonce uint64
	fund        []Transfer
	tokens      []Transfer
	native      []Transfer
}

// Make plans to move everything that is worth it. An address' own native currency pays
// for its transfers; what is missing comes from the funder. Amounts are such that every
// transaction can be paid for at MaxFee: what the chain then does not take stays where
// it is.
func Make(holdings []Holding, t Terms) (Plan, error) {
	if t.To.IsZero() || t.Path == nil || t.MaxFee == nil || t.Tip == nil || t.MaxFee.Sign() <= 0 || t.Tip.Sign() < 0 || t.Tip.Cmp(t.MaxFee) > 0 {
		return Plan{}, fmt.Errorf("planning a sweep: a receiver, paths and a price of gas are needed")
	}
	if t.NativeGas == 0 {
		t.NativeGas = 21_000
	}
	if t.TokenGas == 0 {
		t.TokenGas = 100_000
	}
	if t.Reserve == nil {
		t.Reserve = new(big.Int)
	}
	p := &planner{terms: t, plan: Plan{Chain: t.Chain.ID, Network: t.Chain.Network, To: t.To, Branch: t.Branch, MadeAt: t.MadeAt.UTC()}}
	if t.Funder != nil {
		p.plan.Funder, p.funderNonce = t.Funder.Address, t.Funder.Nonce
	}
	seen := map[asset.Address]bool{}
	for _, h := range slices.SortedFunc(slices.Values(holdings), func(a, b Holding) int { return int(int64(a.Index) - int64(b.Index)) }) {
		if seen[h.Address] || h.Address == t.To || t.Funder != nil && h.Address == t.Funder.Address {
			return Plan{}, fmt.Errorf("planning a sweep: %s stands twice, or is where the money goes or comes from", h.Address)
		}
		seen[h.Address] = true
		if err := p.address(h); err != nil {
			return Plan{}, err
		}
	}
	p.plan.Transfers = slices.Concat(p.fund, p.tokens, p.native)
	return p.plan, p.plan.Check()
}

// cost is what a transaction takes at most.
func (p *planner) cost(gas uint64) *big.Int {
	c := new(big.Int).Mul(new(big.Int).SetUint64(gas), p.terms.MaxFee)
	return c.Add(c, p.terms.Reserve)
}

// skip leaves an amount where it is.
func (p *planner) skip(h Holding, id asset.ID, amount *big.Int, why string) {
	p.plan.Skipped = append(p.plan.Skipped, Skipped{Address: h.Address, Asset: id, Amount: amount, Why: why})
}

// tokensOf are the tokens of an address that are asked for.
func (p *planner) tokensOf(h Holding) (tokens []TokenHolding, err error) {
	for _, x := range h.Tokens {
		if x.Token.Native || x.Token.Chain != p.terms.Chain.ID {
			return nil, fmt.Errorf("planning a sweep: %s is no token of chain %d", x.Token.ID, p.terms.Chain.ID)
		}
		switch {
		case x.Units.Sign() <= 0:
		case p.terms.small(x.Token.ID, x.Units):
			p.skip(h, x.Token.ID, x.Units, "small")
		default:
			tokens = append(tokens, x)
		}
	}
	return tokens, nil
}

// address plans what leaves one address.
func (p *planner) address(h Holding) error {
	tokens, err := p.tokensOf(h)
	if err != nil {
		return err
	}
	needed := new(big.Int).Mul(p.cost(p.terms.TokenGas), big.NewInt(int64(len(tokens))))
	left := new(big.Int).Sub(h.Native, needed)
	if left.Sign() < 0 && p.terms.Funder == nil {
		// What there is pays for some of them.
		affordable := int(new(big.Int).Quo(h.Native, p.cost(p.terms.TokenGas)).Int64())
		for _, x := range tokens[affordable:] {
			p.skip(h, x.Token.ID, x.Units, "no_gas")
		}
		tokens = tokens[:affordable]
		left.Sub(h.Native, new(big.Int).Mul(p.cost(p.terms.TokenGas), big.NewInt(int64(affordable))))
	}
	if left.Sign() < 0 {
		gap := new(big.Int).Neg(left)
		p.fund = append(p.fund, p.transfer(Transfer{
			Kind: Fund, From: p.plan.Funder, Nonce: p.funderNonce, To: h.Address, Value: gap, Gas: p.terms.NativeGas,
			Asset: p.terms.Chain.Native.ID, Amount: gap, Recipient: h.Address,
		}))
		p.funderNonce++
		left.SetInt64(0)
	}
	nonce, path := h.Nonce, p.terms.Path(h.Index)
	for _, x := range tokens {
		p.tokens = append(p.tokens, p.transfer(Transfer{
			Kind: Token, From: h.Address, Path: path, Nonce: nonce, To: x.Token.Address, Value: new(big.Int), Data: TransferData(p.terms.To, x.Units),
			Gas: p.terms.TokenGas, Asset: x.Token.ID, Amount: x.Units, Recipient: p.terms.To,
		}))
		nonce++
	}
	p.rest(h, path, nonce, left)
	return nil
}

// rest plans what leaves an address of its native currency after all else.
func (p *planner) rest(h Holding, path string, nonce uint64, left *big.Int) {
	if left.Sign() == 0 {
		return
	}
	worth := new(big.Int).Sub(left, p.cost(p.terms.NativeGas))
	if worth.Sign() <= 0 {
		p.skip(h, p.terms.Chain.Native.ID, left, "dust")
		return
	}
	if p.terms.small(p.terms.Chain.Native.ID, worth) {
		p.skip(h, p.terms.Chain.Native.ID, left, "small")
		return
	}
	p.native = append(p.native, p.transfer(Transfer{
		Kind: Native, From: h.Address, Path: path, Nonce: nonce, To: p.terms.To, Value: worth, Gas: p.terms.NativeGas,
		Asset: p.terms.Chain.Native.ID, Amount: worth, Recipient: p.terms.To,
	}))
}

func (p *planner) transfer(t Transfer) Transfer {
	t.MaxFee, t.Tip = p.terms.MaxFee, p.terms.Tip
	return t
}

// TransferData is the calldata of an ERC-20's transfer(address,uint256).
func TransferData(to asset.Address, units *big.Int) []byte {
	data := append([]byte{0xa9, 0x05, 0x9c, 0xbb}, make([]byte, 12)...)
	data = append(data, to[:]...)
	return append(data, units.FillBytes(make([]byte, 32))...)
}

// Totals are what arrives at the receiver, by asset.
func (p Plan) Totals() map[asset.ID]*big.Int {
	out := map[asset.ID]*big.Int{}
	for _, t := range p.Transfers {
		if t.Kind == Fund {
			continue
		}
		if out[t.Asset] == nil {
			out[t.Asset] = new(big.Int)
		}
		out[t.Asset].Add(out[t.Asset], t.Amount)
	}
	return out
}
