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
	"quittance/internal/safe"
)

// execution is what a transaction has a Safe do.
type execution struct {
	account asset.Address
	calls   []rail.Call
	tx      safe.Tx       // Nonce is 0 while hash is zero
	hash    official.Hash // zero if the transaction does not tell
}

// ofSafe is what a transaction has a Safe do.
func (t *Tracker) ofSafe(id asset.ChainID, e *execution) *deed {
	return &deed{account: e.account, calls: e.calls, became: func(ctx context.Context, node chain.Batcher, receipt *chain.Receipt) (end, []chain.Log, error) {
		fate, err := t.executed(ctx, node, id, e, receipt)
		switch fate {
		case safe.Succeeded:
			return succeeded, receipt.Logs, err
		case safe.Failed:
			return failed, nil, err
		default:
			return untold, nil, err
		}
	}}
}

// execution reads what a transaction has a Safe do, nil if it has none do
// anything. A transaction that the payment knows as what executed a proven one
// may have done so inside of any other contract's call; one that only took a proven
// one's place is read by itself.
func (t *Tracker) execution(p *payment.Payment, a payment.Attempt, tx *chain.Transaction, receipt *chain.Receipt) *execution {
	if t.safes == nil {
		return nil
	}
	for _, known := range p.Attempts {
		if known.Kind != payment.KindSafeTx || known.Chain != a.Chain || known.Safe == nil || known.Safe.ExecutedBy != a.Handle || known.Safe.Tx == nil {
			continue
		}
		if e := t.known(known); e != nil && e.saidIn(receipt) {
			return e
		}
	}
	decoded, _, err := safe.DecodeExec(tx.Data)
	if err != nil {
		return nil
	}
	calls, ok := t.safes.Calls(a.Chain, decoded)
	if !ok {
		return nil
	}
	return &execution{account: tx.To, calls: calls, tx: decoded}
}

// saidIn reports whether a receipt has the Safe's own event of the transaction, as
// far as there is one to tell.
func (e *execution) saidIn(receipt *chain.Receipt) bool {
	return receipt == nil || slices.ContainsFunc(safe.Executions(e.account, receipt.Logs), func(x safe.Execution) bool { return x.Hash == e.hash })
}

// known is the transaction of a safe_tx attempt, nil unless its hash is what the
// attempt is about.
func (t *Tracker) known(a payment.Attempt) *execution {
	account, err := asset.ParseAddress(a.Payer)
	if err != nil {
		return nil
	}
	tx, err := safe.ParseTx(a.Safe.Tx)
	if err != nil {
		return nil
	}
	hash, err := tx.Hash(a.Chain, account)
	if err != nil || hash.String() != a.Handle {
		return nil
	}
	calls, ok := t.safes.Calls(a.Chain, tx)
	if !ok {
		return nil
	}
	return &execution{account: account, calls: calls, tx: tx, hash: hash}
}

// nonces is how many transactions a Safe may have executed since one whose nonce
// is not known.
const nonces = 256

// executed tells what the Safe's own events in a receipt say of a transaction;
// Untold if they say nothing, or if no Safe stands there.
func (t *Tracker) executed(ctx context.Context, node chain.Batcher, id asset.ChainID, e *execution, receipt *chain.Receipt) (safe.Fate, error) {
	said := safe.Executions(e.account, receipt.Logs)
	if len(said) == 0 {
		return safe.Untold, nil
	}
	account, err := t.safes.Read(ctx, node, id, e.account)
	switch {
	case errors.Is(err, safe.ErrNoContract), errors.Is(err, safe.ErrNotSafe), errors.Is(err, safe.ErrVersion):
		return safe.Untold, nil
	case err != nil:
		return "", fmt.Errorf("read the Safe: %w", err)
	}
	own, err := e.hashes(id, account.Nonce)
	if err != nil {
		return "", err
	}
	for _, event := range said {
		switch {
		case !own[event.Hash]:
		case event.Success:
			return safe.Succeeded, nil
		default:
			return safe.Failed, nil
		}
	}
	return safe.Untold, nil
}

// hashes are those that the transaction can have: its own, or those with the
// nonces that were used before next.
func (e *execution) hashes(id asset.ChainID, next uint64) (map[official.Hash]bool, error) {
	if !e.hash.IsZero() {
		return map[official.Hash]bool{e.hash: true}, nil
	}
	hashes, err := e.tx.PastHashes(id, e.account, next, nonces)
	if err != nil {
		return nil, fmt.Errorf("hash a Safe transaction: %w", err)
	}
	return hashes, nil
}
