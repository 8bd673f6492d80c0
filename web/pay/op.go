package pay

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/templates"
)

// opNews is what a page tells of a user operation. Members that are not known, or
// not this browser's to know, are empty.
type opNews struct {
	Hash        string          `json:"hash"`
	Account     string          `json:"account"` // the smart account
	Owner       string          `json:"owner"`   // the wallet whose it is
	Chain       string          `json:"chain"`   // where it is carried out, for people
	ChainID     asset.ChainID   `json:"chainId"`
	Stage       payment.OpStage `json:"stage"`
	Until       string          `json:"until"` // RFC 3339: then its permit runs out; "" without one
	TxHash      string          `json:"txHash"`
	ExplorerURL string          `json:"explorerUrl"`
	Why         string          `json:"why"` // what contracts said when it failed
	Own         bool            `json:"own"` // this browser sent it

	until  time.Time // as a template has it
	locked bool
}

// opOf is the user operation that a page should tell of, nil for none: the one that
// keeps an open payment from being paid, to everybody, because everybody has to
// know why; else what this browser sent, if nothing has come since; and what a
// payment was made by.
func (p *hosted) opOf(pm *payment.Payment, announced string) *opNews {
	switch pm.Standing.State {
	case payment.Open:
		if a, ok := pm.OpLock(p.Now()); ok {
			n := p.opNews(pm, a, announced)
			n.locked = true
			return n
		}
		for _, a := range slices.Backward(pm.Attempts) {
			if a.Op != nil && a.Handle == announced && !paidSince(pm, a.At) && !bridging(pm, a) {
				return p.opNews(pm, a, announced)
			}
		}
	case payment.Seen, payment.Paid:
		if a, ok := carriedOut(pm); ok {
			return p.opNews(pm, a, announced)
		}
	case payment.Expired, payment.Canceled, payment.Failed:
	}
	return nil
}

// bridging reports whether an operation has sent money over a bridge, which has a
// story of its own.
func bridging(pm *payment.Payment, a payment.Attempt) bool {
	return a.Op.ExecutedBy != "" && slices.ContainsFunc(pm.Attempts, func(b payment.Attempt) bool { return b.Route != nil && b.Handle == a.Op.ExecutedBy })
}

// carriedOut is the user operation that a payment was made by. Its money is there:
// it was executed, whether its own event was found by now or not.
func carriedOut(pm *payment.Payment) (payment.Attempt, bool) {
	x, ok := telling(pm)
	if !ok {
		return payment.Attempt{}, false
	}
	tx := cmp.Or(x.Evidence.Source.Tx, x.Evidence.Tx)
	i := slices.IndexFunc(pm.Attempts, func(a payment.Attempt) bool {
		return a.Op != nil && a.Stage != payment.Abandoned && (strings.EqualFold(a.Op.ExecutedBy, tx) || strings.EqualFold(a.Payer, x.Evidence.Payer))
	})
	if i < 0 {
		return payment.Attempt{}, false
	}
	a, op := pm.Attempts[i], *pm.Attempts[i].Op
	a.Stage, op.ExecutedBy = payment.Executed, tx
	a.Op = &op
	return a, true
}

func (p *hosted) opNews(pm *payment.Payment, a payment.Attempt, announced string) *opNews {
	chain, _ := p.Checkout.Book().Chain(a.Chain)
	n := &opNews{Chain: chain.Name, ChainID: a.Chain, Stage: a.OpStage(), Until: rfc3339(a.Until), Own: announced != "" && a.Handle == announced, until: a.Until}
	// What it and its account have done names the payee, which not every page may.
	if !n.Own && pm.Terms.Access.HidePayee {
		return n
	}
	n.Hash, n.Account, n.Owner, n.Why = a.Handle, a.Payer, a.Op.Owner, sayable(a.Op.Why)
	if n.TxHash = a.Op.ExecutedBy; n.TxHash != "" {
		n.ExplorerURL = chain.TxURL(n.TxHash)
	}
	return n
}

// view puts it into the words of a page's template.
func (n *opNews) view(payments, chain asset.Chain) templates.Op {
	v := templates.Op{
		Stage: string(n.Stage), Own: n.Own, Locked: n.locked, Account: n.Account, Hash: n.Hash, TxURL: n.ExplorerURL,
		Gas: "0 " + chain.Native.Symbol, Until: templates.At(n.until), Why: n.Why,
	}
	if payments.ID != chain.ID {
		v.Chain = chain.Name
	}
	if a, err := asset.ParseAddress(n.Account); err == nil {
		v.URL = chain.AddressURL(a)
	}
	return v
}

// noGas is what a payer without gas gave for it.
func noGas(chain asset.Chain) string { return "0 " + chain.Native.Symbol + ", paid by a sponsor" }

// op adds to a page what it should tell of a user operation, and reports whether
// that is all: while one can be carried out there is nothing to pay, and nothing to
// wait for but that.
func (p *hosted) op(v *templates.PayPage, pm *payment.Payment, chain asset.Chain, announced string) bool {
	n := p.opOf(pm, announced)
	if n == nil {
		return false
	}
	where, _ := p.Checkout.Book().Chain(n.ChainID)
	if pm.Standing.State != payment.Open {
		v.PaidGas = noGas(where)
		return false
	}
	v.Op = n.view(chain, where)
	if n.locked {
		v.State, v.Data.State, v.Data.Payable = templates.StateSeen, templates.StateSeen, false
	}
	return n.locked
}
