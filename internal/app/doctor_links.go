package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"quittance/internal/asset"
	"quittance/internal/bank"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rail/sepa"
	"quittance/internal/store"
	"quittance/internal/webhook"
)

// links checks that payment links can be paid: of each merchant who makes them, whether
// anything is set up that pays them, the bank account that payers are shown, and the
// endpoints that hear of it.
func (d *doctor) links(ctx context.Context, s Setup, db *store.Store) {
	merchants, err := db.Merchants(ctx)
	if err != nil {
		d.check("payment links", err, "")
		return
	}
	accounts, err := db.BankAccounts(ctx, "")
	if err != nil {
		d.check("bank accounts", err, "")
		return
	}
	for _, a := range accounts {
		if a.Active {
			_, err := sepa.NewPayee(a.Holder, a.IBAN, a.BIC)
			d.check("bank account of merchant "+string(a.Merchant), err, bank.IBAN(a.IBAN).Masked()+" of "+a.Holder)
		}
	}
	makers := 0
	for _, m := range merchants {
		keys, err := db.Credentials(ctx, m.ID)
		if err != nil {
			d.check("payment links of merchant "+string(m.ID), err, "")
			continue
		}
		if slices.ContainsFunc(keys, func(c merchant.Credential) bool {
			return c.Kind == merchant.SecPaidToken && c.RevokedAt.IsZero()
		}) {
			makers++
			d.maker(ctx, s, db, m.ID, accounts)
		}
	}
	if makers == 0 {
		d.check("payment links", nil, "no merchant has a token for them")
	}
}

// maker checks one merchant who makes links.
func (d *doctor) maker(ctx context.Context, s Setup, db *store.Store, m payment.MerchantID, accounts []merchant.BankAccount) {
	name := "payment links of merchant " + string(m)
	ways, err := s.waysOf(ctx, db, m, accounts)
	d.check(name, err, ways)
	set, err := db.LinkSettings(ctx, m)
	if !d.check(name+": settings", err, fmt.Sprintf("%d callbacks, %d endpoints", len(set.Callbacks), len(set.Endpoints))) {
		return
	}
	guard := &webhook.Guard{AllowLoopback: s.AllowLoopback}
	for i, url := range set.Endpoints {
		d.check(fmt.Sprintf("%s: endpoint %d", name, i), reach(ctx, guard, url), url+" can be reached")
	}
}

// waysOf words how a merchant's links can be paid; that they cannot be is the error.
func (s Setup) waysOf(ctx context.Context, db *store.Store, m payment.MerchantID, accounts []merchant.BankAccount) (string, error) {
	var ways, lacks []string
	own := slices.DeleteFunc(slices.Clone(accounts), func(a merchant.BankAccount) bool { return a.Merchant != m })
	switch {
	case slices.ContainsFunc(own, func(a merchant.BankAccount) bool { return a.Active }):
		ways = append(ways, "by bank")
	case len(own) > 0:
		lacks = append(lacks, "its bank account is not active")
	default:
		lacks = append(lacks, "it has no bank account")
	}
	branches, err := db.Branches(ctx)
	if err != nil {
		return "", err
	}
	switch {
	case !slices.ContainsFunc(branches, func(b merchant.Branch) bool { return b.Active && b.Merchant == m }):
		lacks = append(lacks, "it has no key for deposit addresses")
	case s.Deposits == nil || !s.Deposits.Prices.priced(asset.EUR):
		lacks = append(lacks, "without a price of the euro nothing is quoted")
	default:
		ways = append(ways, "in currencies on chains")
	}
	if len(ways) == 0 {
		return "", errors.New("they can be paid in no way: " + strings.Join(lacks, ", and "))
	}
	text := "can be paid " + strings.Join(ways, " and ")
	if len(lacks) > 0 {
		text += "; " + strings.Join(lacks, ", and ")
	}
	return text, nil
}

// priced reports whether somebody is asked for the price of an asset.
func (s PriceSetup) priced(id asset.ID) bool {
	for _, f := range s.Feeds {
		if _, ok := f.Feeds[id]; ok {
			return true
		}
	}
	return s.API != nil && s.API.IDs[id] != ""
}

// euroTokens says whether payers who hold euros can pay with them.
func (d *doctor) euroTokens(s Setup, assets []asset.ID) {
	for _, t := range s.Book.Tokens() {
		if t.Symbol != "EURC" {
			continue
		}
		text := "is enabled"
		if !slices.Contains(assets, t.ID) {
			text = "is not enabled, or has no price: payers who hold it have to change it"
		}
		d.check(string(t.ID), nil, text)
	}
}
