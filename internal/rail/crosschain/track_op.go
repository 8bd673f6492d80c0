package crosschain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/internal/userop"
)

// operation is a user operation in a bundle that takes its owner's money and does
// something with it.
type operation struct {
	account userop.Account
	token   asset.Address // what is taken
	calls   []rail.Call   // behind the transfer
	hash    official.Hash
}

// operations are those of a bundle that may have paid: if user_op attempts of the
// payment name some of them only those, and those that succeeded first.
func operations(p *payment.Payment, a payment.Attempt, tx *chain.Transaction, receipt *chain.Receipt) []*deed {
	if tx.To != userop.EntryPoint {
		return nil
	}
	bundle, _, err := userop.DecodeHandleOps(tx.Data)
	if err != nil {
		return nil
	}
	var all, named []*operation
	for _, packed := range bundle {
		o := readOperation(a.Chain, packed)
		if o == nil {
			continue
		}
		all = append(all, o)
		if slices.ContainsFunc(p.Attempts, func(k payment.Attempt) bool {
			return k.Kind == payment.KindUserOp && k.Op != nil && k.Chain == a.Chain && k.Handle == o.hash.String()
		}) {
			named = append(named, o)
		}
	}
	if len(named) > 0 {
		all = named
	}
	var first, rest []*deed
	for _, o := range all {
		if receipt != nil {
			if said, _ := o.said(receipt.Logs); said != nil && said.Success {
				first = append(first, o.deed())
				continue
			}
		}
		rest = append(rest, o.deed())
	}
	return append(first, rest...)
}

// readOperation reads an operation of an account that takes its owner's money, nil
// if it is none: after a permit, if there is one, a transfer from the owner whose
// account the sender is, and then at least one call.
func readOperation(id asset.ChainID, packed userop.Packed) *operation {
	hash, err := packed.Hash(id)
	if err != nil {
		return nil
	}
	for _, kind := range userop.At(id).Kinds(id) {
		calls, err := kind.Decode(packed.CallData)
		if err != nil {
			continue
		}
		if _, permitted := userop.PermitOf(calls, calls[0].To); permitted && len(calls) > 1 && calls[0].To == calls[1].To && calls[0].Value.Sign() == 0 {
			calls = calls[1:]
		}
		pull, err := official.DecodePull(calls[0].Data)
		if err != nil || len(calls) == 1 || calls[0].Value.Sign() != 0 || pull.Account != packed.Sender {
			continue
		}
		account := kind.Account(id, pull.Owner)
		if account.Address == packed.Sender {
			return &operation{account: account, token: calls[0].To, calls: calls[1:], hash: hash}
		}
	}
	return nil
}

func (o *operation) deed() *deed {
	return &deed{account: o.account.Address, calls: o.calls, token: o.token, became: o.became}
}

// became implements deed. An account runs whatever its owner has it run, so it must
// be as it was made.
func (o *operation) became(ctx context.Context, node chain.Batcher, receipt *chain.Receipt) (end, []chain.Log, error) {
	said, logs := o.said(receipt.Logs)
	switch {
	case said == nil:
		return untold, nil, nil
	case !said.Success:
		return failed, nil, nil
	}
	state, err := userop.Read(ctx, node, o.account, o.token)
	switch {
	case errors.Is(err, userop.ErrMissing), errors.Is(err, userop.ErrChanged):
		return untold, nil, nil
	case err != nil:
		return untold, nil, fmt.Errorf("read the smart account: %w", err)
	case !state.Deployed: // another node, which does not know the block yet
		return untold, nil, errMoved
	}
	return succeeded, logs, nil
}

// said is the EntryPoint's word on the operation, nil if there is none, and what was
// logged while it was executed.
func (o *operation) said(logs []chain.Log) (*userop.Outcome, []chain.Log) {
	x, during := userop.Execution(logs, o.hash)
	if x == nil || x.Sender != o.account.Address {
		return nil, nil
	}
	return x, during
}
