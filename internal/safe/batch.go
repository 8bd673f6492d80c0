package safe

import (
	"fmt"
	"math/big"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/rail"
)

// Batch makes one Safe transaction of a payment's calls, as protocol-kit makes
// it: one call stays as it is, several go to MultiSendCallOnly of the Safe's
// version; nothing pays for gas, and nonce is what the caller says, usually
// a.Nonce. Errors: official.ErrAmount, ErrBatch, ErrMultiSend.
func (a *Account) Batch(calls []rail.Call, nonce uint64) (Tx, error) {
	items, err := a.items(calls)
	if err != nil {
		return Tx{}, err
	}
	tx := Tx{Value: new(big.Int), SafeTxGas: new(big.Int), BaseGas: new(big.Int), GasPrice: new(big.Int), Nonce: nonce}
	if len(items) == 1 {
		tx.To, tx.Value, tx.Data = items[0].To, items[0].Value, items[0].Data
		return tx, nil
	}
	if a.MultiSend.IsZero() {
		return Tx{}, fmt.Errorf("chain %d, version %s: %w", a.Chain, a.Version, ErrMultiSend)
	}
	tx.To, tx.Operation = a.MultiSend, OpDelegateCall
	tx.Data, err = EncodeMultiSend(items)
	return tx, err
}

// items refuses what no payment's call can be: one that gives the Safe an order
// about itself.
func (a *Account) items(calls []rail.Call) ([]Item, error) {
	items := make([]Item, len(calls))
	for i, c := range calls {
		if c.To == a.Address {
			return nil, fmt.Errorf("call %d goes to the Safe itself: %w", i, ErrBatch)
		}
		items[i] = Item{To: c.To, Value: orZero(c.Value), Data: slices.Clone(c.Data)}
	}
	_, err := EncodeMultiSend(items) // the same bounds for one call as for several
	return items, err
}

func orZero(v *big.Int) *big.Int {
	if v == nil {
		return new(big.Int)
	}
	return v
}

// Proposal is a Safe transaction that somebody says pays something.
type Proposal struct {
	Chain asset.ChainID // where the calls must be made: the caller's word, like Safe
	Safe  asset.Address
	Hash  official.Hash // what was announced
	Tx    Tx
}
