package pay

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
	"quittance/templates"
	"quittance/web"
)

// propose takes the payer's word that a Safe transaction was proposed. Said again,
// it adds what was not known before.
func (p *hosted) propose(c echo.Context, pm *payment.Payment, in intentBody, payer rail.Payer) error {
	told, err := in.safe(payer, p.Now())
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	a, err := p.Checkout.CheckSafe(ctx, pm, told)
	if err == nil {
		a, err = p.Checkout.AnnounceSafe(ctx, pm.ID, a)
	}
	if fault.Is(err, fault.Limited) {
		return errors.Join(err, p.Sessions.Announce(c.Response(), c.Request(), string(pm.ID), strings.ToLower(told.Hash)))
	}
	if err != nil {
		return ownField(err)
	}
	return p.announced(c, pm, a)
}

// ownFields are this page's names for what the checkout names as the API does.
var ownFields = map[string]string{"payerAddress": "wallet", "safePaymentDeadline": "deadline"}

func ownField(err error) error {
	f := fault.From(err)
	if name, ok := ownFields[f.Field]; ok {
		return f.At(name)
	}
	return err
}

// announced remembers what this browser has announced, and says that it is
// followed. A hash that a wallet gave out as a transaction's may be a Safe's.
func (p *hosted) announced(c echo.Context, pm *payment.Payment, a payment.Attempt) error {
	if err := p.Sessions.Announce(c.Response(), c.Request(), string(pm.ID), a.Handle); err != nil {
		return err
	}
	name := "txHash"
	if a.Safe != nil {
		name = "safeTxHash"
	}
	return c.JSON(http.StatusOK, map[string]any{name: a.Handle, "isListening": true})
}

// safe checks what a body tells of a Safe transaction, by itself.
func (in intentBody) safe(payer rail.Payer, now time.Time) (checkout.SafeIntent, error) {
	out := checkout.SafeIntent{Chain: in.Chain, Hash: in.SafeTxHash, Safe: payer.Wallet}
	if len(in.SafeTx) > 0 && in.SafeTx.Kind() != 'n' {
		out.Tx = in.SafeTx
	}
	var err error
	if out.Deadline, err = web.SafeDeadline("deadline", in.Deadline, now); err != nil {
		return out, err
	}
	out.Signatures, err = web.SafeSignatures("signatures", in.Signatures)
	return out, err
}

// safeNews is what a page tells of a Safe transaction. Members that are not known,
// or not this browser's to know, are empty.
type safeNews struct {
	Hash    string        `json:"hash"`
	Address string        `json:"address"`
	Chain   string        `json:"chain"` // where the Safe signs, for people
	ChainID asset.ChainID `json:"chainId"`
	Stage   string        `json:"stage"` // the words of templates
	// Proven tells that it is more than a stranger's word: the transaction pays this,
	// an owner has signed it, or the merchant's own side has announced it.
	Proven    bool     `json:"proven"`
	Owners    []string `json:"owners"`
	Threshold uint64   `json:"threshold"`
	Signed    *int     `json:"signed"` // how many signatures were seen, null if nobody tells
	Signers   []string `json:"signers"`
	Nonce     *uint64  `json:"nonce"`
	Ahead     *uint64  `json:"ahead"`    // transactions that come before it
	Deadline  string   `json:"deadline"` // RFC 3339: after that it pays nothing
	// Until is how long the payment is kept for it, "" if that is the deadline or if
	// it is not.
	Until       string `json:"until"`
	TxHash      string `json:"txHash"`
	ExplorerURL string `json:"explorerUrl"`
	Own         bool   `json:"own"` // this browser announced it

	deadline, until time.Time
	executed        bool // as a template has it
}

// safeOf is the Safe transaction that a page should tell of, nil for none: the one
// that keeps an open payment from being paid, to everybody, because everybody has
// to know why; of the others the newest that this browser announced or that is
// proven, if nothing has come since; and what a payment was made by or failed for.
func (p *hosted) safeOf(pm *payment.Payment, announced string) *safeNews {
	switch pm.Standing.State {
	case payment.Open:
		if a, ok := pm.SafeLock(p.Now()); ok {
			return p.safeNews(pm, a, announced)
		}
		for _, a := range slices.Backward(pm.Attempts) {
			if a.Safe == nil || (a.Handle != announced && !proven(a)) || paidSince(pm, a.At) || bridged(pm, a) || stageOf(a) == "" {
				continue
			}
			if a.Stage != payment.Announced || a.Handle == announced {
				return p.safeNews(pm, a, announced)
			}
		}
	case payment.Seen, payment.Paid:
		if a, ok := paidBy(pm); ok {
			return p.safeNews(pm, a, announced)
		}
	case payment.Failed:
		if a, ok := pm.Failure(); ok && a.Safe != nil {
			return p.safeNews(pm, a, announced)
		}
	case payment.Expired, payment.Canceled:
	}
	return nil
}

// bridged reports whether a Safe has sent money over a bridge, which has a story
// of its own.
func bridged(pm *payment.Payment, a payment.Attempt) bool {
	return a.Safe.ExecutedBy != "" && slices.ContainsFunc(pm.Attempts, func(b payment.Attempt) bool { return b.Route != nil && b.Handle == a.Safe.ExecutedBy })
}

// proven reports whether a Safe transaction is more than a stranger's word.
func proven(a payment.Attempt) bool {
	return a.Decides || len(a.Safe.Tx) > 0 || len(a.Safe.Signed) > 0 || a.Stage == payment.Executed
}

