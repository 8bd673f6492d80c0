package storetest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/store"
)

const webhookSecret = "whsec_do_not_leave_this_readable"

func (f *fixture) endpoint(t testing.TB, m payment.MerchantID, url string) merchant.Endpoint {
	t.Helper()
	e := merchant.Endpoint{ID: f.id(), Merchant: m, URL: url, Secret: webhookSecret, ClientID: "cli_1", Active: true, CreatedAt: start}
	must(t, f.InsertEndpoint(t.Context(), e))
	return e
}

var settings = merchant.ClientSettings{
	FeePercentage: "2.5", FeeAddress: address(11), OperatorWallet: address(12), PreApprovalExpiry: time.Hour, AuthorizationExpiry: 24 * time.Hour,
}

var merchants = map[string]func(*testing.T, *fixture){
	"merchants": func(t *testing.T, f *fixture) {
		a, b := f.merchant(t), f.merchant(t)
		got, err := f.Merchant(t.Context(), b.ID)
		must(t, err)
		exact(t, "one", got, b)
		all, err := f.Merchants(t.Context())
		must(t, err)
		exact(t, "all", all, []merchant.Merchant{a, b})
		refused(t, "the same id", f.InsertMerchant(t.Context(), a), fault.Conflict, "merchant_exists")
		_, err = f.Merchant(t.Context(), "01KE0000000000000000000000")
		refused(t, "an unknown one", err, fault.NotFound, "merchant_not_found")
	},

	"credentials": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		var want []merchant.Credential
		for i, kind := range []merchant.CredentialKind{merchant.APIKey, merchant.ClientID, merchant.SpacePaySecret, merchant.SecPaidToken} {
			c := merchant.Credential{
				ID: f.id(), Merchant: m, Kind: kind, Hash: hash(i % 2)[2:], Hint: "qk_live_abcd…", Label: "shop", CreatedAt: start,
			}
			if kind == merchant.ClientID {
				c.Origins = []string{"https://shop.example", "http://localhost:3000"}
				c.Public, c.Destination = "cli_1", f.id()
				c.Settings = settings
				c.InactiveAt, c.LastUsedAt, c.UpdatedAt = start.Add(time.Microsecond), start.Add(time.Second), start.Add(2*time.Second)
			}
			must(t, f.InsertCredential(t.Context(), c))
			want = append(want, c)
		}
		all, err := f.Credentials(t.Context(), m)
		must(t, err)
		exact(t, "all", all, want)
		got, err := f.CredentialByHash(t.Context(), merchant.ClientID, hash(1)[2:])
		must(t, err)
		exact(t, "by hash", got, want[1])
		_, err = f.CredentialByHash(t.Context(), merchant.ClientID, hash(0)[2:])
		refused(t, "another kind's hash", err, fault.NotFound, "credential_not_found")
		twin := want[1]
		twin.ID = f.id()
		refused(t, "the same hash", f.InsertCredential(t.Context(), twin), fault.Conflict, "credential_exists")
		twin.Hash, twin.Merchant = hash(9)[2:], "01KE0000000000000000000000"
		if err := f.InsertCredential(t.Context(), twin); !fault.Is(err, fault.NotFound) {
			t.Errorf("of an unknown merchant: got %v, want NotFound", err)
		}

		refused(t, "revoking another merchant's", f.RevokeCredential(t.Context(), other, want[0].ID, start), fault.NotFound, "credential_not_found")
		must(t, f.RevokeCredential(t.Context(), m, want[0].ID, start.Add(time.Hour)))
		must(t, f.RevokeCredential(t.Context(), m, want[0].ID, start.Add(2*time.Hour)))
		want[0].RevokedAt = start.Add(time.Hour)
		got, err = f.CredentialByHash(t.Context(), merchant.APIKey, hash(0)[2:])
		must(t, err)
		exact(t, "revoked twice", got, want[0])
	},

	"client ids": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		key := merchant.Credential{ID: f.id(), Merchant: m, Kind: merchant.APIKey, Hash: hash(1)[2:], CreatedAt: start}
		want := merchant.Credential{ID: f.id(), Merchant: m, Kind: merchant.ClientID, Hash: hash(2)[2:], Public: "cli_2", Label: "shop", CreatedAt: start}
		must(t, f.InsertCredential(t.Context(), key))
		must(t, f.InsertCredential(t.Context(), want))
		same := func(what string) {
			t.Helper()
			got, err := f.Client(t.Context(), m, want.ID)
			must(t, err)
			exact(t, what, got, want)
		}
		same("as inserted")
		for what, of := range map[string]struct {
			m  payment.MerchantID
			id string
		}{"another merchant's": {other, want.ID}, "an API key": {m, key.ID}, "nobody's": {m, f.id()}} {
			_, err := f.Client(t.Context(), of.m, of.id)
			refused(t, what, err, fault.NotFound, "client_id_not_found")
			_, err = f.UpdateClient(t.Context(), of.m, of.id, func(c *merchant.Credential) error { c.Label = "mine now"; return nil })
			refused(t, "changing "+what, err, fault.NotFound, "client_id_not_found")
		}

		change := func(c *merchant.Credential) error {
			c.Label, c.Origins, c.Settings, c.Destination = "new", []string{"https://new.example"}, settings, "01KE"
			c.InactiveAt, c.UpdatedAt = start.Add(time.Minute), start.Add(time.Hour)
			return nil
		}
		must(t, change(&want))
		got, err := f.UpdateClient(t.Context(), m, want.ID, change)
		must(t, err)
		exact(t, "what became of it", got, want)
		same("changed")
		_, err = f.UpdateClient(t.Context(), m, want.ID, func(c *merchant.Credential) error { c.Label = "half"; return errRollback })
		if !errors.Is(err, errRollback) {
			t.Errorf("a change that fails: got %v", err)
		}
		same("after a change that failed")

		must(t, f.TouchCredential(t.Context(), want.ID, start.Add(2*time.Hour)))
		must(t, f.TouchCredential(t.Context(), want.ID, start.Add(time.Hour)))
		want.LastUsedAt = start.Add(2 * time.Hour)
		same("used")

		_, err = f.UpdateClient(t.Context(), m, want.ID, func(c *merchant.Credential) error { c.RevokedAt = start.Add(time.Hour); return nil })
		must(t, err)
		want.RevokedAt = start.Add(time.Hour)
		_, err = f.UpdateClient(t.Context(), m, want.ID, func(c *merchant.Credential) error { c.RevokedAt = time.Time{}; return nil })
		refused(t, "a revoked one", err, fault.Conflict, "revoked")
		same("revoked")
	},

	"of many changes to a client id none is lost": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		c := merchant.Credential{ID: f.id(), Merchant: m, Kind: merchant.ClientID, Hash: hash(1)[2:], CreatedAt: start}
		must(t, f.InsertCredential(t.Context(), c))
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				_, err := f.UpdateClient(t.Context(), m, c.ID, func(c *merchant.Credential) error { c.Label += "x"; return nil })
				if err != nil {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		got, err := f.Client(t.Context(), m, c.ID)
		must(t, err)
		if len(got.Label) != 16 {
			t.Errorf("%d of 16 changes are there", len(got.Label))
		}
	},

	"endpoints": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		a, b := f.endpoint(t, m, "https://a.example/"), f.endpoint(t, m, "https://b.example/")
		f.endpoint(t, other, "https://a.example/")
		list := func(what string, want ...merchant.Endpoint) {
			t.Helper()
			got, err := f.Endpoints(t.Context(), m)
			must(t, err)
			exact(t, what, got, want)
		}
		list("all", a, b)
		twin := a
		twin.ID = f.id()
		refused(t, "the same URL", f.InsertEndpoint(t.Context(), twin), fault.Conflict, "webhook_exists")
		must(t, f.SetEndpointActive(t.Context(), m, a.ID, false))
		a.Active = false
		list("switched off", a, b)
		refused(t, "switching another merchant's", f.SetEndpointActive(t.Context(), other, a.ID, true), fault.NotFound, "webhook_not_found")
		refused(t, "deleting another merchant's", f.DeleteEndpoint(t.Context(), other, a.ID), fault.NotFound, "webhook_not_found")
		must(t, f.DeleteEndpoint(t.Context(), m, a.ID))
		list("deleted", b)
		refused(t, "deleting again", f.DeleteEndpoint(t.Context(), m, a.ID), fault.NotFound, "webhook_not_found")
		must(t, f.InsertEndpoint(t.Context(), twin))
	},

	"destinations": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		add := func(m payment.MerchantID, wallet int, c asset.ChainID, token int, active bool) merchant.Destination {
			d := merchant.Destination{
				ID: f.id(), Merchant: m, Active: active, CreatedAt: start, WalletType: merchant.EOA,
				To: asset.Destination{Wallet: address(wallet), Chain: c, Token: address(token)},
			}
			switch token {
			case 2:
				d.WalletType = merchant.Contract
			case 3:
				policy := access(5)
				d.Access = &policy
			case 4:
				d.Access = &payment.Access{} // everyone, whatever the merchant says
			}
			must(t, f.InsertDestination(t.Context(), d))
			return d
		}
		first := add(m, 1, chain, 1, true)
		elsewhere := add(m, 1, 1, 1, true)
		foreign := add(other, 1, chain, 1, true)
		idle := add(m, 1, chain, 3, false)
		second := add(m, 1, chain, 2, true)
		first.Active = false
		list := func(what string, m payment.MerchantID, want ...merchant.Destination) {
			t.Helper()
			got, err := f.Destinations(t.Context(), m)
			must(t, err)
			exact(t, what, got, want)
		}
		list("after a replacement", m, first, elsewhere, idle, second)
		list("of the other", other, foreign)
		refused(t, "another merchant's", f.DeactivateDestination(t.Context(), other, second.ID), fault.NotFound, "destination_not_found")
		must(t, f.DeactivateDestination(t.Context(), m, second.ID))
		second.Active = false
		list("deactivated", m, first, elsewhere, idle, second)
		refused(t, "the same id", f.InsertDestination(t.Context(), idle), fault.Conflict, "destination_exists")
	},

	"a destination that moves": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		add := func(chain asset.ChainID) merchant.Destination {
			d := merchant.Destination{ID: f.id(), Merchant: m, Active: true, CreatedAt: start, WalletType: merchant.EOA,
				To: asset.Destination{Wallet: address(1), Chain: chain, Token: address(2)}}
			must(t, f.InsertDestination(t.Context(), d))
			return d
		}
		moved, there := add(1), add(10)
		policy := access(5)
		moved.To.Chain, moved.To.Token, moved.WalletType, moved.Access = 10, address(3), merchant.Contract, &policy
		foreign := moved
		foreign.Merchant = other
		refused(t, "another merchant's", f.MoveDestination(t.Context(), foreign), fault.NotFound, "destination_not_found")
		must(t, f.MoveDestination(t.Context(), moved))
		there.Active = false
		all, err := f.Destinations(t.Context(), m)
		must(t, err)
		exact(t, "moved to where another one was", all, []merchant.Destination{moved, there})
		active, err := f.ActiveDestinations(t.Context(), m)
		must(t, err)
		exact(t, "active", active, []merchant.Destination{moved})
		got, err := f.Destination(t.Context(), m, there.ID)
		must(t, err)
		exact(t, "by id", got, there)
		_, err = f.Destination(t.Context(), other, there.ID)
		refused(t, "another merchant's by id", err, fault.NotFound, "destination_not_found")
		refused(t, "an inactive one", f.MoveDestination(t.Context(), there), fault.NotFound, "destination_not_found")
	},

	"of many destinations added at once one is active": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var group sync.WaitGroup
		for i := range 16 {
			d := merchant.Destination{
				ID: f.id(), Merchant: m, Active: true, CreatedAt: start, To: asset.Destination{Wallet: address(1), Chain: chain, Token: address(i)},
			}
			group.Go(func() {
				if err := f.InsertDestination(t.Context(), d); err != nil && !fault.Is(err, fault.Conflict) {
					t.Errorf("got %v", err)
				}
			})
		}
		group.Wait()
		all, err := f.Destinations(t.Context(), m)
		must(t, err)
		active := 0
		for _, d := range all {
			if d.Active {
				active++
			}
		}
		if active != 1 {
			t.Errorf("%d of %d are active, want 1", active, len(all))
		}
	},

	"a webhook's secret is not readable in the database": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e := f.endpoint(t, m, "https://a.example/")
		wrong, err := seal.New(bytes.Repeat([]byte{9}, seal.KeySize))
		must(t, err)
		s, err := store.Open(t.Context(), store.Config{DSN: f.dsn, Seal: wrong})
		must(t, err)
		defer s.Close()
		if got, err := s.Endpoints(t.Context(), m); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("with another key: got %v, %v, want ErrUnknownKey", got, err)
		}
		path, isFile := strings.CutPrefix(f.dsn, "sqlite:")
		if !isFile {
			return
		}
		files, err := filepath.Glob(path + "*")
		must(t, err)
		found := false
		for _, name := range files {
			b, err := os.ReadFile(name)
			must(t, err)
			if bytes.Contains(b, []byte(webhookSecret)) {
				t.Errorf("%s contains the secret", filepath.Base(name))
			}
			found = found || bytes.Contains(b, []byte(e.URL))
		}
		if !found {
			t.Errorf("the files %v do not even contain the URL: the search is worth nothing", files)
		}
	},
}
