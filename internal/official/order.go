package official

import (
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/rail"
)

// Order is what a payer was shown, and what the transactions must say: an
// Expectation, paid by one call of a fee proxy, or a Batch, paid by one call of
// the batch contract.
type Order interface {
	// Needs lists what the payer gives, one entry for each asset in the order of
	// its first use.
	Needs() []Need
	// Kinds are the contracts the money goes through. The first is the one that is
	// called, and that gets the approvals.
	Kinds() []Kind

	// check refuses orders that no honest payment has.
	check() error
	chain() asset.ChainID
	// pay is the value and calldata of the one payment.
	pay() (value *big.Int, data []byte, err error)
	// compare holds the payment's calldata against the order, and what else is
	// known of the contracts that it goes through.
	compare(v *verifier, data []byte)
	effects(o outline, payer asset.Address) effects
}

// Need is what the payer gives of one asset.
type Need struct {
	Token asset.Address // zero for the native currency
	Take  *big.Int      // leaves the payer: the approval, or the value of the call
	// Hold must be there beforehand. It is Take, but for a batch contract that
	// demands more than it takes.
	Hold *big.Int
	// ContractFee is the part of Hold that the called contract asks for itself.
	ContractFee *big.Int
}

// outline is an order with its contracts looked up.
type outline struct {
	contracts []Contract // in the order of Kinds
	tokens    []Need     // of the needs those that take an approval
}

// target is the contract that is called, and that gets the approvals.
func (o outline) target() Contract { return o.contracts[0] }

func (o outline) token(a asset.Address) int {
	return slices.IndexFunc(o.tokens, func(n Need) bool { return n.Token == a })
}

func (r *Registry) outline(order Order) (o outline, err error) {
	if err := order.check(); err != nil {
		return outline{}, fmt.Errorf("payment on chain %d: %w", order.chain(), err)
	}
	for _, kind := range order.Kinds() {
		c, ok := r.Contract(order.chain(), kind)
		if !ok {
			return outline{}, fmt.Errorf("chain %d has no official %s", order.chain(), kind)
		}
		o.contracts = append(o.contracts, c)
	}
	for _, n := range order.Needs() {
		if !n.Token.IsZero() {
			o.tokens = append(o.tokens, n)
		}
	}
	return o, nil
}

// PayCall builds the one call that pays an order.
func (r *Registry) PayCall(order Order) (rail.Call, error) {
	o, err := r.outline(order)
	if err != nil {
		return rail.Call{}, err
	}
	call := rail.Call{Kind: rail.Pay, To: o.target().Address}
	call.Value, call.Data, err = order.pay()
	return call, err
}

// ApproveCall builds the approval of exactly what PayCall takes of an ERC-20.
func (r *Registry) ApproveCall(order Order, token asset.Address) (rail.Call, error) {
	return r.approve(order, token, rail.Approve)
}

// ResetCall builds the approval of nothing that some tokens demand before they
// change an allowance.
func (r *Registry) ResetCall(order Order, token asset.Address) (rail.Call, error) {
	return r.approve(order, token, rail.Reset)
}

func (r *Registry) approve(order Order, token asset.Address, kind rail.CallKind) (rail.Call, error) {
	o, err := r.outline(order)
	if err != nil {
		return rail.Call{}, err
	}
	i := o.token(token)
	if i < 0 {
		return rail.Call{}, fmt.Errorf("chain %d: nothing of %s is paid that needs an approval", order.chain(), token)
	}
	amount := o.tokens[i].Take
	if kind == rail.Reset {
		amount = new(big.Int)
	}
	data, err := Approval{Spender: o.target().Address, Amount: amount}.Encode()
	return rail.Call{Kind: kind, To: token, Data: data, Value: new(big.Int)}, err
}
