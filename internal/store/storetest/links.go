package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/seal"
	"quittance/internal/store"
	"quittance/internal/webhook"
)

// euros makes a payment link that is not stored yet.
func (f *fixture) euros(m payment.MerchantID, cents int64) *payment.Payment {
	p := f.dollars(m, cents)
	p.Terms.Dialect, p.Terms.ExpiresAt, p.Terms.PayerCancels = "secpaid", payment.Endless, true
	r := &p.Terms.Requests[0]
	r.Asset = asset.EUR
	r.Bank = &payment.BankTransfer{
		Holder: "Café \"Näher\"", Account: "DE89370400440532013000", Words: "Danke", Reference: "RF18" + f.id(), Text: "Danke RF18",
	}
	r.Handles = append(r.Handles, payment.Handle{Rail: "sepa", Value: r.Bank.Reference})
	p.Standing = payment.Assess(p.Terms, nil, nil, start)
	return p
}

func (f *fixture) insert(t testing.TB, p *payment.Payment) *payment.Payment {
	t.Helper()
	f.write(t, func(tx checkout.Tx) error { return tx.InsertPayment(t.Context(), p) })
	return p
}

// cancel stores that a payment was called off.
func (f *fixture) cancel(t testing.TB, p *payment.Payment, by payment.Canceler, at time.Time) {
	t.Helper()
	p.Terms.CanceledAt, p.Terms.CanceledBy, p.Standing.State = at, by, payment.Canceled
	f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
}

// sealedWith opens the database with another key.
func (f *fixture) sealedWith(t testing.TB, key byte) *store.Store {
	t.Helper()
	box, err := seal.New(bytes.Repeat([]byte{key}, seal.KeySize))
	must(t, err)
	s, err := store.Open(t.Context(), store.Config{DSN: f.dsn, Seal: box})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// hidden checks that the files of a database hold a text that is no secret, and none of
// those that are. Of databases without files it checks nothing.
func (f *fixture) hidden(t testing.TB, open string, secrets ...string) {
	t.Helper()
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
		for _, secret := range secrets {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%s contains a secret", filepath.Base(name))
			}
		}
		found = found || bytes.Contains(b, []byte(open))
	}
	if !found {
		t.Errorf("the files %v do not even contain %q: the search is worth nothing", files, open)
	}
}

