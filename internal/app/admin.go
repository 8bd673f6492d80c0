package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/config"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/store"
	"quittance/internal/webhook"
)

// Admin does operators' tasks on a configuration's database, beside a running
// server or without one.
type Admin struct {
	Store    *store.Store
	Checkout *checkout.Service // reads and cancels; it offers no routes
	Webhooks *webhook.Service
	book     *asset.Book
}

// OpenAdmin opens and migrates the database. Close it after use.
func OpenAdmin(ctx context.Context, cfg *config.Config) (*Admin, error) {
	s, err := production(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	box, _, err := secrets(s.Keys)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Config{DSN: s.Database, Seal: box, Log: s.Log})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database: %w", err), db.Close())
	}
	guard := &webhook.Guard{AllowLoopback: s.AllowLoopback}
	return &Admin{Store: db, Checkout: checkout.New(checkout.Config{Store: db, Book: s.Book, Log: s.Log}), Webhooks: webhook.New(webhook.Config{Store: db, Guard: guard, Log: s.Log}), book: s.Book}, nil
}

// Close releases the database.
func (a *Admin) Close() error { return a.Store.Close() }

// AddMerchant makes a merchant. window is how long its payments may be paid, 0
// for the server's default.
func (a *Admin) AddMerchant(ctx context.Context, name string, window time.Duration) (merchant.Merchant, error) {
	if name == "" || len(name) > 200 {
		return merchant.Merchant{}, errors.New("a merchant's name has 1 to 200 bytes")
	}
	if window < 0 || window > checkout.MaxWindow {
		return merchant.Merchant{}, fmt.Errorf("a window is between 0 and %s", checkout.MaxWindow)
	}
	now := time.Now().UTC()
	m := merchant.Merchant{ID: payment.MerchantID(payment.NewULID(now)), Name: name, Window: window, CreatedAt: now}
	return m, a.Store.InsertMerchant(ctx, m)
}

// AddCredential makes a secret and returns it; it is not kept.
func (a *Admin) AddCredential(ctx context.Context, m payment.MerchantID, kind merchant.CredentialKind, label string) (merchant.Credential, string, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Credential{}, "", err
	}
	c, secret := newCredential(m, kind, label)
	return c, secret, a.Store.InsertCredential(ctx, c)
}

func newCredential(m payment.MerchantID, kind merchant.CredentialKind, label string) (merchant.Credential, string) {
	now := time.Now().UTC()
	secret := merchant.NewSecret(kind, false)
	return merchant.Credential{
		ID: payment.NewULID(now), Merchant: m, Kind: kind, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), Label: label, CreatedAt: now,
	}, secret
}

// ClientDraft is what an operator says of a new client id.
type ClientDraft struct {
	Label         string
	Origins       []string // pages that may use it, none for a backend's
	Destination   string   // destination id that it is bound to, "" for none
	FeePercentage string   // "" for no fee
	FeeAddress    string
}

// AddClientID makes a client id.
func (a *Admin) AddClientID(ctx context.Context, m payment.MerchantID, d ClientDraft) (merchant.Credential, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Credential{}, err
	}
	made, public := newCredential(m, merchant.ClientID, d.Label)
	made.Public = public
	var err error
	if made.Origins, err = merchant.Origins(d.Origins); err != nil {
		return made, err
	}
	if made.Settings, err = feeSettings(d.FeePercentage, d.FeeAddress); err != nil {
		return made, err
	}
	if d.Destination != "" {
		bound, err := a.destination(ctx, m, d.Destination)
		if err != nil {
			return made, err
		}
		made.Destination = bound.ID
	}
	return made, a.Store.InsertCredential(ctx, made)
}

func feeSettings(percentage, address string) (merchant.ClientSettings, error) {
	var s merchant.ClientSettings
	if (percentage == "") != (address == "") {
		return s, errors.New("a fee has a percentage and an address")
	}
	if percentage == "" {
		return s, nil
	}
	if _, err := money.ParsePercent(percentage); err != nil {
		return s, errors.New("a fee's percentage is a number from 0 to 100 with at most 2 decimals")
	}
	to, err := asset.ParseAddress(address)
	if err != nil || to.IsZero() {
		return s, errors.New("a fee's address is an EVM address other than zero")
	}
	return merchant.ClientSettings{FeePercentage: percentage, FeeAddress: to}, nil
}

