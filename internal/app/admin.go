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

// AddCredential makes a key and returns its secret, which is not kept. origins
// are the pages that may use a client id; none makes it a backend's.
func (a *Admin) AddCredential(ctx context.Context, m payment.MerchantID, kind merchant.CredentialKind, label string, origins ...string) (merchant.Credential, string, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Credential{}, "", err
	}
	allowed := make([]string, len(origins))
	for i, o := range origins {
		var err error
		if allowed[i], err = merchant.Origin(o); err != nil {
			return merchant.Credential{}, "", err
		}
	}
	now := time.Now().UTC()
	secret := merchant.NewSecret(kind, false)
	c := merchant.Credential{
		ID: payment.NewULID(now), Merchant: m, Kind: kind, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), Label: label, Origins: allowed, CreatedAt: now,
	}
	if kind == merchant.ClientID {
		c.Public = secret
	}
	return c, secret, a.Store.InsertCredential(ctx, c)
}

// AddDestination makes a destination of an ERC-7828 destination id.
func (a *Admin) AddDestination(ctx context.Context, m payment.MerchantID, text string) (merchant.Destination, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Destination{}, err
	}
	to, err := asset.ParseDestination(text)
	if err != nil {
		return merchant.Destination{}, err
	}
	if _, ok := a.book.TokenAt(to.Chain, to.Token); !ok {
		return merchant.Destination{}, fmt.Errorf("token %s on chain %d is not known or its chain is not configured", to.Token, to.Chain)
	}
	now := time.Now().UTC()
	d := merchant.Destination{ID: payment.NewULID(now), Merchant: m, To: to, Active: true, CreatedAt: now}
	return d, a.Store.InsertDestination(ctx, d)
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
