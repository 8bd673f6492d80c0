package checkout

import (
	"context"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/payment"
)

// Refund is value that went back for a request of a payment.
type Refund struct {
	Payment payment.ID
	Request int           // index of the request
	Tx      string        // 0x and 64 hex digits; of euros words of the merchant's own, "" for none
	To      asset.Address // who got it, zero where euros went back: banks do not say
	// Asset is what was given back for a request that is due in a fiat currency: one that
	// has arrived for it, or euros by a bank where euros were due, whatever came for them. ""
	// for others, which get back their own.
	Asset  asset.ID
	Amount *big.Int // base units of Asset, or of the request's own
	Full   bool     // nothing is left to give back, whatever it was worth then
}

// maxBankTx is how many characters a bank passes on of a payer's own reference (SEPA's
// end-to-end id).
const maxBankTx = 35

// byBank reports whether euros went back.
func (r Refund) byBank() bool { return r.Asset == asset.EUR }

// Refunded records that value was given back, and has the merchant told. It is
// the word of whoever says so: the merchant's own, unless a rail has seen the
// transaction. A refund does not change where a payment stands. The same
// transaction counts once for each request, and of a fiat currency's for each asset;
// recorded is false if it did before. So does a refund by a bank without words: a second
// one needs some.
//
// Faults: NotFound, also for another merchant's payment; Invalid on "request",
// "tx", "to", "asset" and "amount": nobody gives back what has not arrived, nor more, and
// nobody to himself; Conflict "refund_differs" if the transaction was recorded
// with another receiver or amount.
func (s *Service) Refunded(ctx context.Context, m payment.MerchantID, r Refund) (recorded bool, err error) {
	if r.byBank() {
		r.Tx = strings.TrimSpace(r.Tx)
	} else {
		r.Tx = strings.ToLower(r.Tx)
	}
	err = s.store.Write(ctx, func(tx Tx) (err error) {
		recorded, err = s.refund(ctx, tx, m, r)
		return err
	})
	return recorded && err == nil, err
}

func (s *Service) refund(ctx context.Context, tx Tx, m payment.MerchantID, r Refund) (recorded bool, err error) {
	p, err := tx.Payment(ctx, r.Payment)
	if err != nil {
		return false, err
	}
	if p.Terms.Merchant != m {
		return false, errNoPayment
	}
	if err := r.sensible(p); err != nil {
		return false, err
	}
	known, err := tx.Events(ctx, r.Payment)
	if err != nil {
		return false, err
	}
	refund := payment.Event{ID: r.name(), Kind: payment.EventRefunded, Request: r.Request, Detail: r.Tx, Fields: r.fields()}
	back, worth := new(big.Int).Set(r.Amount), p.Back(refund) // with earlier ones, and what all of them were worth
	for _, e := range known {
		if e.Kind != payment.EventRefunded || e.Request != r.Request || e.Fields[payment.FieldReason] == ReasonBridgeRefunded {
			continue // what a bridge gave back never arrived
		}
		if e.ID == refund.ID {
			return false, r.same(e)
		}
		worth.Add(worth, p.Back(e))
		if earlier, ok := new(big.Int).SetString(e.Fields[payment.FieldAmount], 10); ok && e.Fields[payment.FieldAsset] == string(r.Asset) {
			back.Add(back, earlier)
		}
	}
	units, _ := p.Came(r.Request, r.Asset)
	_, all := p.Came(r.Request, "")
	if !r.byBank() && back.Cmp(units) > 0 || p.Terms.Requests[r.Request].Fiat() && worth.Cmp(all) > 0 {
		return false, fault.Field("amount", "refund_too_large", "With earlier refunds this is more than has arrived for the request.")
	}
	_, err = s.change(ctx, tx, p, s.now().UTC(), facts{events: []payment.Event{refund}})
	return err == nil, err
}

