package checkout

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"math/big"
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
	Window              time.Duration // 0 for the service's default
	ExpiresAt           time.Time     // zero to count Window from now
}

// DraftRequest is one amount owed.
type DraftRequest struct {
	Payee  asset.Address
	Token  asset.Token
	Amount *big.Int // base units
	Fee    *DraftFee
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
// Faults: Invalid for a draft that cannot be paid; Mismatch
// "idempotency_key_reused" if the key came with another request.
func (s *Service) Create(ctx context.Context, d Draft, once *Once, answer func(*payment.Payment) (Answer, error)) (a Answer, replayed bool, err error) {
	p, err := s.draw(ctx, d)
	if err != nil {
		return Answer{}, false, err
	}
	err = s.store.Write(ctx, func(tx Tx) error {
		replayed = false
		if once != nil {
			first, err := tx.Answer(ctx, once.Key)
			if err != nil {
				return fmt.Errorf("look up idempotency key: %w", err)
			}
			if first != nil {
				a, replayed = *first, true
				return sameRequest(first.RequestHash, once.RequestHash)
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
		if err := tx.InsertPayment(ctx, p); err != nil {
			return fmt.Errorf("insert payment: %w", err)
		}
		return tx.AppendEvent(ctx, complete(payment.Event{Kind: payment.EventCreated, Request: -1}, p, p.Terms.CreatedAt))
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

// sameRequest compares request hashes; they are no secrets, but constant time
// costs nothing.
func sameRequest(first, now string) error {
	if subtle.ConstantTimeCompare([]byte(first), []byte(now)) == 1 {
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
	return first, sameRequest(first.RequestHash, once.RequestHash)
}

// draw checks a draft and makes the payment of it.
func (s *Service) draw(ctx context.Context, d Draft) (*payment.Payment, error) {
	now := s.now().UTC().Truncate(time.Microsecond)
	if len(d.Requests) == 0 || len(d.Requests) > MaxRequests {
		return nil, fault.Field("requests", "invalid_requests", fmt.Sprintf("requests must hold 1 to %d items.", MaxRequests))
	}
	if err := oneNetwork(d.Requests); err != nil {
		return nil, err
	}
	if d.Access.Screen && !s.Screens(d.Access.Provider) {
		return nil, fault.Field("accessPolicy.screeningProvider", "unknown_provider", "This server has no such screening provider.")
	}
	window := d.Window
	if window == 0 {
		window = s.window
	}
	expires := d.ExpiresAt.UTC().Truncate(time.Microsecond)
	if d.ExpiresAt.IsZero() {
		expires = now.Add(window)
	}
	if !expires.After(now) || expires.After(now.Add(MaxWindow)) {
		return nil, fault.Field("expiresAt", "invalid_expiry", "expiresAt must be in the future and at most 366 days ahead.")
	}
	p := &payment.Payment{
		ID: payment.ID(payment.NewULID(now)),
		Terms: payment.Terms{
			Merchant: d.Merchant, Dialect: d.Dialect, ClientID: d.ClientID, Origin: d.Origin,
			CreatedAt: now, ExpiresAt: expires, Grace: s.grace,
			Reference: d.Reference, PayerIdentifier: d.PayerIdentifier,
			RedirectURL: d.RedirectURL, RedirectLabel: d.RedirectLabel,
			Flow: cmp.Or(d.Flow, payment.GetPaid), RecipientIdentifier: d.RecipientIdentifier, Creator: d.Creator,
			Access: d.Access,
		},
	}
	for i, r := range d.Requests {
		made, err := request(i, r)
		if err != nil {
			return nil, err
		}
		p.Terms.Requests = append(p.Terms.Requests, made)
	}
	if err := s.name(p); err != nil {
		return nil, err
	}
	p.Standing = payment.Assess(p.Terms, nil, nil, now)
	switch options, err := s.Offers(ctx, p, rail.Payer{}); {
	case err != nil:
		return nil, err
	case len(options) == 0:
		return nil, fault.Field("requests", "no_route", "These requests cannot be paid on their network.")
	}
	return p, nil
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
		if sum.Cmp(maxUint256) > 0 {
			return fault.Field(fmt.Sprintf("requests[%d].amount", i), "amount_too_large", "The amounts and fees together do not fit a 256-bit number.")
		}
	}
	return nil
}

var maxUint256 = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))

func request(i int, r DraftRequest) (payment.Request, error) {
	field := func(name string) string { return fmt.Sprintf("requests[%d].%s", i, name) }
	if r.Amount == nil || r.Amount.Sign() <= 0 {
		return payment.Request{}, fault.Field(field("amount"), "invalid_amount", "amount must be greater than zero.")
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
	if new(big.Int).Add(made.Due, made.FeeAmount()).Cmp(maxUint256) > 0 {
		return payment.Request{}, fault.Field(field("amount"), "amount_too_large", "amount and fee together do not fit a 256-bit number.")
	}
	return made, nil
}

// name has the rails give each request the names they recognise money by.
func (s *Service) name(p *payment.Payment) error {
	named := false
	for _, r := range s.rails {
		n, ok := r.(rail.Naming)
		if !ok {
			continue
		}
		named = true
		for i := range p.Terms.Requests {
			if err := n.Name(p, &p.Terms.Requests[i]); err != nil {
				return fmt.Errorf("name request %d for rail %s: %w", i, r.ID(), err)
			}
		}
	}
	if !named {
		return errors.New("no rail can recognise money for this payment")
	}
	return nil
}
