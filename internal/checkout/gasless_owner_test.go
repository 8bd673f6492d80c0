package checkout_test

import (
	"testing"

	"quittance/internal/asset"
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