// name is the same for the same refund, however often it is told of.
func (r Refund) name() string {
	names := []string{string(r.Payment), "refunded", strconv.Itoa(r.Request), r.Tx}
	if r.Asset != "" {
		names = append(names, string(r.Asset))
	}
	return payment.NamedULID(names...)
}

// fields are the facts of a refund's event.
func (r Refund) fields() map[string]string {
	fields := map[string]string{payment.FieldAmount: r.Amount.String(), payment.FieldTx: r.Tx}
	if !r.To.IsZero() {
		fields[payment.FieldWallet] = r.To.String()
	}
	if r.Asset != "" {
		fields[payment.FieldAsset] = string(r.Asset)
	}
	if r.Full {
		fields[payment.FieldFull] = "1"
	}
	return fields
}

// sensible refuses what cannot be a refund of the payment.
func (r Refund) sensible(p *payment.Payment) error {
	if r.Request < 0 || r.Request >= len(p.Terms.Requests) {
		return fault.Field("request", "unknown_request", "The payment has no such request.")
	}
	if r.Amount == nil || r.Amount.Sign() <= 0 {
		return fault.Field("amount", "invalid_amount", "amount must be greater than zero.")
	}
	if r.byBank() {
		return r.sensibleBank(p.Terms.Requests[r.Request])
	}
	if !isHash(r.Tx) {
		return fault.Field("tx", "invalid_tx_hash", "tx must be 0x and 64 hexadecimal digits.")
	}
	for _, x := range p.Transfers {
		if strings.ToLower(x.Evidence.Tx) == r.Tx {
			return fault.Field("tx", "refund_is_payment", "This transaction is the payment, not its refund.")
		}
	}
	fiat := p.Terms.Requests[r.Request].Fiat()
	switch {
	case fiat && (r.Asset == "" || !slices.ContainsFunc(p.Transfers, r.of)):
		return fault.Field("asset", "unknown_asset", "asset must be a currency in which money has arrived for the request.")
	case !fiat && r.Asset != "":
		return fault.Field("asset", "unknown_asset", "asset is for requests in a fiat currency: this one has its own.")
	case r.To.IsZero():
		return fault.Field("to", "invalid_receiver", "to must be the account that got the money.")
	case r.To == p.Terms.Requests[r.Request].Payee:
		return fault.Field("to", "refund_to_payee", "to is the account that was paid.")
	}
	return nil
}

// sensibleBank refuses what cannot be a refund by a bank.
func (r Refund) sensibleBank(of payment.Request) error {
	switch {
	case of.Asset != asset.EUR:
		return fault.Field("asset", "unknown_asset", "Only what was due in euros is given back in euros.")
	case utf8.RuneCountInString(r.Tx) > maxBankTx || !utf8.ValidString(r.Tx) || strings.ContainsFunc(r.Tx, func(c rune) bool { return !unicode.IsPrint(c) }):
		return fault.Field("tx", "invalid_tx", "tx must be at most 35 characters: what you gave your bank as a reference.")
	case !r.To.IsZero():
		return fault.Field("to", "invalid_receiver", "to is for money on a chain: a bank does not say who got it.")
	}
	return nil
}

// of reports whether a transfer is of what was given back.
func (r Refund) of(x payment.Transfer) bool {
	return x.Request == r.Request && (r.Asset == "" || x.Asset == r.Asset)
}

// told is what an event tells of a refund.
func told(e payment.Event) map[string]string {
	fields := map[string]string{}
	for _, name := range []string{payment.FieldWallet, payment.FieldAmount, payment.FieldTx, payment.FieldAsset, payment.FieldFull} {
		if value, ok := e.Fields[name]; ok {
			fields[name] = value
		}
	}
	return fields
}

// same reports a Conflict unless an event tells of this very refund.
func (r Refund) same(e payment.Event) error {
	if maps.Equal(told(e), r.fields()) {
		return nil
	}
	return fault.New(fault.Conflict, "refund_differs", "This transaction was recorded as a refund of another amount or to another account.").At("tx")
}
