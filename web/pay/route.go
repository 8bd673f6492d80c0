package pay

import (
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/templates"
)

// route is what a page tells of a transfer over a bridge. Members that are not
// known are empty.
type route struct {
	Progress    payment.Progress `json:"progress"`
	Chain       string           `json:"chain"` // where it was sent from, for people
	ChainID     asset.ChainID    `json:"chainId"`
	Symbol      string           `json:"symbol"`
	Amount      string           `json:"amount"` // that left the payer, in whole units
	TxHash      string           `json:"txHash"`
	ExplorerURL string           `json:"explorerUrl"`
	Tool        string           `json:"tool"`
	SentAt      string           `json:"sentAt"`
	Left        bool             `json:"left"`    // its chain showed that the money left the payer
	Seconds     int              `json:"seconds"` // that it should take in all
	// EndTx brought the money, or gave it back.
	EndTx  string `json:"endTx"`
	EndURL string `json:"endUrl"`
	// EndChain is where EndTx is, for people.
	EndChain string `json:"endChain"`
}

// ended are the ways a transfer over a bridge can end without paying.
var ended = []payment.Progress{payment.Refunded, payment.Recovered, payment.Broken, payment.Unknown}

// settled is the progress of a transfer that has paid: the page says what was
// given for it.
const settled payment.Progress = "settled"

// routeOf is the transfer over a bridge that a page should tell of, nil for none:
// the one that has paid; while the payment is open, the proven one that holds the payment or, of what this browser announced, what
// is not proven yet or holds nothing; else the last that ended without paying,
// if nothing has come since. What is not proven is told to the browser that
// announced it only: anybody can announce anything.
func (p *hosted) routeOf(pm *payment.Payment, announced string) *route {
	if pm.Standing.State != payment.Open {
		return p.settledBy(pm, announced)
	}
	if a, ok := pm.UnderWay(p.Now()); ok && a.Route != nil {
		return p.route(pm, a, announced)
	}
	for _, a := range slices.Backward(pm.Attempts) {
		own := sentFrom(pm, a.Handle, announced)
		if a.Route == nil || (a.Route.ID == "" && !own) {
			continue
		}
		waiting := own && (a.Stage == payment.Announced || a.Stage == payment.Proven)
		over := a.Stage == payment.Abandoned && slices.Contains(ended, a.Route.Progress)
		if (waiting || over) && !paidSince(pm, a.At) {
			return p.route(pm, a, announced)
		}
	}
	return nil
}

// settledBy is what was given for a payment that a bridge has made; nil if none
// did, or if nobody told us where the money came from.
func (p *hosted) settledBy(pm *payment.Payment, announced string) *route {
	x, ok := telling(pm)
	from := x.Evidence.Source
	token, known := p.Checkout.Book().Token(from.Asset)
	if !ok || !known || from.Amount == nil {
		return nil
	}
	r := &route{
		Progress: settled, Chain: p.chainName(from.Chain), ChainID: from.Chain, Symbol: token.Symbol,
		Amount: money.Display(from.Amount, token.Decimals), Left: true,
	}
	// The transaction names the payee, which not every page may.
	if !pm.Terms.Access.HidePayee || sentFrom(pm, from.Tx, announced) {
		chain, _ := p.Checkout.Book().Chain(from.Chain)
		r.TxHash, r.ExplorerURL = from.Tx, chain.TxURL(from.Tx)
	}
	return r
}

// sentFrom reports whether a transaction is what this browser has announced, or
// what a Safe executed of that.
func sentFrom(pm *payment.Payment, tx, announced string) bool {
	return announced != "" && (tx == announced || slices.ContainsFunc(pm.Attempts, func(a payment.Attempt) bool {
		return a.Safe != nil && a.Handle == announced && a.Safe.ExecutedBy == tx && a.Stage != payment.Abandoned
	}))
}

// paidSince reports whether money has come for a payment after a moment.
func paidSince(pm *payment.Payment, at time.Time) bool {
	return slices.ContainsFunc(pm.Transfers, func(x payment.Transfer) bool { return x.Stage != payment.Dropped && x.At.After(at) })
}

func (p *hosted) route(pm *payment.Payment, a payment.Attempt, announced string) *route {
	r := &route{Progress: a.Route.Progress, Chain: p.chainName(a.Chain), ChainID: a.Chain, Tool: a.Route.Tool, Seconds: int(a.Route.Expect.Seconds())}
	if token, ok := p.Checkout.Book().Token(a.Route.From); ok {
		r.Symbol = token.Symbol
		if a.Route.Amount != nil {
			r.Amount = money.Display(a.Route.Amount, token.Decimals)
		}
	}
	if sent := a.Route.SentAt; !sent.IsZero() {
		r.SentAt, r.Left = sent.UTC().Format(time.RFC3339), true
	} else {
		r.SentAt = a.At.UTC().Format(time.RFC3339)
	}
	// The transaction names the payee, which not every page may.
	if pm.Terms.Access.HidePayee && !sentFrom(pm, a.Handle, announced) {
		return r
	}
	book := p.Checkout.Book()
	from, _ := book.Chain(a.Chain)
	r.TxHash, r.ExplorerURL = a.Handle, from.TxURL(a.Handle)
	if a.Route.Tx != "" {
		end := from
		if a.Route.Progress != payment.Refunded {
			end, _ = book.Chain(a.Route.To)
		}
		r.EndTx, r.EndURL, r.EndChain = a.Route.Tx, end.TxURL(a.Route.Tx), end.Name
	}
	return r
}

// underWay shows a payment whose money is on its way over a bridge: there is
// nothing to pay and nothing to wait for but the bridge.
func (p *hosted) underWay(v *templates.PayPage, pm *payment.Payment, a payment.Attempt) {
	v.State, v.Data.State, v.Data.Payable = templates.StateSeen, templates.StateSeen, false
	r := p.route(pm, a, "")
	v.Route = templates.Route{Chain: r.Chain, TxURL: r.ExplorerURL}
	if r.Seconds > 0 {
		v.Route.Expect = templates.About(r.Seconds)
	}
	v.Data.Ways, v.Data.Route = p.Assets.Ways, p.Assets.Route
}
