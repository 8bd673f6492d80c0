package checkout_test

import (
	"fmt"
	"slices"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/payment"
	"quittance/internal/rail"
)

// Whose account has sent a transaction is kept if it follows from the wallet, and what
// is merely said is not. A proof that somebody else sent it takes that away.
func TestWhoseAccountSentIt(t *testing.T) {
	w := gasWorld(t)
	p := w.create(100)
	for i, c := range []struct {
		payer rail.Payer
		owner string
	}{
		{rail.Payer{Wallet: accountOf(saver), Owner: saver}, saver.String()},
		{rail.Payer{Wallet: accountOf(saver), Owner: payee}, ""},
		{rail.Payer{Wallet: payee, Owner: saver}, ""},
		{rail.Payer{Wallet: saver, Owner: saver}, ""},
		{rail.Payer{Wallet: accountOf(saver)}, ""},
	} {
		a, err := w.Announce(t.Context(), p.ID, base, hash(i), c.payer)
		must(t, err)
		if a.Payer != c.payer.Wallet.String() || a.Owner != c.owner || a.OwnedBy() != c.owner {
			t.Errorf("%+v: %+v", c.payer, a)
		}
	}
}

func TestWhoseAccountSentItOverABridge(t *testing.T) {
	w := bridgeWorld(t)
	w.relay = newRelay()
	w.restart()
	for i, c := range []struct {
		sender asset.Address // by the proof
		owner  string
	}{{accountOf(saver), saver.String()}, {signer, ""}} {
		p := w.create(100)
		a, err := w.Announce(t.Context(), p.ID, arbitrum, hash(sent+i), rail.Payer{Wallet: accountOf(saver), Owner: saver})
		must(t, err)
		shown := proven(100)
		shown.Payer = c.sender.String()
		w.span.shows(shown)
		w.track(string(p.ID) + " " + a.Key)
		if a := w.attempt(p); a.Stage != payment.Proven || a.Payer != shown.Payer || a.Owner != c.owner {
			t.Errorf("sent by %s: %+v", c.sender, a)
		}
	}
}

// standsOn is a relay whose accounts are on some chains only.
type standsOn struct {
	*relay
	chains []asset.ChainID
}

func (o standsOn) Account(chain asset.ChainID, owner asset.Address) (asset.Address, bool) {
	return accountOf(owner), slices.Contains(o.chains, chain)
}

// An account is shown the ways from chains on which it is its owner's, and why there
// are no others.
func TestOptionsOfAnAccount(t *testing.T) {
	s := newShop(t, checkout.Patience{})
	s.offer("direct", "USDC-base", 100, 0)
	s.offer("bridges", "USDC-mainnet", 105, 100)
	s.holds["USDC-base"], s.holds["USDC-mainnet"] = 1000, 1000
	with := func(chains ...asset.ChainID) {
		s.service = checkout.New(checkout.Config{
			Store: s, Book: s.service.Book(), Rails: []rail.Rail{direct{s}, bridges{s}}, Wallets: s, Gasless: standsOn{newRelay(), chains},
		})
	}
	own := rail.Payer{Wallet: accountOf(shopper.Wallet), Owner: shopper.Wallet}
	for _, c := range []struct {
		chains  []asset.ChainID
		payer   rail.Payer
		ways    []string
		missing string
		refused string
	}{
		{[]asset.ChainID{asset.Base, asset.Mainnet}, own, []string{"direct:USDC-base", "bridges:USDC-mainnet"}, "[]", ""},
		{[]asset.ChainID{asset.Mainnet}, own, []string{"bridges:USDC-mainnet"}, fmt.Sprintf("[%d gasless_unsupported]", asset.Base), "gasless_unsupported"},
		{[]asset.ChainID{asset.Base}, rail.Payer{Wallet: payee, Owner: shopper.Wallet}, nil, fmt.Sprintf("[%d not_the_account %d gasless_unsupported]", asset.Base, asset.Mainnet), "not_the_account"},
		{nil, own, nil, fmt.Sprintf("[%d gasless_unsupported %d gasless_unsupported]", asset.Base, asset.Mainnet), "gasless_unsupported"},
	} {
		with(c.chains...)
		_, o, err := s.service.Options(t.Context(), s.p.ID, c.payer)
		must(t, err)
		var ways []string
		for _, w := range o.Ways {
			ways = append(ways, w.ID)
		}
		var missing []any
		for _, m := range o.Missing {
			if m.Code != "no_bridge" { // which is so for everybody here
				missing = append(missing, m.Chain, m.Code)
			}
		}
		if !slices.Equal(ways, c.ways) || fmt.Sprint(missing) != c.missing {
			t.Errorf("accounts on %v: %v, without %v, want %v, without %s", c.chains, ways, missing, c.ways, c.missing)
		}
		if f := fault.From(s.service.OwnAccount(asset.Base, c.payer)); (f != nil) != (c.refused != "") || f != nil && f.Code != c.refused {
			t.Errorf("accounts on %v: %v, want %q", c.chains, f, c.refused)
		}
	}
	if err := s.service.OwnAccount(asset.Base, shopper); err != nil {
		t.Errorf("a wallet: %v", err)
	}
}
