package evmref

import (
	"fmt"
	"slices"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/official"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// What is due in a fiat currency to accounts of the payees' own is paid in any enabled asset
// of their chain that the official contracts move, at the quotes that are good now: by then
// it is a payment like others (payment.InAsset), and its calls are made and checked as
// theirs are.
//
// Wallets pay it themselves. A Safe's owners sign for hours and an operation waits for its
// permit, while a quote is good for minutes: what they send would be too little or too much
// by the price of then, and the payment be kept from being paid otherwise meanwhile. So
// neither is offered it, and Claims knows none of their calls.

func optionQuoted(of asset.Token) string {
	return fmt.Sprintf("%s:%s:%s:quoted", ID, of.Network, of.ID)
}

// quotable are the assets that such a payment can be paid in, all that is missing by one
// transaction; none for other payments.
func (r *Rail) quotable(p *payment.Payment) (out []asset.Token) {
	count := len(p.Terms.Requests)
	if !p.Terms.Quoted() || count > official.MaxBatch || len(p.Standing.Requests) != count {
		return nil
	}
	id := p.Terms.Requests[0].Chain
	for _, q := range p.Terms.Requests {
		if q.Chain != id || q.Payee.IsZero() || q.Fee != nil {
			return nil
		}
	}
	if _, several := r.registry.Contract(id, official.BatchPayments); r.nodes[id] == nil || left(p) > 1 && !several {
		return nil
	}
	for _, a := range r.assets {
		t, known := r.book.Token(a)
		if !known || t.Chain != id {
			continue
		}
		if _, official := r.registry.Proxy(id, t.Address); official {
			out = append(out, t)
		}
	}
	return out
}

// debtIn is what a payment still needs in an asset. ok is false if its quotes are over.
func (r *Rail) debtIn(p *payment.Payment, of asset.Token) (d debt, ok bool, err error) {
	in, ok := payment.InAsset(p, of.ID, r.now())
	if !ok {
		return debt{}, false, nil
	}
	d, ok, err = r.debt(in)
	d.option = optionQuoted(of)
	return d, ok, err
}

// unquotable is why a payer cannot pay at a quote, nil for wallets.
func unquotable(payer rail.Payer) *fault.Error {
	switch {
	case payer.Safe:
		return fault.Field("isSafe", "safe_unsupported", "This amount cannot be paid from a Safe, because its price does not last until all owners have signed.")
	case !payer.Owner.IsZero():
		return fault.Field("eoaWallet", "gasless_quoted", "This amount cannot be paid without gas, because its price may have ended before the payment is made.")
	}
	return nil
}

// offerQuoted returns an option for each asset. One without a good quote has no costs.
func (r *Rail) offerQuoted(p *payment.Payment, payer rail.Payer) ([]rail.Option, error) {
	if unquotable(payer) != nil {
		return nil, nil
	}
	var out []rail.Option
	for _, t := range r.quotable(p) {
		o := rail.Option{ID: optionQuoted(t), Rail: ID, Type: rail.SameChain, Chain: t.Chain, Asset: t.ID}
		d, ok, err := r.debtIn(p, t)
		if err != nil {
			return nil, err
		}
		if ok && !d.settled {
			o.Costs, o.Spender = d.costs(), r.spender(d)
		}
		out = append(out, o)
	}
	return out, nil
}

// guardQuoted proves the targets of all assets that have good quotes: what is refused of one
// is said of the payment. Without any quote there are no calls yet, and it is the contracts'
// code alone.
func (r *Rail) guardQuoted(p *payment.Payment) []rail.Check {
	tokens := r.quotable(p)
	if len(tokens) == 0 {
		return nil
	}
	var first []rail.Check
	for _, t := range tokens {
		d, ok, err := r.debtIn(p, t)
		if err == nil && !ok {
			continue
		}
		checks := r.guardDebt(d, err)
		if _, refused := rail.Failed(checks); refused {
			return checks
		}
		if first == nil {
			first = checks
		}
	}
	if first != nil {
		return first
	}
	var kinds []official.Kind
	if len(p.Terms.Requests) > 1 {
		kinds = append(kinds, official.BatchPayments)
	}
	for _, t := range tokens {
		if proxy, _ := r.registry.Proxy(t.Chain, t.Address); !slices.Contains(kinds, proxy.Kind) {
			kinds = append(kinds, proxy.Kind)
		}
	}
	return []rail.Check{r.codes.Check(tokens[0].Chain, kinds[0], kinds[1:]...)}
}

// chosenQuoted is the debt that an option pays at a quote.
func (r *Rail) chosenQuoted(p *payment.Payment, optionID string, payer rail.Payer) (debt, error) {
	tokens := r.quotable(p)
	i := slices.IndexFunc(tokens, func(t asset.Token) bool { return optionQuoted(t) == optionID })
	if i < 0 {
		return debt{}, noRoute()
	}
	if why := unquotable(payer); why != nil {
		return debt{}, why
	}
	if err := payable(p, left(p) == 0); err != nil {
		return debt{}, err
	}
	d, ok, err := r.debtIn(p, tokens[i])
	if err == nil && (!ok || d.settled) {
		err = fault.New(fault.Conflict, "quote_expired", "The price has expired. Please get a new one.").At("asset")
	}
	return d, err
}

// left is how many requests something is missing of.
func left(p *payment.Payment) (n int) {
	for i := range p.Terms.Requests {
		if missing, _ := p.Outstanding(i); missing.Sign() > 0 {
			n++
		}
	}
	return n
}
