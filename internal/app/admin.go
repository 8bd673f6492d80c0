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
	"quittance/internal/hdkey"
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
	Checkout *checkout.Service // reads, books and cancels; it knows no chain
	Webhooks *webhook.Service
	book     *asset.Book
	setup    Setup
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
	db, err := store.Open(ctx, store.Config{DSN: s.Database, Seal: box, Log: s.Log, Tells: tells(dialects())})
	if err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate database: %w", err), db.Close())
	}
	// Without chains and services there are the rails that need neither: bookings are of them.
	offline, err := rails(ground{Setup: Setup{Book: s.Book, Registry: s.Registry}})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Admin{
		Store: db, book: s.Book, setup: s,
		Checkout: checkout.New(checkout.Config{Store: db, Book: s.Book, Rails: offline, Log: s.Log}),
		Webhooks: webhook.New(webhook.Config{Store: db, Guard: &webhook.Guard{AllowLoopback: s.AllowLoopback}, Log: s.Log}),
	}, nil
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

// DepositKey is what an operator says of a merchant's key for deposit addresses.
type DepositKey struct {
	XPub  string
	Asset string        // of the first quotes, "" for the native currency of the first chain
	Life  time.Duration // of payments, 0 for the default
}

// SetDepositKey makes an extended public key the one that a merchant's new payments get
// their addresses from.
//
// Errors: those of hdkey.OpenBranch, which hold nothing of the key; faults of
// merchant.Branches.
func (a *Admin) SetDepositKey(ctx context.Context, m payment.MerchantID, k DepositKey) (merchant.Branch, error) {
	if _, err := a.Store.Merchant(ctx, m); err != nil {
		return merchant.Branch{}, err
	}
	opened, err := hdkey.OpenBranch(k.XPub)
	if err != nil {
		return merchant.Branch{}, err
	}
	id, err := opened.ID()
	if err != nil {
		return merchant.Branch{}, fmt.Errorf("name the key: %w", err)
	}
	b := merchant.Branch{ID: id, Merchant: m, XPub: k.XPub, Life: k.Life, Active: true, CreatedAt: time.Now().UTC()}
	if k.Asset != "" {
		t, ok := a.book.Token(asset.ID(k.Asset))
		if !ok {
			return merchant.Branch{}, fmt.Errorf("asset %q is not known or its chain is not configured", k.Asset)
		}
		b.Asset = t.ID
	}
	if k.Life < 0 || k.Life > checkout.MaxWindow {
		return merchant.Branch{}, fmt.Errorf("a payment's life is between 0 and %s", checkout.MaxWindow)
	}
	return b, a.Store.SetBranch(ctx, b)
}

// FirstAddresses are the first addresses of a branch, to compare with a wallet's.
func FirstAddresses(b merchant.Branch, n uint32) ([]asset.Address, error) {
	opened, err := hdkey.OpenBranch(b.XPub)
	if err != nil {
		return nil, err
	}
	out := make([]asset.Address, n)
	for i := range n {
		if out[i], err = opened.Address(i); err != nil {
			return nil, err
		}
	}
	return out, nil
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

// Payment finds a payment by its token, or by what a dialect names it: by its id in the
// SpacePay dialect, or as a link by its number, its link_id or its address.
//
// Faults: NotFound; Invalid "invalid_token" for text that is none of these.
func (a *Admin) Payment(ctx context.Context, name string) (*payment.Payment, error) {
	if id, ok := payment.ParseID(name); ok {
		return a.Checkout.Payment(ctx, id)
	}
	p, err := typed(ctx, a.Checkout, dialects(), name)
	if fault.Is(err, fault.NotFound) {
		return nil, fault.New(fault.Invalid, "invalid_token", "This is no payment's token or id.")
	}
	return p, err
}

// GivenBack is a refund as an operator tells of it.
type GivenBack struct {
	Request int    // which request of the payment, from 0
	Tx      string // that gave it back; of a bank's words of the merchant's own, or ""
	To      string // who got it, "" of a bank's
	Amount  string // in units of the asset, "12.50"
	// Asset is of payments that are due in a currency of banks: one that was paid in, or EUR
	// for what went back by a bank; "" for others.
	Asset string
	Full  bool // nothing is left to give back
}

// Refunded records what a merchant says it gave back for a request of a payment.
func (a *Admin) Refunded(ctx context.Context, m payment.MerchantID, name string, b GivenBack) (bool, error) {
	p, err := a.Payment(ctx, name)
	if err != nil {
		return false, err
	}
	r := checkout.Refund{Payment: p.ID, Request: b.Request, Tx: b.Tx, Asset: asset.ID(b.Asset), Full: b.Full}
	if b.Request < 0 || b.Request >= len(p.Terms.Requests) {
		return a.Checkout.Refunded(ctx, m, r) // which says what is wrong
	}
	if r.Asset == asset.EUR {
		return a.refundedByBank(ctx, m, r, b)
	}
	if r.To, err = asset.ParseAddress(b.To); err != nil {
		return false, fmt.Errorf("--to: %w", err)
	}
	of := p.Terms.Requests[b.Request].Asset
	if p.Terms.Requests[b.Request].Fiat() {
		if of = r.Asset; of == "" {
			return false, errors.New("--asset is needed: the payment is due in a currency that is on no chain")
		}
	}
	unit, ok := a.book.Token(of)
	if !ok {
		return false, fmt.Errorf("asset %s is not known or its chain is not configured", of)
	}
	if r.Asset != "" {
		r.Asset = unit.ID // as it is written in the book
	}
	if r.Amount, err = money.Parse(b.Amount, unit.Decimals); err != nil {
		return false, fmt.Errorf("--amount: %w", err)
	}
	return a.Checkout.Refunded(ctx, m, r)
}

// refundedByBank records euros that a bank has brought back. No statement is asked, and who
// got them is not told.
func (a *Admin) refundedByBank(ctx context.Context, m payment.MerchantID, r checkout.Refund, b GivenBack) (bool, error) {
	if b.To != "" {
		return false, errors.New("--to is an account on a chain: leave it out for what went back by a bank")
	}
	cents, err := money.Parse(b.Amount, 2)
	if err != nil || !cents.IsInt64() {
		return false, errors.New("--amount is in euros with at most 2 decimals, like 49.99")
	}
	r.Amount = money.Cents(cents.Int64())
	return a.Checkout.Refunded(ctx, m, r)
}
