package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/rate"
	"quittance/internal/seal"
	"quittance/internal/store"
)

// Who makes links that nobody can pay is told so, and why; others are told how theirs can be
// paid.
func TestDoctorOfLinks(t *testing.T) {
	const xpub = "xpub6Ce9NcJvTk36xtLSrJLZqE7wtgA5deCeYs7rSQtreh4cj6ByPtrg9sD7V2FNFLPnf8heNP3FGkeV9qwfzvZNSd54JoNXVsXFYSYwHsnJxqP"
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "q.db")
	open := func(key string) *store.Store {
		box, err := seal.New([]byte(strings.Repeat(key, 32)))
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), store.Config{DSN: dsn, Seal: box})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		return db
	}
	hook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(hook.Close)
	db := open("a")
	defer db.Close()
	ctx, now := t.Context(), time.Now().UTC()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	feeds := func(ids ...asset.ID) *DepositSetup {
		of := map[asset.ID]rate.Feed{}
		for _, id := range ids {
			of[id] = rate.Feed{Address: ethFeed, MaxAge: time.Hour}
		}
		return &DepositSetup{Prices: PriceSetup{Feeds: map[asset.ChainID]FeedSetup{asset.SandboxBase: {Feeds: of}}}}
	}
	euros, dollars := feeds("ETH-base", asset.EUR), feeds("ETH-base")
	bank := func(iban string) merchant.BankAccount {
		return merchant.BankAccount{Merchant: "01M", IBAN: iban, Holder: "M", Active: true, CreatedAt: now}
	}
	look := func(db *store.Store, s *DepositSetup) string {
		var out strings.Builder
		d := &doctor{report: func(f Finding) { fmt.Fprintf(&out, "%t %s: %s\n", f.OK, f.Check, f.Detail) }}
		d.links(ctx, Setup{Deposits: s, AllowLoopback: true}, db)
		return out.String()
	}
	must(db.InsertMerchant(ctx, merchant.Merchant{ID: "01M", Name: "M", CreatedAt: now}))
	if got := look(db, euros); got != "true payment links: no merchant has a token for them\n" {
		t.Errorf("without a token: %s", got)
	}
	must(db.InsertCredential(ctx, merchant.Credential{ID: payment.NewULID(now), Merchant: "01M", Kind: merchant.SecPaidToken, Hash: "h", CreatedAt: now}))
	for _, step := range []struct {
		name   string
		before func() error
		setup  *DepositSetup
		want   string
	}{
		{"nothing", func() error { return nil }, euros, "false payment links of merchant 01M: they can be paid in no way: it has no bank account, and it has no key for deposit addresses\n"},
		{"a key", func() error {
			return db.SetBranch(ctx, merchant.Branch{ID: "b", Merchant: "01M", XPub: xpub, Active: true, CreatedAt: now})
		}, euros, "true payment links of merchant 01M: can be paid in currencies on chains; it has no bank account\n"},
		{"no euro", func() error { return nil }, dollars, "false payment links of merchant 01M: they can be paid in no way: it has no bank account, and without a price of the euro nothing is quoted\n"},
		{"no prices", func() error { return nil }, nil, "and without a price of the euro nothing is quoted\n"},
		{"an account", func() error { return db.SetBankAccount(ctx, bank("DE89370400440532013000")) }, dollars, "true bank account of merchant 01M: DE89…3000 of M\n" +
			"true payment links of merchant 01M: can be paid by bank; without a price of the euro nothing is quoted\n"},
		{"both", func() error { return nil }, euros, "true payment links of merchant 01M: can be paid by bank and in currencies on chains\n"},
		{"an account of afar", func() error { return db.SetBankAccount(ctx, bank("TR330006100519786457841326")) }, euros, "false bank account of merchant 01M: not_in_sepa: This account's country takes no part in SEPA."},
		{"a closed account", func() error { return db.CloseBankAccount(ctx, "01M") }, dollars, "in no way: its bank account is not active, and without"},
		{"endpoints", func() error {
			return db.SetLinkSettings(ctx, merchant.LinkSettings{Merchant: "01M", Secret: "whsec_x", Endpoints: []string{hook.URL, "http://127.0.0.1:1/x"}})
		}, euros, "true payment links of merchant 01M: endpoint 0: " + hook.URL + " can be reached\nfalse payment links of merchant 01M: endpoint 1: "},
	} {
		must(step.before())
		if got := look(db, step.setup); !strings.Contains(got, step.want) {
			t.Errorf("%s: got %s, want %s", step.name, got, step.want)
		}
	}
	lost := open("b")
	defer lost.Close()
	if got := look(lost, euros); !strings.Contains(got, "false payment links of merchant 01M: settings: ") {
		t.Errorf("with another seal: %s", got)
	}
}

// Whether payers who hold euros can pay with them is told of each such token.
func TestDoctorOfEuroTokens(t *testing.T) {
	book, err := asset.NewBook(asset.Real())
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	d := &doctor{report: func(f Finding) { said[f.Check] = f.Detail }}
	d.euroTokens(Setup{Book: book}, []asset.ID{"USDC-base", "EURC-base"})
	if len(said) != 2 || said["EURC-base"] != "is enabled" || !strings.HasPrefix(said["EURC-mainnet"], "is not enabled") || d.failed {
		t.Errorf("got %v", said)
	}
}