var links = map[string]func(*testing.T, *fixture){
	"what is due in euros comes out as it went in": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		split := f.euros(m, 4999)
		split.Terms.PayerCancels = false
		for i := range 2 {
			r := f.draw(m, 1).Terms.Requests[0]
			r.Index, r.Asset, r.Due, r.Chain = i+1, asset.EUR, money.Cents(1), asset.ChainID(1<<62)
			split.Terms.Requests = append(split.Terms.Requests, r)
		}
		nowhere := f.euros(m, 1)
		nowhere.Terms.Requests[0].Payee, nowhere.Terms.Requests[0].Handles = asset.Address{}, nil
		hostile := f.euros(m, 1)
		hostile.Terms.Requests[0].Bank.Words = "\"}\x00'☕"
		for _, p := range []*payment.Payment{f.euros(m, 4999), split, nowhere, hostile} {
			f.insert(t, p)
			sameStored(t, "stored", f.load(t, p.ID), p)
			sameStored(t, "on another node", f.node(t).load(t, p.ID), p)
		}
		if p := f.load(t, split.ID); !p.Terms.Endless() || !p.Terms.Requests[1].Quoted() || p.Terms.Requests[0].Quoted() {
			t.Errorf("%+v", p.Terms)
		}
	},

	"what has no end is never overdue": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		f.insert(t, f.euros(m, 1))
		other := f.insert(t, f.draw(m, 1))
		for _, now := range []time.Time{start.Add(2 * time.Hour), payment.Endless, payment.Endless.AddDate(1000, 0, 0)} {
			got, err := f.Overdue(t.Context(), now, 10)
			must(t, err)
			exact(t, now.String(), got, []payment.ID{other.ID})
		}
	},

	"a secret is its payment's": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		p, q := f.euros(m, 1), f.insert(t, f.euros(m, 1))
		const secret = "0123456789abcdef0123456789abcdef"
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), p))
			return tx.PutSecret(t.Context(), p.ID, secret)
		})
		for id, want := range map[payment.ID]string{p.ID: secret, q.ID: "", "01KE0000000000000000000000": ""} {
			got, err := f.node(t).Secret(t.Context(), id)
			if err != nil || got != want {
				t.Errorf("of %s: %q, %v", id, got, err)
			}
		}
		if got, err := f.sealedWith(t, 9).Secret(t.Context(), p.ID); !errors.Is(err, seal.ErrUnknownKey) || got != "" {
			t.Errorf("with another key: %q, %v", got, err)
		}
		f.hidden(t, p.Terms.Alias, secret)
		put := func(id payment.ID) error {
			return f.Write(t.Context(), func(tx checkout.Tx) error { return tx.PutSecret(t.Context(), id, "x") })
		}
		refused(t, "a second one", put(p.ID), fault.Conflict, "payment_exists")
		refused(t, "nobody's", put("01KE0000000000000000000000"), fault.NotFound, "payment_not_found")
	},

	"the first look at settings makes one secret, whoever looks": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		secrets := make([]string, 16)
		var each sync.WaitGroup
		for i := range secrets {
			each.Go(func() {
				l, err := nodes[i%2].LinkSettings(t.Context(), m)
				if err != nil {
					t.Error(err)
				}
				secrets[i] = l.Secret
			})
		}
		each.Wait()
		if key, err := webhook.Key(secrets[0]); err != nil || len(key) != 32 {
			t.Errorf("the secret is no secret of webhooks: %v", err)
		}
		for _, got := range secrets {
			if got != secrets[0] {
				t.Fatal("two looks made two secrets")
			}
		}
		got, err := f.LinkSettings(t.Context(), m)
		must(t, err)
		exact(t, "before anything was set", got, merchant.LinkSettings{Merchant: m, Secret: secrets[0]})
		other, err := f.LinkSettings(t.Context(), f.merchant(t).ID)
		must(t, err)
		if other.Secret == secrets[0] {
			t.Error("two merchants have one secret")
		}
		_, err = f.LinkSettings(t.Context(), "01KE0000000000000000000009")
		refused(t, "nobody's", err, fault.NotFound, "merchant_not_found")
		refused(t, "nobody's", f.SetLinkSettings(t.Context(), merchant.LinkSettings{Merchant: "01KE0000000000000000000009"}), fault.NotFound, "merchant_not_found")
	},

	"settings are replaced whole, and their secrets are sealed": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		set := merchant.LinkSettings{
			Merchant: m, Callbacks: []string{"https://shop.example/danke?ü=\"1\"", "https://b.example/"}, Endpoints: []string{"https://a.example/hook"},
			Default: "0,https://c.example/", ServiceFee: 250, TellCancel: true, Encrypted: true, EncryptionKey: "an encryption key",
			Secret: webhook.NewSecret(), PreviousSecret: webhook.NewSecret(), PreviousUntil: start.Add(time.Hour),
		}
		must(t, f.SetLinkSettings(t.Context(), set))
		stored := func(what string, want merchant.LinkSettings) {
			t.Helper()
			got, err := f.node(t).LinkSettings(t.Context(), m)
			must(t, err)
			exact(t, what, got, want)
		}
		stored("set", set)
		f.hidden(t, "https://a.example/hook", set.EncryptionKey, set.Secret, set.PreviousSecret)
		if _, err := f.sealedWith(t, 9).LinkSettings(t.Context(), m); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("with another key: %v", err)
		}
		must(t, f.SetLinkSettings(t.Context(), merchant.LinkSettings{Merchant: m}))
		stored("without a secret", merchant.LinkSettings{Merchant: m, Secret: set.Secret, PreviousSecret: set.PreviousSecret, PreviousUntil: set.PreviousUntil})
		next := merchant.LinkSettings{Merchant: m, Secret: webhook.NewSecret()}
		must(t, f.SetLinkSettings(t.Context(), next))
		stored("with a secret of its own", next)
	},

	"a merchant has one active account, and keeps the others": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		account := func(m payment.MerchantID, iban string, after time.Duration) merchant.BankAccount {
			a := merchant.BankAccount{Merchant: m, IBAN: iban, BIC: "COBADEFFXXX", Holder: "Café \"Näher\"", Active: true, CreatedAt: start.Add(after)}
			must(t, f.SetBankAccount(t.Context(), a))
			return a
		}
		_, err := f.BankAccount(t.Context(), m)
		refused(t, "before any", err, fault.NotFound, "no_bank_account")
		refused(t, "before any", f.CloseBankAccount(t.Context(), m), fault.NotFound, "no_bank_account")
		first, second := account(m, "DE89370400440532013000", 0), account(m, "NL91ABNA0417164300", time.Second)
		foreign := account(other, "DE89370400440532013000", 0)
		first.Active = false
		all := func(what string, m payment.MerchantID, want ...merchant.BankAccount) {
			t.Helper()
			got, err := f.node(t).BankAccounts(t.Context(), m)
			must(t, err)
			exact(t, what, got, want)
		}
		all("the merchant's", m, first, second)
		all("everybody's", "", first, second, foreign)
		got, err := f.BankAccount(t.Context(), m)
		must(t, err)
		exact(t, "active", got, second)

		again := first
		again.BIC, again.Holder, again.CreatedAt = "", "Another Name", start.Add(time.Hour)
		must(t, f.SetBankAccount(t.Context(), again))
		first.BIC, first.Holder, first.Active, second.Active = "", "Another Name", true, false
		all("after the first was set again", m, first, second)
		must(t, f.CloseBankAccount(t.Context(), m))
		first.Active = false
		all("closed", "", first, second, foreign)
		_, err = f.BankAccount(t.Context(), m)
		refused(t, "closed", err, fault.NotFound, "no_bank_account")
		refused(t, "nobody's", f.SetBankAccount(t.Context(), merchant.BankAccount{Merchant: "01KE0000000000000000000009"}), fault.NotFound, "merchant_not_found")
	},

	"nodes that set accounts at once leave one active": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		nodes := []*fixture{f, f.node(t)}
		var each sync.WaitGroup
		for i := range 8 {
			each.Go(func() {
				if err := nodes[i%2].SetBankAccount(t.Context(), merchant.BankAccount{Merchant: m, IBAN: fmt.Sprint("DE", i), CreatedAt: start}); err != nil {
					t.Error(err)
				}
			})
		}
		each.Wait()
		all, err := f.BankAccounts(t.Context(), m)
		must(t, err)
		active := 0
		for _, a := range all {
			if a.Active {
				active++
			}
		}
		if len(all) != 8 || active != 1 {
			t.Errorf("%d accounts, of which %d are active", len(all), active)
		}
	},

	"an endpoint of a dialect is made once, and is nobody else's": func(t *testing.T, f *fixture) {
		m, other := f.merchant(t).ID, f.merchant(t).ID
		const url = "https://a.example/hook"
		registered := f.endpoint(t, m, url)
		nodes := []*fixture{f, f.node(t)}
		made := make([]merchant.Endpoint, 16)
		var each sync.WaitGroup
		for i := range made {
			each.Go(func() {
				e, err := nodes[i%2].DialectEndpoint(t.Context(), m, "secpaid", url)
				if err != nil {
					t.Error(err)
				}
				made[i] = e
			})
		}
		each.Wait()
		e := made[0]
		for _, got := range made {
			exact(t, "found", got, e)
		}
		l, err := f.LinkSettings(t.Context(), m)
		must(t, err)
		if e.ID == registered.ID || e.Merchant != m || e.URL != url || e.Dialect != "secpaid" || !e.Active || e.ClientID != "" || e.CreatedAt.IsZero() || e.Secret != l.Secret {
			t.Errorf("made %+v", e)
		}
		seen := map[string]bool{e.ID: true}
		for _, x := range []struct {
			m            payment.MerchantID
			dialect, url string
		}{{other, "secpaid", url}, {m, "another", url}, {m, "secpaid", url + "/"}} {
			got, err := f.DialectEndpoint(t.Context(), x.m, x.dialect, x.url)
			must(t, err)
			if seen[got.ID] || got.Merchant != x.m || got.Dialect != x.dialect || got.URL != x.url {
				t.Errorf("%+v gave %+v", x, got)
			}
			seen[got.ID] = true
		}
		all, err := f.Endpoints(t.Context(), m)
		must(t, err)
		exact(t, "the merchant's", all, []merchant.Endpoint{registered})
		_, err = f.Endpoint(t.Context(), m, e.ID)
		refused(t, "looked up", err, fault.NotFound, "webhook_not_found")
		refused(t, "switched off", f.SetEndpointActive(t.Context(), m, e.ID, false), fault.NotFound, "webhook_not_found")
		refused(t, "deleted", f.DeleteEndpoint(t.Context(), m, e.ID), fault.NotFound, "webhook_not_found")
		refused(t, "with another secret", f.RotateSecret(t.Context(), e.ID, e.Secret, webhook.NewSecret(), start), fault.NotFound, "webhook_not_found")
		_, err = f.DialectEndpoint(t.Context(), "01KE0000000000000000000009", "secpaid", url)
		refused(t, "nobody's", err, fault.NotFound, "merchant_not_found")
	},

	"an endpoint of a dialect signs with the secrets of the settings": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e, err := f.DialectEndpoint(t.Context(), m, "secpaid", "https://a.example/hook")
		must(t, err)
		d := f.delivery(m, e.ID, f.id())
		d.Dialect, d.Event, d.Get = "secpaid", "link.callback", "https://a.example/hook?status=success"
		post := f.delivery(m, e.ID, d.EventID)
		must(t, f.SaveDeliveries(t.Context(), nil, []webhook.Delivery{d, post}))
		for _, want := range []webhook.Delivery{d, post} {
			got, to, err := f.node(t).Delivery(t.Context(), want.ID)
			must(t, err)
			exact(t, "delivery", got, want)
			exact(t, "endpoint", to, e)
		}
		l, err := f.LinkSettings(t.Context(), m)
		must(t, err)
		l.Secret, l.PreviousSecret, l.PreviousUntil = webhook.NewSecret(), l.Secret, start.Add(time.Hour)
		must(t, f.SetLinkSettings(t.Context(), l))
		e.Secret, e.PreviousSecret, e.PreviousUntil = l.Secret, l.PreviousSecret, l.PreviousUntil
		_, to, err := f.node(t).Delivery(t.Context(), d.ID)
		must(t, err)
		exact(t, "after another secret was set", to, e)
	},

	"who names an endpoint again switches it on again": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		e, err := f.DialectEndpoint(t.Context(), m, "secpaid", "https://a.example/hook")
		must(t, err)
		id := f.to(t, e, false)
		f.attempted(t, id, failure(start), webhook.Exhausted, time.Time{})
		off, err := f.Disable(t.Context(), e.ID, start, "It failed.", nil, nil)
		must(t, err)
		_, to, err := f.Delivery(t.Context(), id)
		must(t, err)
		if !off || to.Active || to.DisabledWhy == "" {
			t.Fatalf("switched off: %+v", to)
		}
		again, err := f.node(t).DialectEndpoint(t.Context(), m, "secpaid", e.URL)
		must(t, err)
		exact(t, "again", again, e)
		if off, err = f.Disable(t.Context(), e.ID, start, "It failed.", nil, nil); off || err != nil {
			t.Errorf("old failures switch it off: %t, %v", off, err)
		}
	},

	"what may be sent to links is what they asked for lately": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		f.branch(t, m)
		p, split := f.euros(m, 250), f.euros(m, 250)
		split.Terms.Requests[0].Chain = chain
		lately, long, elsewhere := quote(f.id(), 0), quote(f.id(), -48*time.Hour), quote(f.id(), 0)
		lately.Asset, long.Asset, elsewhere.Asset = asset.ID("L"+f.id()), asset.ID("O"+f.id()), asset.ID("S"+f.id())
		f.write(t, func(tx checkout.Tx) error {
			must(t, tx.InsertPayment(t.Context(), p))
			must(t, tx.InsertPayment(t.Context(), split))
			must(t, tx.InsertQuote(t.Context(), p.ID, lately))
			must(t, tx.InsertQuote(t.Context(), p.ID, long))
			return tx.InsertQuote(t.Context(), split.ID, elsewhere)
		})
		at := func(now time.Time) map[asset.ID]time.Time {
			t.Helper()
			all, err := f.Quoted(t.Context(), now)
			must(t, err)
			return all
		}
		until := lately.ExpiresAt.Add(24 * time.Hour)
		exact(t, "while the quote is good", at(start), map[asset.ID]time.Time{lately.Asset: until})
		exact(t, "until a day later", at(until.Add(-time.Microsecond)), map[asset.ID]time.Time{lately.Asset: until})
		exact(t, "then", at(until), map[asset.ID]time.Time{})
		f.cancel(t, f.load(t, p.ID), payment.ByPayer, start)
		exact(t, "when it was called off", at(start), map[asset.ID]time.Time{})
	},

	"addresses of links are over when these are paid or called off": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		b := f.branch(t, m, 1, 2, 3, 4, 5, 6)
		give := func(p *payment.Payment) *payment.Payment {
			f.write(t, func(tx checkout.Tx) (err error) {
				p.Terms.Requests[0].Payee, err = tx.TakeAddress(t.Context(), m, p.ID, 0, p.Terms.CreatedAt)
				must(t, err)
				return tx.InsertPayment(t.Context(), p)
			})
			return p
		}
		open, paid, off, ended := give(f.euros(m, 1)), give(f.euros(m, 2)), give(f.euros(m, 3)), give(f.dollars(m, 4))
		paid.Standing.State, paid.Standing.SettledAt = payment.Paid, start.Add(2*time.Hour)
		f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), paid) })
		f.cancel(t, off, payment.ByDeletion, start.Add(3*time.Hour))
		over := func(at time.Time) (found []payment.ID) {
			t.Helper()
			for seq := int64(0); ; {
				page, err := f.AddressesOver(t.Context(), seq, at, 1)
				must(t, err)
				if len(page) == 0 {
					return found
				}
				seq, found = page[0].Seq, append(found, page[0].Payment)
				if page[0].Branch != b.ID {
					t.Errorf("%+v", page[0])
				}
			}
		}
		for _, c := range []struct {
			after time.Duration
			want  []payment.ID
		}{
			{time.Hour - time.Microsecond, nil},
			{time.Hour, []payment.ID{ended.ID}},
			{2 * time.Hour, []payment.ID{paid.ID, ended.ID}},
			{3 * time.Hour, []payment.ID{paid.ID, off.ID, ended.ID}},
			{payment.Endless.Sub(start) + time.Hour, []payment.ID{paid.ID, off.ID, ended.ID}},
		} {
			exact(t, c.after.String(), over(start.Add(c.after)), c.want)
		}
		if open.Standing.State != payment.Open {
			t.Error("the open one is not open")
		}
	},

	"lists leave out what was deleted, and go by when it was paid": func(t *testing.T, f *fixture) {
		m := f.merchant(t).ID
		var all []*payment.Payment
		for i := range 40 {
			p := f.euros(m, int64(i%5+1))
			p.Terms.CreatedAt = start.Add(time.Duration(i/3) * time.Second)
			f.insert(t, p)
			switch i % 4 {
			case 1:
				f.cancel(t, p, []payment.Canceler{payment.ByMerchant, payment.ByPayer, payment.ByDeletion}[i/4%3], start)
			case 2:
				p.Standing.State, p.Standing.SettledAt = payment.Paid, start.Add(time.Duration(i*7%11)*time.Hour)
				f.write(t, func(tx checkout.Tx) error { return tx.SaveStanding(t.Context(), p) })
			}
			all = append(all, p)
		}
		found := 0
		for n := range 64 {
			l := checkout.Listing{
				Merchant: m, Dialect: "secpaid", Limit: 7, Offset: n % 3 * 5, ByPaid: n&1 != 0, Deleted: n&2 != 0, Ascending: n&4 != 0,
				States: [][]checkout.StatePart{nil, {{State: payment.Paid}}, {{State: payment.Canceled}}, {{State: payment.Open}, {State: payment.Canceled}}}[n/8%4],
				Search: []string{"", "alias"}[n/32],
			}
			checkList(t, f, l, all)
			_, total, err := f.List(t.Context(), l)
			must(t, err)
			found += total
		}
		if found < 500 {
			t.Errorf("the listings found %d payments", found)
		}
	},

	"an amount that is more than any": func(t *testing.T, f *fixture) {
		p := f.euros(f.merchant(t).ID, 1)
		p.Terms.Requests[0].Due = new(big.Int).Mul(big256(), big256())
		f.insert(t, p)
		sameStored(t, "stored", f.load(t, p.ID), p)
	},
}
