package request

import (
	"fmt"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

// statusWord projects a state onto the dialect's words. Value on its way leaves
// a payment pending, and the documented set has no words for a cancelled or
// failed one but these.
func statusWord(s payment.State) string {
	switch s {
	case payment.Open, payment.Seen:
		return "pending"
	case payment.Paid:
		return "completed"
	case payment.Expired:
		return "expired"
	case payment.Canceled:
		return "invalidated"
	case payment.Failed:
		return "failed"
	}
	panic("request: no status for " + s)
}

// statusOf is the dialect's word for where a payment stands. A payment that
// failed because its payee was refused has one of its own.
func statusOf(p *payment.Payment) string {
	if why, ok := p.Failure(); ok && p.Standing.State == payment.Failed && why.Reason == checkout.ComplianceFailed {
		return checkout.ComplianceFailed
	}
	return statusWord(p.Standing.State)
}

const (
	typeSingle = "single"
	typeBatch  = "batch"
)

func typeOf(p *payment.Payment) string {
	if len(p.Terms.Requests) > 1 {
		return typeBatch
	}
	return typeSingle
}

// requestStatuses tells of each request. Who may not know the payee is not told
// the transaction either, for that tells, and a Safe's may be looked up as well.
func requestStatuses(p *payment.Payment, masked bool, now time.Time) []requestStatus {
	out := make([]requestStatus, len(p.Terms.Requests))
	for i, r := range p.Terms.Requests {
		out[i] = requestStatus{RequestID: r.ID, HasBeenPaid: p.Standing.Requests[i].State == payment.Paid}
		if x, ok := p.Telling(i); ok && !masked {
			out[i].TxHash = x.Evidence.Tx
		}
	}
	if masked {
		return out
	}
	if a, ok := safeOf(p, now); ok {
		for i := range out {
			out[i].by(a)
		}
	}
	if a, ok := p.OpLock(now); ok {
		for i := range out {
			out[i].byOp(a)
		}
	}
	if a, ok := p.UnderWay(now); ok && !out[a.Route.Request].HasBeenPaid {
		out[a.Route.Request].TxHash, out[a.Route.Request].ChainID = a.Handle, a.Chain
	}
	return out
}

// by adds the Safe transaction that is to pay a request, unless something has.
func (w *requestStatus) by(a payment.Attempt) {
	if w.HasBeenPaid {
		return
	}
	w.SafeTxHash, w.ChainID = a.Handle, a.Chain
	if !a.Safe.Deadline.IsZero() {
		w.SafePaymentDeadline = a.Safe.Deadline.Unix()
	}
}

// byOp adds where a smart account is to pay a request, unless something has, and the
// transaction that did once the chain shows one.
func (w *requestStatus) byOp(a payment.Attempt) {
	if w.HasBeenPaid {
		return
	}
	w.ChainID = a.Chain
	if w.TxHash == "" && a.OpStage() == payment.OpExecuted {
		w.TxHash = a.Op.ExecutedBy
	}
}

var errAsset = fault.New(fault.Unavailable, "asset_unknown", "The asset of this payment is not supported here any more.")

// shown words a payment for display, as single, batch or masked.
func (d *dialect) shown(p *payment.Payment, a checkout.Admission, ways *choice) (any, error) {
	if hidden(p, a) {
		return maskedWire{PaymentType: typeOf(p), Status: statusOf(p), AccessDecision: decide(p, a)}, nil
	}
	token, ok := d.Checkout.Book().Token(p.Terms.Requests[0].Asset)
	if !ok {
		return nil, errAsset
	}
	common := shownWire{
		PaymentType: typeOf(p), Status: statusOf(p), RedirectURL: optional(p.Terms.RedirectURL), RedirectLabel: optional(p.Terms.RedirectLabel),
		Network: token.Network, Reference: optional(p.Terms.Reference), FeePlan: d.feePlan(p),
		IsPayeeAddressMasked: p.Terms.Access.HidePayee, AccessDecision: decide(p, a), ExpiresAt: timestamp(p.Terms.ExpiresAt),
		choice: ways,
	}
	for _, r := range p.Terms.Requests {
		common.RequestIDs = append(common.RequestIDs, r.ID)
	}
	if common.PaymentType == typeBatch {
		return d.batch(p, common)
	}
	r := p.Terms.Requests[0]
	return singleWire{
		shownWire: common, Payee: payeeOf(p, r), Amount: r.Due.String(), PaymentCurrency: string(token.ID), IsNativeCurrency: token.Native,
		Destination: destinationOf(r, token, p.Terms.Access.HidePayee), AmountHuman: money.Format(r.Due, token.Decimals), Decimals: token.Decimals,
		ReceivedHuman:    money.Format(p.Standing.Requests[0].Received, token.Decimals),
		PaymentReference: r.Reference,
	}, nil
}

func (d *dialect) batch(p *payment.Payment, common shownWire) (any, error) {
	w := batchWire{shownWire: common}
	for i, r := range p.Terms.Requests {
		token, ok := d.Checkout.Book().Token(r.Asset)
		if !ok {
			return nil, errAsset
		}
		w.Payees = append(w.Payees, payeeOf(p, r))
		w.Amounts = append(w.Amounts, money.Format(r.Due, token.Decimals))
		w.PaymentCurrencies = append(w.PaymentCurrencies, string(token.ID))
		w.IsNativeCurrency = append(w.IsNativeCurrency, token.Native)
		w.Destinations = append(w.Destinations, destinationOf(r, token, p.Terms.Access.HidePayee))
		w.AmountsUnits = append(w.AmountsUnits, r.Due.String())
		w.Decimals = append(w.Decimals, int(token.Decimals))
		w.ReceivedHuman = append(w.ReceivedHuman, money.Format(p.Standing.Requests[i].Received, token.Decimals))
		w.PaymentReferences = append(w.PaymentReferences, r.Reference)
	}
	return w, nil
}

// payeeOf is the account of a request's payee, shortened where the policy hides it.
func payeeOf(p *payment.Payment, r payment.Request) string {
	if p.Terms.Access.HidePayee {
		return short(r.Payee)
	}
	return r.Payee.String()
}

// short keeps the ends of an account, as the vendor's examples do.
func short(a asset.Address) string {
	text := a.String()
	return text[:6] + "..." + text[len(text)-4:]
}

func destinationOf(r payment.Request, token asset.Token, masked bool) *destinationWire {
	dest := asset.Destination{Wallet: r.Payee, Chain: token.Chain, Token: token.Address}
	w := &destinationWire{TokenAddress: token.Address.String(), Network: token.Network, IsMasked: masked}
	if masked {
		// Without its checksum: four bytes of a hash let an account be guessed.
		w.WalletAddress = short(r.Payee)
		w.PayeeAddress = fmt.Sprintf("%s@eip155:%d", w.WalletAddress, token.Chain)
		return w
	}
	w.DestinationID, w.PayeeAddress, w.WalletAddress = dest.String(), dest.Interop(), r.Payee.String()
	return w
}

// found words a payment for its merchant, who may know everything of it.
func (d *dialect) found(p *payment.Payment, screened []checkout.Screening) foundWire {
	first := p.Terms.Requests[0]
	token, listed := d.Checkout.Book().Token(first.Asset)
	w := foundWire{
		Token: string(p.ID), SecurePaymentURL: d.payURL(p), Status: statusOf(p), PaymentType: typeOf(p),
		CreatedAt: timestamp(p.Terms.CreatedAt), ExpiresAt: timestamp(p.Terms.ExpiresAt),
		RedirectURL: optional(p.Terms.RedirectURL), RedirectLabel: optional(p.Terms.RedirectLabel),
		PayerKYTResults: kytResults(screened, checkout.PayerRole), PayeeKYTResults: kytResults(screened, checkout.PayeeRole),
		FeePlan: d.feePlan(p), ExecutionKind: optional(executionKind(p, token.Chain)), IdentityMode: "manual_dashboard", ClientID: optional(p.Terms.ClientID),
		Branding: foundBranding{Source: "request_network"}, BlockReason: optional(d.blockReason(p)),
		Flow: p.Terms.Flow, Reference: optional(p.Terms.Reference), PayerIdentifier: optional(p.Terms.PayerIdentifier),
		RecipientIdentifier: optional(p.Terms.RecipientIdentifier), AccessPolicy: newAccess(p.Terms.Access),
		RequestStatuses: requestStatuses(p, false, time.Now()),
	}
	w.ChildExecutable = w.BlockReason == nil
	if p.Terms.ClientID != "" {
		w.IdentityMode = "client_id"
	}
	sameAsset, samePayee := true, true
	for _, r := range p.Terms.Requests {
		sameAsset = sameAsset && r.Asset == first.Asset
		samePayee = samePayee && r.Payee == first.Payee
	}
	if listed {
		w.Network = token.Network
		if sameAsset && samePayee {
			w.Destination = destinationOf(first, token, false)
		}
	}
	if sameAsset {
		w.Currency = optional(string(first.Asset))
	}
	if !p.Standing.SettledAt.IsZero() {
		w.CompletedAt = optional(timestamp(p.Standing.SettledAt))
	}
	if x, ok := p.Telling(0); ok {
		w.PayerAddress, w.PayerEOAAddress = optional(x.Evidence.Payer), optional(p.Holder(x))
	}
	return w
}

// executionKind tells whether a payment that is due on a chain was made over a
// bridge, or is being made over one: a Safe or a smart account of another chain can pay
// in no other way.
func executionKind(p *payment.Payment, due asset.ChainID) string {
	over := slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool { return x.Stage != payment.Dropped && x.Evidence.Source.Route != "" })
	trying := slices.ContainsFunc(p.Attempts, func(a payment.Attempt) bool {
		return a.Stage != payment.Abandoned && (a.Route != nil || (a.Safe != nil || a.Op != nil) && a.Chain != due)
	})
	if over || (trying && p.Standing.State != payment.Paid) {
		return executesCross
	}
	return executesSame
}

// blockReason says in the vendor's words why a payment could not be a part of a
// payout to many; "" if it could.
func (d *dialect) blockReason(p *payment.Payment) string {
	switch {
	case p.Terms.Flow != payment.PayOut:
		return "not_outgoing"
	case len(p.Terms.Requests) > 1:
		return "not_single_payment"
	}
	switch p.Standing.State {
	case payment.Open:
		if d.Checkout.Payable(p) != nil {
			return "request_processing"
		}
		return ""
	case payment.Seen:
		return "request_processing"
	case payment.Paid:
		return "already_paid"
	case payment.Expired:
		return "secure_payment_expired"
	case payment.Canceled:
		return "secure_payment_not_pending"
	case payment.Failed:
		if statusOf(p) == checkout.ComplianceFailed {
			return checkout.ComplianceFailed
		}
		return "secure_payment_not_pending"
	}
	panic("request: unknown state " + p.Standing.State)
}

// timestamp is ISO-8601 in UTC with milliseconds, as in the vendor's examples.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
