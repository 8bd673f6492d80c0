package sweep

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"quittance/internal/asset"
)

// Check proves that a plan's transactions do what it says for people, and nothing else:
// tokens and native currency go to the receiver, gas money to an address that then
// sends. Whoever signs calls it on what came over, and compares the receiver with the
// one they know.
func (p Plan) Check() error {
	if p.Chain == 0 || p.To.IsZero() {
		return errors.New("the plan names no chain or no receiver")
	}
	senders := map[asset.Address]bool{}
	next := map[asset.Address]uint64{}
	for _, t := range p.Transfers {
		if t.Kind == Token || t.Kind == Native {
			senders[t.From] = true
		}
	}
	for i, t := range p.Transfers {
		if err := p.one(t, senders); err != nil {
			return fmt.Errorf("transaction %d of the plan: %w", i, err)
		}
		if n, seen := next[t.From]; seen && t.Nonce != n {
			return fmt.Errorf("transaction %d of the plan: nonce %d does not follow", i, t.Nonce)
		}
		next[t.From] = t.Nonce + 1
	}
	return nil
}

// maxGas bounds what one transaction may take: a plan that burns money is not signed.
const maxGas = 5_000_000

func (p Plan) one(t Transfer, senders map[asset.Address]bool) error {
	switch {
	case t.Value == nil || t.Amount == nil || t.MaxFee == nil || t.Tip == nil:
		return errors.New("it has no amounts")
	case t.Value.Sign() < 0 || t.Amount.Sign() <= 0 || t.MaxFee.Sign() <= 0 || t.Tip.Sign() < 0 || t.Tip.Cmp(t.MaxFee) > 0 ||
		t.Value.BitLen() > 256 || t.Amount.BitLen() > 256 || t.MaxFee.BitLen() > 256:
		return errors.New("its amounts cannot be")
	case t.Gas < 21_000 || t.Gas > maxGas:
		return fmt.Errorf("%d gas", t.Gas)
	case t.From.IsZero() || t.From == p.To:
		return fmt.Errorf("it comes from %s", t.From)
	}
	plain := len(t.Data) == 0 && t.Value.Cmp(t.Amount) == 0 && t.To == t.Recipient
	switch t.Kind {
	case Fund:
		if !plain || t.From != p.Funder || t.Path != "" || t.Recipient == p.Funder || !senders[t.Recipient] {
			return errors.New("it is no gas money for an address of the plan")
		}
	case Native:
		if !plain || t.Recipient != p.To || t.Path == "" || t.From == p.Funder {
			return errors.New("it is no transfer to the receiver")
		}
	case Token:
		if !bytes.Equal(t.Data, TransferData(p.To, t.Amount)) || t.Value.Sign() != 0 || t.Recipient != p.To || t.To.IsZero() || t.Path == "" || t.From == p.Funder {
			return errors.New("it is no token transfer to the receiver")
		}
	default:
		return fmt.Errorf("a kind %q", t.Kind)
	}
	return nil
}

// MaxCost is what a plan's transactions take in gas at most, in wei.
func (p Plan) MaxCost() *big.Int {
	sum := new(big.Int)
	for _, t := range p.Transfers {
		sum.Add(sum, new(big.Int).Mul(new(big.Int).SetUint64(t.Gas), t.MaxFee))
	}
	return sum
}
