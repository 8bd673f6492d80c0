package checkout

import (
	"cmp"
	"context"
	"crypto/subtle"
	"fmt"
	"math/big"
	"slices"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Draft is a payment as a merchant asks for it.
type Draft struct {
	Merchant        payment.MerchantID
	Dialect         string
	ClientID        string
	Origin          string
	Requests        []DraftRequest
	Reference       string
	PayerIdentifier string
	RedirectURL     string
	RedirectLabel   string
	// Flow is GetPaid if empty.
	Flow                payment.Flow
	RecipientIdentifier string
	Creator             asset.Address // who made a payout, zero for others
	Access              payment.Access
	Alias               string        // see payment.Terms
	SecretHash          string        // likewise
	Metadata            string        // likewise
	Quote               asset.ID      // which asset the first quote of an amount in a fiat currency should be in, "" for any
	Exact               bool          // no grace: what comes after ExpiresAt is late
	Endless             bool          // it can be paid for as long as anybody wants; no quote is frozen at creation
	PayerCancels        bool          // whoever pays may call it off
	Secret              string        // kept sealed with the payment, for its dialect alone; "" for none
	Window              time.Duration // 0 for the service's default
	ExpiresAt           time.Time     // zero to count Window from now
}

// DraftRequest is one amount owed.
type DraftRequest struct {
	Payee  asset.Address
	Token  asset.Token
	Amount *big.Int // base units
	Fee    *DraftFee
	// Fiat is the currency that the amount is due in, "" for the token's. There are then
	// no token and fee.
	Fiat asset.ID
	// Payee and Chain, of an amount in a fiat currency, are an account of the payee's own: it
	// is paid at a quote, together with the payment's other requests, which all are of this
	// kind then and on the same chain. Without them the payee is a deposit address, made at
	// creation.
	Chain asset.ChainID
	// Bank lets an amount of euros be paid by a bank transfer, nil if it cannot be. Its
	// Reference and Text are made at creation. Then a deposit address is taken if the merchant
	// has a key for them, and the payment does without otherwise.
	Bank *payment.BankTransfer
}

// DraftFee is a share on top of an amount.
type DraftFee struct {
	Share money.BasisPoints
	Payee asset.Address
}

// Once makes a creation idempotent.
type Once struct {
	Key         IdempotencyKey
	RequestHash string // hex SHA-256 of what was asked
}

// Limits of a draft.
const (
	MaxRequests = 200
	MaxWindow   = 366 * 24 * time.Hour
)

// Create stores a new payment. answer words the dialect's reply; with once it
// is stored in the same transaction, and a second call with the same key and
// request returns the first reply with replayed true and stores nothing.
//
// A payment that is due in a fiat currency takes an address of its merchant's key, in the
// same transaction, unless it is due to accounts of the payees' own. One in dollars with an
// end has a quote from the start. answer may be called again, with another address.
//
// Faults: Invalid for a draft that cannot be paid; Mismatch
// "idempotency_key_reused" if the key came with another request. In a fiat currency also
// those of Tx.TakeAddress, and Unavailable: "price_unavailable"; in dollars
// "deposits_unavailable" if nothing can be sent; in euros "no_way_to_pay" if there is neither
// an address that something can be sent to nor a bank. A bank makes up for a merchant without
// a key and a server without deposits.
func (s *Service) Create(ctx context.Context, d Draft, once *Once, answer func(*payment.Payment) (Answer, error)) (a Answer, replayed bool, err error) {
	if once != nil { // before all else, so that a replay needs no price
		switch first, err := s.Replay(ctx, *once); {
		case err != nil:
			return Answer{}, false, err
		case first != nil:
			return *first, true, nil
		}
	}
	drawn, addresses, err := s.draw(ctx, d)
	if err != nil {
		return Answer{}, false, err
	}
	err = s.store.Write(ctx, func(tx Tx) error {
		replayed = false
		later := tx.Postpone()
		if once != nil && (addresses || !later) { // of two at once, the later one needs no address
			first, err := tx.Answer(ctx, once.Key)
			if err != nil {
				return fmt.Errorf("look up idempotency key: %w", err)
			}
			if first != nil {
				a, replayed = *first, true
				return once.Accepts(*first)
			}
		}
		p := again(drawn)
		if addresses {
			if err := s.takeAddress(ctx, tx, p); err != nil {
				return err
			}
		}
		if a, err = answer(p); err != nil {
			return err
		}
		a.At = p.Terms.CreatedAt
		if once != nil {
			a.RequestHash = once.RequestHash
			if err := tx.PutAnswer(ctx, once.Key, a); err != nil {
				return fmt.Errorf("store answer: %w", err)
			}
		}
		return insert(ctx, tx, p, d.Secret)
	})
	if once != nil && fault.Is(err, fault.Conflict) {
		// Another node stored the key between our look and our write.
		if first, rerr := s.Replay(ctx, *once); rerr != nil || first != nil {
			if rerr != nil {
				return Answer{}, false, rerr
			}
			return *first, true, nil
		}
	}
	if err != nil {
		return Answer{}, false, err
	}
	return a, replayed, nil
}

// insert stores a new payment with all that is kept beside it, and begins its log.
func insert(ctx context.Context, tx Tx, p *payment.Payment, secret string) error {
	if err := tx.InsertPayment(ctx, p); err != nil {
		return fmt.Errorf("insert payment: %w", err)
	}
	if secret != "" {
		if err := tx.PutSecret(ctx, p.ID, secret); err != nil {
			return fmt.Errorf("keep the payment's secret: %w", err)
		}
	}
	for _, q := range p.Quotes {
		if err := tx.InsertQuote(ctx, p.ID, q); err != nil {
			return fmt.Errorf("keep quote: %w", err)
		}
	}
	return tx.AppendEvent(ctx, complete(payment.Event{Kind: payment.EventCreated, Request: -1}, p, p.Terms.CreatedAt))
}

// again is a payment for one run of its transaction: what a run writes into it, such as
// an address that was not kept, is not there in the next.
func again(drawn *payment.Payment) *payment.Payment {
	p := *drawn
	p.Terms.Requests, p.Quotes = slices.Clone(drawn.Terms.Requests), slices.Clone(drawn.Quotes)
	for i := range p.Terms.Requests {
		p.Terms.Requests[i].Handles = slices.Clone(drawn.Terms.Requests[i].Handles)
	}
	return &p
}

// Accepts tells whether a stored answer is the answer to this request. The hashes are no
// secrets, but constant time costs nothing.
//
// Faults: Mismatch "idempotency_key_reused" if the key came with another one.
func (o Once) Accepts(first Answer) error {
	if subtle.ConstantTimeCompare([]byte(first.RequestHash), []byte(o.RequestHash)) == 1 {
		return nil
	}
	return fault.New(fault.Mismatch, "idempotency_key_reused", "This Idempotency-Key was used with a different request.")
}

// Replay returns the stored answer to an idempotent request, nil if there is
// none: a cheap look before the work of Create, which looks again.
//
// Faults: Mismatch.
func (s *Service) Replay(ctx context.Context, once Once) (*Answer, error) {
	first, err := s.store.Answer(ctx, once.Key)
	if err != nil || first == nil {
		return nil, err
	}
	return first, once.Accepts(*first)
}

// draw checks a draft and makes the payment of it. addressed tells that it is to have a
// deposit address.
func (s *Service) draw(ctx context.Context, d Draft) (p *payment.Payment, addressed bool, err error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if len(d.Requests) == 0 || len(d.Requests) > MaxRequests {
		return nil, false, fault.Field("requests", "invalid_requests", fmt.Sprintf("requests must hold 1 to %d items.", MaxRequests))
	}
	if d.fiat() {
		err = s.fiatOnly(d)
	} else {
		err = oneNetwork(d.Requests)
	}
	if err != nil {
		return nil, false, err
	}
	if d.Access.Screen && !s.Screens(d.Access.Provider) {
		return nil, false, fault.Field("accessPolicy.screeningProvider", "unknown_provider", "This server has no such screening provider.")
	}
	expires, err := s.expiry(d, now)
	if err != nil {
		return nil, false, err
	}
	p = &payment.Payment{
		ID: payment.ID(payment.NewULID(now)),
		Terms: payment.Terms{
			Merchant: d.Merchant, Dialect: d.Dialect, ClientID: d.ClientID, Origin: d.Origin,
			CreatedAt: now, ExpiresAt: expires, Grace: s.grace, Alias: d.Alias, SecretHash: d.SecretHash, Metadata: d.Metadata,
			Reference: d.Reference, PayerIdentifier: d.PayerIdentifier,
			RedirectURL: d.RedirectURL, RedirectLabel: d.RedirectLabel,
			Flow: cmp.Or(d.Flow, payment.GetPaid), RecipientIdentifier: d.RecipientIdentifier, Creator: d.Creator,
			Access: d.Access, PayerCancels: d.PayerCancels,
		},
	}
	if d.Exact || d.Endless { // of what has no end, what comes after a cancellation is late
		p.Terms.Grace = 0
	}
	for i, r := range d.Requests {
		made, err := request(i, r, now)
		if err != nil {
			return nil, false, err
		}
		p.Terms.Requests = append(p.Terms.Requests, made)
	}
	p.Standing = p.StandingAt(now)
	if err := s.name(p); err != nil {
		return nil, false, err
	}
	if d.fiat() && !p.Terms.Quoted() {
		addressed, err = s.drawFiat(ctx, p, d)
		return p, addressed, err
	}
	switch options, err := s.Offers(ctx, p, rail.Payer{}); {
	case err != nil:
		return nil, false, err
	case len(options) == 0:
		return nil, false, fault.Field("requests", "no_route", "These requests cannot be paid on their network.")
	}
	return p, false, nil
}

// expiry is when a payment of now closes.
func (s *Service) expiry(d Draft, now time.Time) (time.Time, error) {
	if d.Endless {
		if !d.fiat() || !d.ExpiresAt.IsZero() || d.Window != 0 {
			return time.Time{}, fault.Field("expiresAt", "invalid_expiry", "Only what is due in a fiat currency can be without an end, and then has none.")
		}
		return payment.Endless, nil
	}
	expires := d.ExpiresAt.UTC().Truncate(time.Microsecond)
	if d.ExpiresAt.IsZero() {
		expires = now.Add(cmp.Or(d.Window, s.window))
	}
	if !expires.After(now) || expires.After(now.Add(MaxWindow)) {
		return time.Time{}, fault.Field("expiresAt", "invalid_expiry", "expiresAt must be in the future and at most 366 days ahead.")
	}
	return expires, nil
}

// fiat reports whether anything is due in a fiat currency.
func (d Draft) fiat() bool {
	return slices.ContainsFunc(d.Requests, func(r DraftRequest) bool { return r.Fiat != "" })
}

// oneNetwork holds all requests to the network of the first: one payer pays them
// at once. What is due of one asset together must fit a contract's numbers.
func oneNetwork(rs []DraftRequest) error {
	sums := map[asset.ID]*big.Int{}
	for i, r := range rs {
		if r.Token.Chain != rs[0].Token.Chain {
			return fault.Field(fmt.Sprintf("requests[%d]", i), "several_networks", fmt.Sprintf(
				"All requests of one payment must be on one network: this one is on %s, the first on %s.", r.Token.Network, rs[0].Token.Network))
		}
		if r.Amount == nil {
			continue
		}
		sum := sums[r.Token.ID]
		if sum == nil {
			sum = new(big.Int)
			sums[r.Token.ID] = sum
		}
		sum.Add(sum, r.Amount)
		if r.Fee != nil {
			sum.Add(sum, r.Fee.Share.Of(r.Amount))
		}
		if sum.BitLen() > 256 {
			return fault.Field(fmt.Sprintf("requests[%d].amount", i), "amount_too_large", "The amounts and fees together do not fit a 256-bit number.")
		}
	}
	return nil
}

func request(i int, r DraftRequest, now time.Time) (payment.Request, error) {
	field := func(name string) string { return fmt.Sprintf("requests[%d].%s", i, name) }
	if r.Amount == nil || r.Amount.Sign() <= 0 {
		return payment.Request{}, fault.Field(field("amount"), "invalid_amount", "amount must be greater than zero.")
	}
	if r.Fiat != "" && r.Amount.BitLen() > 256 {
		return payment.Request{}, fault.Field(field("amount"), "amount_too_large", "amount does not fit a 256-bit number.")
	}
	if r.Fiat != "" {
		made := payment.Request{
			Index: i, ID: payment.NewULID(now), Asset: r.Fiat, Due: new(big.Int).Set(r.Amount), Payee: r.Payee, Chain: r.Chain,
		}
		if r.Bank != nil { // its reference is drawn for this payment
			bank := *r.Bank
			made.Bank = &bank
		}
		return made, nil
	}
	if r.Payee.IsZero() {
		return payment.Request{}, fault.Field(field("payee"), "invalid_payee", "The zero address cannot be paid.")
	}
	if !r.Token.Native && r.Payee == r.Token.Address {
		return payment.Request{}, fault.Field(field("payee"), "invalid_payee", "The token's own contract cannot be the payee: the money would be lost.")
	}
	if r.Fee != nil && !r.Token.Native && r.Fee.Payee == r.Token.Address {
		return payment.Request{}, fault.Field("feeAddress", "invalid_fee_address", "The token's own contract cannot be paid the fee: the money would be lost.")
	}
	made := payment.Request{Index: i, Asset: r.Token.ID, Due: new(big.Int).Set(r.Amount), Payee: r.Payee}
	if r.Fee != nil {
		made.Fee = &payment.Fee{Share: r.Fee.Share.String(), Amount: r.Fee.Share.Of(r.Amount), Payee: r.Fee.Payee}
	}
	if new(big.Int).Add(made.Due, made.FeeAmount()).BitLen() > 256 {
		return payment.Request{}, fault.Field(field("amount"), "amount_too_large", "amount and fee together do not fit a 256-bit number.")
	}
	return made, nil
}

// name has the rails give each request the names they recognise money by. One that is sent
// to a deposit address gets that later, in the creating transaction.
func (s *Service) name(p *payment.Payment) error {
	for _, r := range s.rails {
		n, ok := r.(rail.Naming)
		if !ok {
			continue
		}
		for i := range p.Terms.Requests {
			if err := n.Name(p, &p.Terms.Requests[i]); err != nil {
				return fmt.Errorf("name request %d for rail %s: %w", i, r.ID(), err)
			}
		}
	}
	for i, r := range p.Terms.Requests {
		if len(r.Handles) == 0 && (!r.Fiat() || r.Quoted() || r.Bank != nil) {
			return fmt.Errorf("no rail can recognise money for request %d", i)
		}
	}
	return nil
}