// AddDestination makes a destination of an ERC-7828 destination id. It replaces
// the active one of its wallet on that chain. An operator's word needs no signature.
func (a *Admin) AddDestination(ctx context.Context, m payment.MerchantID, text string, kind merchant.WalletType) (merchant.Destination, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Destination{}, err
	}
	if kind != merchant.EOA && kind != merchant.Contract {
		return merchant.Destination{}, fmt.Errorf("a wallet is %q or %q", merchant.EOA, merchant.Contract)
	}
	to, err := asset.ParseDestination(text)
	if err != nil {
		return merchant.Destination{}, err
	}
	if _, ok := a.book.TokenAt(to.Chain, to.Token); !ok {
		return merchant.Destination{}, fmt.Errorf("token %s on chain %d is not known or its chain is not configured", to.Token, to.Chain)
	}
	now := time.Now().UTC()
	d := merchant.Destination{ID: payment.NewULID(now), Merchant: m, To: to, WalletType: kind, Active: true, CreatedAt: now}
	return d, a.Store.InsertDestination(ctx, d)
}

// RemoveDestination deactivates one of a merchant's destinations, by its
// destination id or its own id.
func (a *Admin) RemoveDestination(ctx context.Context, m payment.MerchantID, text string) error {
	d, err := a.destination(ctx, m, text)
	if err != nil {
		return err
	}
	return a.Store.DeactivateDestination(ctx, m, d.ID)
}

// destination finds one of a merchant's active destinations.
func (a *Admin) destination(ctx context.Context, m payment.MerchantID, text string) (merchant.Destination, error) {
	active, err := a.Store.ActiveDestinations(ctx, m)
	if err != nil {
		return merchant.Destination{}, err
	}
	id, isID := payment.ParseID(text)
	to, err := asset.ParseDestination(text)
	if err != nil && !isID {
		return merchant.Destination{}, err
	}
	for _, d := range active {
		if (isID && d.ID == string(id)) || (!isID && d.To == to) {
			return d, nil
		}
	}
	return merchant.Destination{}, fault.New(fault.NotFound, "destination_not_found", "The merchant has no such active destination.")
}

// AddEndpoint makes a webhook endpoint and returns its secret.
func (a *Admin) AddEndpoint(ctx context.Context, m payment.MerchantID, url string) (merchant.Endpoint, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Endpoint{}, err
	}
	return a.Webhooks.Register(ctx, m, url, "")
}

// Refunded records what a merchant says it gave back for a request of a payment:
// amount is in units of the request's currency, "12.50".
func (a *Admin) Refunded(ctx context.Context, m payment.MerchantID, token string, request int, tx, to, amount string) (bool, error) {
	id, ok := payment.ParseID(token)
	if !ok {
		return false, fault.New(fault.Invalid, "invalid_token", "This is no payment's token.")
	}
	p, err := a.Checkout.Payment(ctx, id)
	if err != nil {
		return false, err
	}
	r := checkout.Refund{Payment: id, Request: request, Tx: tx}
	if request < 0 || request >= len(p.Terms.Requests) {
		return a.Checkout.Refunded(ctx, m, r) // which says what is wrong
	}
	if r.To, err = asset.ParseAddress(to); err != nil {
		return false, fmt.Errorf("--to: %w", err)
	}
	unit, ok := a.book.Token(p.Terms.Requests[request].Asset)
	if !ok {
		return false, fmt.Errorf("asset %s is not known or its chain is not configured", p.Terms.Requests[request].Asset)
	}
	if r.Amount, err = money.Parse(amount, unit.Decimals); err != nil {
		return false, fmt.Errorf("--amount: %w", err)
	}
	return a.Checkout.Refunded(ctx, m, r)
}