// paidBy is the Safe transaction that a payment was made by.
func paidBy(pm *payment.Payment) (payment.Attempt, bool) {
	x, ok := telling(pm)
	if !ok {
		return payment.Attempt{}, false
	}
	tx := cmp.Or(x.Evidence.Source.Tx, x.Evidence.Tx)
	i := slices.IndexFunc(pm.Attempts, func(a payment.Attempt) bool {
		return a.Safe != nil && a.Stage != payment.Abandoned && strings.EqualFold(a.Safe.ExecutedBy, tx)
	})
	if i < 0 {
		return payment.Attempt{}, false
	}
	return pm.Attempts[i], true
}

func (p *hosted) safeNews(pm *payment.Payment, a payment.Attempt, announced string) *safeNews {
	chain, _ := p.Checkout.Book().Chain(a.Chain)
	n := &safeNews{
		Chain: chain.Name, ChainID: a.Chain, Stage: stageOf(a), Proven: proven(a), Own: announced != "" && a.Handle == announced,
		Owners: []string{}, Signers: []string{}, executed: a.Safe.ExecutedBy != "",
	}
	if n.Stage == templates.SafeWaiting {
		n.deadline, n.until = p.limits(pm, a)
		n.Deadline, n.Until = rfc3339(n.deadline), rfc3339(n.until)
	}
	if !n.Own && !n.Proven {
		return n
	}
	n.Address = a.Payer
	if n.Address == "" && len(a.Safe.Among) == 1 {
		n.Address = a.Safe.Among[0]
	}
	if n.Address != "" {
		n.Owners, n.Threshold = append(n.Owners, a.Safe.Owners...), a.Safe.Threshold
		n.Signers = append(n.Signers, a.Safe.Signed...)
		if len(n.Signers) > 0 {
			count := len(n.Signers)
			n.Signed = &count
		}
		if n.Nonce = a.Safe.Nonce; n.Nonce != nil && a.Safe.Current != nil && n.Stage == templates.SafeWaiting {
			ahead := *n.Nonce - min(*n.Nonce, *a.Safe.Current)
			n.Ahead = &ahead
		}
	}
	// The transactions name the payee, which not every page may.
	if n.Own || !pm.Terms.Access.HidePayee {
		n.Hash, n.TxHash = a.Handle, a.Safe.ExecutedBy
		if n.TxHash != "" {
			n.ExplorerURL = chain.TxURL(n.TxHash)
		}
	}
	return n
}

// limits are until when a waiting Safe transaction may be executed and, if the
// payment is not kept for it that long, until when it is.
func (p *hosted) limits(pm *payment.Payment, a payment.Attempt) (deadline, until time.Time) {
	deadline = pm.Terms.ExpiresAt
	if d := a.Safe.Deadline; !d.IsZero() && d.Before(deadline) {
		deadline = d
	}
	if held := pm.HeldUntil(a); held.After(p.Now()) && held.Before(deadline) {
		until = held
	}
	return deadline, until
}

// rfc3339 writes a time, the zero time as "".
func rfc3339(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ends are the page's words for how a Safe transaction came to nothing.
var ends = map[string]string{
	checkout.ReasonSafeFailed: templates.SafeFailed, checkout.ReasonSafeLate: templates.SafeLate,
	checkout.ReasonSafeReplaced: templates.SafeReplaced, checkout.ReasonSafeForeign: templates.SafeForeign,
}

// stageOf puts an attempt into a page's words; "" for one that ended in a way
// that payers need not know of.
func stageOf(a payment.Attempt) string {
	switch {
	case a.Stage == payment.Abandoned:
		return ends[a.Reason]
	case a.Stage == payment.Announced && a.Safe.ExecutedBy == "":
		return templates.SafeWaiting
	}
	return templates.SafeExecuted
}

// view puts it into the words of a page's template.
func (n *safeNews) view(chain, safes asset.Chain) templates.Safe {
	v := templates.Safe{
		Stage: n.Stage, Address: n.Address, Threshold: int(n.Threshold), Told: n.Signed != nil, Own: n.Own, Executed: n.executed, TxURL: n.ExplorerURL,
		Deadline: templates.At(n.deadline), Until: templates.At(n.until),
	}
	if chain.ID != safes.ID {
		v.Chain = safes.Name
	}
	if a, err := asset.ParseAddress(n.Address); err == nil {
		v.URL = safes.AddressURL(a)
	}
	for _, o := range n.Owners {
		v.Owners = append(v.Owners, templates.SafeOwner{Address: o, Signed: slices.ContainsFunc(n.Signers, func(s string) bool { return strings.EqualFold(s, o) })})
	}
	if n.Nonce != nil {
		v.Nonce = strconv.FormatUint(*n.Nonce, 10)
	}
	if n.Ahead != nil {
		v.Ahead = strconv.FormatUint(*n.Ahead, 10)
	}
	return v
}

// safe adds to a page what it should tell of a Safe transaction, and reports
// whether that is all: a payment that a Safe's owners may make at any time has
// nothing to pay, and nothing to wait for but them.
func (p *hosted) safe(v *templates.PayPage, pm *payment.Payment, chain asset.Chain, announced string) bool {
	n := p.safeOf(pm, announced)
	if n == nil || (pm.Standing.State != payment.Open && pm.Standing.State != payment.Failed) {
		return false
	}
	safes, _ := p.Checkout.Book().Chain(n.ChainID)
	v.Safe = n.view(chain, safes)
	if _, locked := pm.SafeLock(p.Now()); !locked || pm.Standing.State != payment.Open {
		return false
	}
	v.State, v.Data.State, v.Data.Payable = templates.StateSeen, templates.StateSeen, false
	return true
}
