package secpaid

import (
	"encoding/json"
	"fmt"
	"slices"

	"quittance/internal/money"
	"quittance/internal/payment"
)

// kept is what a link's payment keeps in Terms.Metadata, as JSON: all that was ordered and
// that no other member of a payment holds. What is left out is zero, and so is what later
// versions add in links of earlier ones; keys and tokens are never in it.
type kept struct {
	Note      string     `json:"note,omitempty"`
	Callbacks []string   `json:"callbacks,omitempty"` // the redirect first
	Endpoints []string   `json:"endpoints,omitempty"` // where webhooks go
	Statement string     `json:"statement,omitempty"`
	Transfer  bool       `json:"transfer,omitempty"` // what was told of bank transfers
	QR        bool       `json:"qr,omitempty"`
	Split     *keptSplit `json:"split,omitempty"`
}

// keptSplit is how a link is shared. The payment's requests are the recipients' in their
// order, and the owner's behind them if anything is left.
type keptSplit struct {
	Type       string      `json:"type"`
	Recipients []keptShare `json:"recipients"`
}

type keptShare struct {
	User  string      `json:"user"` // the recipient's user_id
	Share json.Number `json:"share"`
}

// keep writes what a link's payment keeps. shares are those that divide made of the order.
func (o order) keep(shares []share) (string, error) {
	k := kept{Note: o.Note, Callbacks: o.Callbacks, Endpoints: o.Endpoints, Statement: o.Statement, Transfer: o.Transfer, QR: o.QR}
	if o.Split != nil {
		k.Split = &keptSplit{Type: o.Split.Type, Recipients: []keptShare{}}
		for i, r := range o.Split.Recipients {
			k.Split.Recipients = append(k.Split.Recipients, keptShare{userID(shares[i].Merchant), r.Share})
		}
	}
	b, err := encode(k)
	return string(b), err
}

// linkOf is the link that a payment of this dialect is, without the account's settings and
// without its key. Its status is the standing's.
func linkOf(p *payment.Payment) (link, error) {
	t := p.Terms
	id, ok := parseLink(t.Alias)
	if !ok {
		return link{}, fmt.Errorf("read link %s: %q is no id", p.ID.Short(), t.Alias)
	}
	var k kept
	if err := json.Unmarshal([]byte(t.Metadata), &k); err != nil {
		return link{}, fmt.Errorf("read link %s: %w", p.ID.Short(), err)
	}
	l := link{
		ID: id, Owner: account{Merchant: t.Merchant}, CreatedAt: t.CreatedAt, PaidAt: p.Standing.SettledAt,
		Status: linkStatus(p.Standing.State, t.CanceledBy == payment.ByDeletion, false),
		Order: order{
			Note: k.Note, Redirect: t.RedirectURL, Callbacks: k.Callbacks, Endpoints: k.Endpoints, Cancellable: t.PayerCancels,
			Transfer: k.Transfer, Statement: k.Statement, QR: k.QR,
		},
	}
	for _, r := range t.Requests {
		l.Order.Cents += money.WholeCents(r.Due).Int64()
	}
	if k.Split == nil {
		return l, nil
	}
	l.Order.Split = &split{Type: k.Split.Type}
	for _, r := range k.Split.Recipients {
		l.Users = append(l.Users, r.User)
		l.Order.Split.Recipients = append(l.Order.Split.Recipients, recipient{Token: r.User, Share: r.Share})
	}
	var err error
	if l.Recipients, err = l.Order.Split.listed(); err != nil {
		return link{}, fmt.Errorf("read link %s: %w", p.ID.Short(), err)
	}
	return l, nil
}

// whose is the user_id of who gets one of the payment's requests.
func (l link) whose(request int) string {
	if request >= 0 && request < len(l.Users) {
		return l.Users[request]
	}
	return userID(l.Owner.Merchant)
}

// further are the callback URLs beside the one that the payer's browser goes to.
func (l link) further() []string {
	return slices.Clone(l.Order.Callbacks[min(1, len(l.Order.Callbacks)):])
}
