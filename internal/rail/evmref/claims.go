package evmref

import (
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Claims implements rail.Claimer: the last call pays one of the payment's
// requests or several, each to its own payee, by its own reference and in its own
// asset, with fees to their payees. Before it stand at most the approvals of
// exactly what it takes, for the contract it calls. Amounts and fees may be any,
// because what was missing when the calls were made is not known; approvals may
// be missing, because the account may have given them before.
func (r *Rail) Claims(p *payment.Payment, id asset.ChainID, _ rail.Payer, calls []rail.Call, _ time.Time) (rail.Claim, bool) {
	if len(calls) == 0 || len(calls) > 2*len(p.Terms.Requests)+1 {
		return rail.Claim{}, false
	}
	steps := official.Named(calls)
	order, ok := r.orderOf(p, id, steps)
	if !ok {
		return rail.Claim{}, false
	}
	if _, refused := rail.Failed(r.registry.Verify(order, steps)); refused {
		return rail.Claim{}, false
	}
	needs := order.Needs()
	token, ok := r.book.TokenAt(id, needs[0].Token)
	return rail.Claim{Type: rail.SameChain, Cost: rail.Cost{Asset: token.ID, Amount: needs[0].Take}}, ok
}

// orderOf reads from calls what they pay of a payment. It proves nothing: Verify
// compares.
func (r *Rail) orderOf(p *payment.Payment, id asset.ChainID, steps []rail.Call) (official.Order, bool) {
	last := steps[len(steps)-1]
	target, known := r.registry.At(id, last.To)
	if !known || last.Value == nil {
		return nil, false
	}
	switch target.Kind {
	case official.ERC20FeeProxy:
		said, err := official.DecodeERC20Payment(last.Data)
		if err != nil || said.Token.IsZero() {
			return nil, false
		}
		return r.expected(p, id, official.BatchItem{Token: said.Token, Reference: said.Reference, Amount: said.Amount, Fee: said.Fee})
	case official.EthereumFeeProxy:
		said, err := official.DecodeEthPayment(last.Data)
		if err != nil {
			return nil, false
		}
		return r.expected(p, id, official.BatchItem{Reference: said.Reference, Amount: new(big.Int).Sub(last.Value, said.Fee), Fee: said.Fee})
	case official.BatchPayments:
		return r.batchOf(p, id, steps)
	case official.Multicall3:
	}
	return nil, false
}

// expected is the request that an item names, with the item's amounts.
func (r *Rail) expected(p *payment.Payment, id asset.ChainID, said official.BatchItem) (e official.Expectation, ok bool) {
	for _, q := range p.Terms.Requests {
		token, known := r.book.Token(q.Asset)
		if !known || token.Chain != id || token.Address != said.Token || q.Reference != said.Reference.String() {
			continue
		}
		e = official.Expectation{
			Chain: id, Token: token.Address, Payee: q.Payee, Amount: said.Amount, Reference: said.Reference, Fee: said.Fee,
		}
		if said.Fee.Sign() > 0 {
			e.FeePayee = q.FeePayee()
		}
		return e, true
	}
	return e, false
}

// batchOf reads a call of the batch contract as requests in the payment's order.
func (r *Rail) batchOf(p *payment.Payment, id asset.ChainID, steps []rail.Call) (b official.Batch, ok bool) {
	said, err := official.DecodeBatchPayment(steps[len(steps)-1].Data)
	if err != nil {
		return b, false
	}
	b.Chain = id
	for _, q := range p.Terms.Requests {
		i := slices.IndexFunc(said.Items, func(i official.BatchItem) bool { return i.Reference.String() == q.Reference })
		if i < 0 {
			continue
		}
		e, ok := r.expected(p, id, said.Items[i])
		if !ok {
			return b, false
		}
		b.Requests = append(b.Requests, e)
	}
	if len(b.Requests) != len(said.Items) {
		return b, false // something else is paid as well
	}
	for terms := range r.possibleTerms(id) {
		if b.Terms = terms; b.FeeAddress() == said.FeeAddress && takes(b, steps) {
			return b, true
		}
	}
	return b, false
}

// possibleTerms are those the batch contract may have had when calls were made:
// most likely what it said last, which is forgotten with a restart, or nothing,
// and else whatever it can be set to.
func (r *Rail) possibleTerms(id asset.ChainID) func(yield func(official.BatchTerms) bool) {
	return func(yield func(official.BatchTerms) bool) {
		free := r.registry.BatchTerms(id)
		if !yield(r.terms.of(id, free)) || !yield(free) {
			return
		}
		for free.Rate = 1; free.Rate <= official.MaxBatchRate; free.Rate++ {
			for free.USDLimit = range uint64(2) {
				if !yield(free) {
					return
				}
			}
		}
	}
}

// takes reports whether the approvals and the value of calls are those of a
// batch's needs.
func takes(b official.Batch, steps []rail.Call) bool {
	last, value := len(steps)-1, new(big.Int)
	for _, n := range b.Needs() {
		if n.Token.IsZero() {
			value = n.Take
			continue
		}
		for _, s := range steps[:last] {
			if a, err := official.DecodeApproval(s.Data); s.Kind == rail.Approve && s.To == n.Token && (err != nil || a.Amount.Cmp(n.Take) != 0) {
				return false
			}
		}
	}
	return steps[last].Value.Cmp(value) == 0
}
