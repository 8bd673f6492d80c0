package evmref

import (
	"fmt"
	"sync"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// debt is what a payment still needs, as this rail would pay it.
type debt struct {
	chain   asset.ChainID
	option  string
	order   official.Order
	needs   []need          // in the order of the requests
	kinds   []official.Kind // contracts whose code counts
	tokens  map[asset.Address]asset.Token
	settled bool // nothing is missing; the order is then the whole payment
}

// need is what the payer gives of one asset.
type need struct {
	token asset.Token
	official.Need
}

// debt reads what is missing of the payment's requests. ok is false if the
// payment does not fit this rail: an asset without an official contract, assets
// of several chains, or fees to several payees, for which the batch contract has
// no room.
func (r *Rail) debt(p *payment.Payment) (d debt, ok bool, err error) {
	count := len(p.Terms.Requests)
	if count == 0 || count > official.MaxBatch || len(p.Standing.Requests) != count || !r.fits(p, &d) {
		return debt{}, false, nil
	}
	whole, missing := make([]official.Expectation, 0, count), make([]official.Expectation, 0, count)
	for i, q := range p.Terms.Requests {
		token, _ := r.book.Token(q.Asset) // fits made sure of it
		e := official.Expectation{Chain: d.chain, Token: token.Address, Payee: q.Payee, Amount: q.Due, Fee: q.FeeAmount()}
		if e.Reference, err = official.ParseReference(q.Reference); err != nil {
			return debt{}, false, fmt.Errorf("request %s: %w", q.ID, err)
		}
		if e.Fee.Sign() > 0 {
			e.FeePayee = q.FeePayee()
		}
		whole = append(whole, e)
		if e.Amount, e.Fee = p.Outstanding(i); e.Fee.Sign() == 0 {
			e.FeePayee = asset.Address{}
		}
		if e.Amount.Sign() > 0 {
			missing = append(missing, e)
		}
	}
	if d.settled = len(missing) == 0; d.settled {
		missing = whole
	}
	order := official.Order(missing[0])
	if len(missing) > 1 {
		order = official.Batch{Chain: d.chain, Requests: missing, Terms: r.terms.of(d.chain, r.registry.BatchTerms(d.chain))}
	}
	return r.with(d, order)
}

// fits finds the payment's chain, option and tokens.
func (r *Rail) fits(p *payment.Payment, d *debt) bool {
	d.tokens = map[asset.Address]asset.Token{}
	var feePayee asset.Address
	for _, q := range p.Terms.Requests {
		token, ok := r.book.Token(q.Asset)
		if !ok || q.Fiat() || (d.chain != 0 && token.Chain != d.chain) {
			return false
		}
		if _, ok := r.registry.Proxy(token.Chain, token.Address); !ok {
			return false
		}
		d.chain, d.tokens[token.Address] = token.Chain, token
		d.option = fmt.Sprintf("%s:%s:%s", ID, token.Network, token.ID)
		if q.FeeAmount().Sign() > 0 {
			if !feePayee.IsZero() && feePayee != q.FeePayee() {
				return false
			}
			feePayee = q.FeePayee()
		}
		if len(p.Terms.Requests) > 1 {
			d.option = fmt.Sprintf("%s:%s:batch", ID, token.Network)
		}
	}
	return true
}

// fits is nil if a payer can pay a debt: anybody, but for smart accounts with their
// owners' money. Such an account takes one amount of one token, exactly what then
// leaves it, because nobody would see what stayed there.
func (d debt) fits(payer rail.Payer) error {
	if payer.Owner.IsZero() {
		return nil
	}
	for _, n := range d.needs {
		if n.token.Native {
			return fault.Field("eoaWallet", "gasless_native", "Native currency cannot be paid without gas.")
		}
	}
	switch n := d.needs[0]; {
	case len(d.needs) > 1:
		return fault.Field("eoaWallet", "gasless_assets", "Several tokens at once cannot be paid without gas.")
	case n.Hold.Cmp(n.Take) != 0:
		return fault.Field("eoaWallet", "gasless_rest", "This payment cannot be made without gas, because its contract asks for more than it takes.")
	}
	return nil
}

// with is the debt with its order and all that follows from it. ok is false if
// the chain lacks one of the contracts.
func (r *Rail) with(d debt, order official.Order) (_ debt, ok bool, err error) {
	d.order, d.needs, d.kinds = order, nil, nil
	for _, n := range order.Needs() {
		d.needs = append(d.needs, need{d.tokens[n.Token], n})
	}
	for _, k := range order.Kinds() {
		if _, ok := r.registry.Contract(d.chain, k); !ok {
			return debt{}, false, nil
		}
		d.kinds = append(d.kinds, k)
	}
	return d, true, nil
}

// terms remembers what the batch contracts said last, so that they are offered
// at what they charge and one round trip suffices.
type terms struct {
	mu   sync.Mutex
	said map[asset.ChainID]official.BatchTerms
}

func (t *terms) of(chain asset.ChainID, otherwise official.BatchTerms) official.BatchTerms {
	t.mu.Lock()
	defer t.mu.Unlock()
	if said, ok := t.said[chain]; ok {
		return said
	}
	return otherwise
}

func (t *terms) remember(chain asset.ChainID, said official.BatchTerms) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.said[chain] = said
}
