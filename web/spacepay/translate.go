package spacepay

import (
	"math/big"
	"slices"
	"strings"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/web"
)

// words puts payments into this API's bodies.
type words struct {
	book   *asset.Book
	chains web.Chains
}

var errAsset = fault.New(fault.Unavailable, "asset_unknown", "The asset of this payment is not supported here any more")

// payment words a payment that was assessed and has a status, as of a moment. It has none
// of the members that later versions of the API added.
func (w words) payment(p *payment.Payment, merchant, status string, now time.Time) (paymentWire, error) {
	r, t := p.Terms.Requests[0], p.Terms
	out := paymentWire{
		ID: t.Alias, MerchantID: named("merchant", string(t.Merchant)), MerchantShortName: merchant,
		AmountInCents: money.WholeCents(r.Due).Int64(), Currency: string(r.Asset), Status: status,
		DepositAddress: &depositWire{
			ID: named("deposit", r.Payee.Lower()), PaymentID: t.Alias, Type: "EVM", Address: r.Payee.Lower(), CreatedAt: millis(t.CreatedAt),
		},
		OrderID: t.Reference, CreatedAt: millis(t.CreatedAt),
	}
	if t.RedirectURL != "" {
		out.RedirectURL = &t.RedirectURL
	}
	var err error
	if out.Quotes, err = w.quotes(p, now, false); err != nil {
		return out, err
	}
	out.Receipt, err = w.receipt(p, status)
	return out, err
}

// withLater adds what later versions of the API have.
func (out paymentWire) withLater(updated time.Time) paymentWire {
	out.UpdatedAt, out.Type = millis(updated), "payment"
	return out
}

// updatedAt is when a payment last changed, as far as its facts tell.
func updatedAt(p *payment.Payment) time.Time {
	last := p.Terms.CreatedAt
	times := []time.Time{p.Terms.CanceledAt, p.Standing.SettledAt}
	if p.Standing.State == payment.Expired {
		times = append(times, p.Terms.ExpiresAt)
	}
	for _, x := range p.Transfers {
		times = append(times, x.At)
	}
	for _, q := range p.Quotes {
		times = append(times, q.CreatedAt)
	}
	for _, at := range times {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// quotes words what a payment can be, or was, paid by: of each asset the newest quote that
// somebody asked for, and those by which money counted; or the active ones alone.
func (w words) quotes(p *payment.Payment, now time.Time, activeOnly bool) ([]quoteWire, error) {
	newest := map[asset.ID]string{}
	for _, q := range p.Quotes {
		if q.Asked {
			newest[q.Asset] = q.ID // they are in order, the oldest first
		}
	}
	out := []quoteWire{}
	for _, q := range p.Quotes {
		status := quoteStatus(p, q, now)
		if activeOnly && status != quoteActive || newest[q.Asset] != q.ID && status != quoteUsed {
			continue
		}
		wire, err := w.quote(p, q, status)
		if err != nil {
			return nil, err
		}
		out = append(out, wire)
	}
	return out, nil
}

// quoteStatus tells how a quote stands: good for paying as long as the payment can be paid,
// and what the quote asks for is what is missing.
func quoteStatus(p *payment.Payment, q payment.Quote, now time.Time) string {
	switch {
	case q.Asked && q.Active(now) && p.Standing.State == payment.Open && q.Due.Cmp(p.Standing.Requests[q.Request].Missing(p.Terms.Requests[q.Request].Due)) == 0:
		return quoteActive
	case slices.ContainsFunc(p.Transfers, func(x payment.Transfer) bool { return x.Stage != payment.Dropped && x.Quote == q.ID }):
		return quoteUsed
	default:
		return quoteExpired
	}
}

func (w words) quote(p *payment.Payment, q payment.Quote, status string) (quoteWire, error) {
	of, err := w.asset(q.Asset)
	if err != nil {
		return quoteWire{}, err
	}
	return quote(q, p.Terms.Alias, of, status), nil
}

// asset finds an asset as this API lists it.
//
// Faults: Unavailable "asset_unknown".
func (w words) asset(id asset.ID) (listed, error) {
	token, ok := w.book.Token(id)
	if !ok {
		return listed{}, errAsset
	}
	chain, _ := w.book.Chain(token.Chain)
	return list(token, chain), nil
}

// receipt says what arrived, once the payment is over: final money of one that was made,
// whatever came of others. It is nil while nothing is settled, or if nothing came.
func (w words) receipt(p *payment.Payment, status string) (*receiptWire, error) {
	if status == statusPending || status == statusProcessing {
		return nil, nil
	}
	completed := status == statusCompleted
	came := slices.DeleteFunc(slices.Clone(p.Transfers), func(x payment.Transfer) bool {
		return x.Stage == payment.Dropped || completed && x.Stage != payment.Final
	})
	if len(came) == 0 {
		return nil, nil
	}
	slices.SortFunc(came, func(a, b payment.Transfer) int { return a.At.Compare(b.At) })
	told := came[len(came)-1]
	if x, ok := p.Telling(0); ok && completed {
		told = x
	}
	of, err := w.asset(told.Asset)
	if err != nil {
		return nil, err
	}
	units := new(big.Int)
	for _, x := range came {
		if x.Asset == told.Asset {
			units.Add(units, x.Amount)
		}
	}
	s := p.Standing.Requests[0]
	worth := s.Received
	if completed {
		worth = s.Settled
	}
	r := &receiptWire{
		PaymentID: p.Terms.Alias, SettledToken: of.wire(), SettledChain: of.chain(), SettledAmountAsset: units.String(),
		SettledAmountUSD: dollars(new(big.Int).Add(worth, s.Late)), CreatedAt: millis(came[len(came)-1].At),
	}
	w.evidence(r, told)
	if completed {
		at := millis(p.Standing.SettledAt)
		r.CompletedAt, r.CreatedAt = &at, at
	}
	if i := slices.IndexFunc(p.Quotes, func(q payment.Quote) bool { return q.ID == told.Quote }); i >= 0 {
		q, err := w.quote(p, p.Quotes[i], quoteUsed)
		if err != nil {
			return nil, err
		}
		r.SelectedQuote = &q
	}
	return r, nil
}

// evidence says where a transfer can be looked up, in the words of both shapes. What
// contracts sent in a block may have no transaction that can be named.
func (w words) evidence(r *receiptWire, x payment.Transfer) {
	e, at := x.Evidence, millis(x.At)
	r.TransactionHash, r.TxHash = text(e.Tx), text(e.Tx)
	r.BlockNumber, r.TxBlockNumber = &e.Block, &e.Block
	r.TxTimestamp, r.TxSenderAddress = &at, text(strings.ToLower(e.Payer))
	r.Confirmations, r.RequiredConfirmations = w.confirmations(x)
}

// confirmations are how many blocks confirm a transfer, its own included, and how many
// make it final. What is final has enough of them, however that was found out.
func (w words) confirmations(x payment.Transfer) (have, need uint64) {
	if w.chains == nil {
		return 0, 0
	}
	need = uint64(max(w.chains.Required(x.Evidence.Chain), 0))
	if head, ok := w.chains.Head(x.Evidence.Chain); ok && head >= x.Evidence.Block {
		have = head - x.Evidence.Block + 1
	}
	if x.Stage == payment.Final {
		have = max(have, need)
	}
	return have, need
}

// text is a text, nil for none.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
