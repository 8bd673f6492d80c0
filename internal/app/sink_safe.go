package app

import (
	"context"
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/official"
	"quittance/internal/rail"
	"quittance/internal/safe"
)

// safePayers returns the transactions by which Safes paid native currency, by
// their hash. Whoever sends such a transaction pays its gas and nothing else. Only
// those that look like one are read.
func (s *sink) safePayers(ctx context.Context, xs []rail.Sighting, at map[string][]int, receipts []*chain.Receipt) (map[string]*chain.Transaction, error) {
	if s.safes == nil {
		return nil, nil
	}
	var calls []chain.Call
	for _, r := range receipts {
		native := slices.ContainsFunc(at[r.Tx], func(i int) bool { return xs[i].Token.IsZero() })
		if native && slices.ContainsFunc(safe.Executions(r.To, r.Logs), func(e safe.Execution) bool { return e.Success }) {
			calls = append(calls, chain.TransactionCall(r.Tx))
		}
	}
	if len(calls) == 0 {
		return nil, nil
	}
	results, err := s.node.Batch(ctx, calls)
	if err != nil {
		return nil, fmt.Errorf("read transactions of Safes: %w", err)
	}
	out := map[string]*chain.Transaction{}
	for _, r := range results {
		if t, err := r.Transaction(); err == nil && t != nil {
			out[t.Hash] = t
		}
	}
	return out, nil
}

// bySafe reports whether the account that a transaction calls made a payment as a
// Safe: its owners' transaction holds the very call, to the contract that says it
// was paid, and the account says that it succeeded. Code that lies about this can
// only name itself, because it was called by name.
func (s *sink) bySafe(x rail.Sighting, t *chain.Transaction, r *chain.Receipt) bool {
	if t == nil || t.Hash != r.Tx || t.To != r.To {
		return false
	}
	exec, _, err := safe.DecodeExec(t.Data)
	if err != nil {
		return false
	}
	calls, ok := s.safes.Calls(x.Chain, exec)
	return ok && slices.ContainsFunc(calls, func(c rail.Call) bool { return s.pays(x, c) })
}

// pays reports whether a call is the one that a sighting of native currency is of.
func (s *sink) pays(x rail.Sighting, c rail.Call) bool {
	if c.To == x.Contract {
		p, err := official.DecodeEthPayment(c.Data)
		return err == nil && p.Payee == x.To && p.Reference.Topic().String() == x.Handle
	}
	if k, known := s.registry.At(x.Chain, c.To); !known || k.Kind != official.BatchPayments {
		return false
	}
	p, err := official.DecodeBatchPayment(c.Data)
	return err == nil && slices.ContainsFunc(p.Items, func(i official.BatchItem) bool {
		return i.Token == (asset.Address{}) && i.Payee == x.To && i.Amount.Cmp(x.Amount) == 0 && i.Reference.Topic().String() == x.Handle
	})
}
