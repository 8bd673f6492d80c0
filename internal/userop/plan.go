package userop

import (
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Plan is a payment by a smart account with its owner's money: the account may take
// it by the owner's permit, or because the owner has approved it before; it takes
// exactly what is needed, and then does what the rail would have the owner do. An
// account that is the owner itself has the money already and takes nothing.
type Plan struct {
	Account Account
	Token   asset.Address // what is pulled; native currency cannot be
	Amount  *big.Int      // base units: exactly what Steps take
	Permit  *Permit       // signed; nil if the allowance is there
	Steps   []rail.Call   // the rail's calls for the account as the payer
}

// ErrPlan is a plan that would do something else than pay.
var ErrPlan = errors.New("not a payment by a smart account")

// selectorTransferFrom is transferFrom(address,address,uint256) of ERC-20.
var selectorTransferFrom = [4]byte{0x23, 0xb8, 0x72, 0xdd}

var transferFromArgs = arguments(addressType, addressType, uintType)

// Calls are the calls of the one operation, in their order: the permit, if there is
// one, the transfer, and the rail's steps. Errors: ErrPlan.
func (p Plan) Calls() ([]rail.Call, error) {
	switch {
	case p.Token.IsZero():
		return nil, fmt.Errorf("%w: native currency cannot be pulled", ErrPlan)
	case p.Amount == nil || p.Amount.Sign() <= 0 || p.Amount.BitLen() > 256:
		return nil, fmt.Errorf("%w: no amount", ErrPlan)
	case len(p.Steps) == 0:
		return nil, fmt.Errorf("%w: nothing is paid", ErrPlan)
	}
	calls, err := p.fetch()
	if err != nil {
		return nil, err
	}
	for i, c := range p.Steps {
		// The account and the EntryPoint would be told about the account itself, and
		// the account has no native currency.
		if c.To.IsZero() || c.To == p.Account.Address || c.To == EntryPoint || orZero(c.Value).Sign() != 0 {
			return nil, fmt.Errorf("%w: step %d goes to %s with %v wei", ErrPlan, i, c.To, orZero(c.Value))
		}
	}
	if len(calls) > 0 && !p.spent() {
		return nil, fmt.Errorf("%w: the steps do not take exactly what is taken of the owner", ErrPlan)
	}
	return slices.Concat(calls, p.Steps), nil
}

// spent reports whether the steps let one contract take exactly what the account takes
// of its owner: what it took beyond that would stay there, out of the owner's sight.
func (p Plan) spent() bool {
	found := false
	for _, c := range p.Steps {
		if c.To != p.Token {
			continue
		}
		a, err := official.DecodeApproval(c.Data)
		switch {
		case err != nil:
			return false
		case a.Amount.Sign() == 0: // a reset
		case found || a.Amount.Cmp(p.Amount) != 0:
			return false
		default:
			found = true
		}
	}
	return found
}

// fetch is the permit, if there is one, and the transfer to the account.
func (p Plan) fetch() ([]rail.Call, error) {
	if p.Account.Address == p.Account.Owner {
		if p.Permit != nil {
			return nil, fmt.Errorf("%w: a permit for oneself", ErrPlan)
		}
		return nil, nil
	}
	var calls []rail.Call
	if p.Permit != nil {
		data, err := p.Permit.Encode()
		if err != nil || p.Permit.Owner != p.Account.Owner || p.Permit.Spender != p.Account.Address || orZero(p.Permit.Value).Cmp(p.Amount) < 0 {
			return nil, fmt.Errorf("%w: the permit is another's", ErrPlan)
		}
		calls = append(calls, rail.Call{Kind: CallPermit, To: p.Token, Data: data, Value: new(big.Int)})
	}
	pull, err := pack(selectorTransferFrom, transferFromArgs, common.Address(p.Account.Owner), common.Address(p.Account.Address), p.Amount)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlan, err)
	}
	return append(calls, rail.Call{Kind: CallPull, To: p.Token, Data: pull, Value: new(big.Int)}), nil
}

// PermitOf takes the permit out of decoded calls: the first one, if it is a permit of
// the token. It is not judged; Verify judges it.
func PermitOf(calls []rail.Call, token asset.Address) (Permit, bool) {
	if len(calls) == 0 || calls[0].To != token {
		return Permit{}, false
	}
	p, err := DecodePermit(calls[0].Data)
	return p, err == nil
}
