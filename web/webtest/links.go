package webtest

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
	"quittance/internal/desk"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/secpaid"
)

// The merchant's bank account, unless a test says otherwise.
const (
	IBAN   = "DE89370400440532013000"
	Holder = "Test Store & Sons"
)

// Links has the merchant take payment links in euros: with a token, and with a bank account.
// With Options.Deposits they can be paid in tokens, too.
type Links struct {
	NoAccount bool                         // the merchant has no bank account
	Settings  func(*merchant.LinkSettings) // what the merchant has set, nil for nothing
}

func (w *World) seedLinks(o Options) {
	w.t.Helper()
	if o.Links == nil {
		return
	}
	w.SecPaidToken = w.AddSecPaidToken(w.Merchant)
	if !o.Links.NoAccount {
		w.Account = w.SetBankAccount(w.Merchant, Holder, IBAN)
	}
	if o.Links.Settings != nil {
		w.SetLinks(w.Merchant, o.Links.Settings)
	}
}

// AddSecPaidToken makes a token of the SecPaid dialect for a merchant.
func (w *World) AddSecPaidToken(m payment.MerchantID) string {
	w.t.Helper()
	secret := merchant.NewSecret(merchant.SecPaidToken, true)
	err := w.App.Store.InsertCredential(w.t.Context(), merchant.Credential{
		ID: payment.NewULID(time.Now()), Merchant: m, Kind: merchant.SecPaidToken, Hash: merchant.HashSecret(secret), Hint: merchant.Hint(secret), CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		w.t.Fatalf("insert token: %v", err)
	}
	return secret
}

// SetBankAccount makes an account a merchant's active one.
func (w *World) SetBankAccount(m payment.MerchantID, holder, iban string) merchant.BankAccount {
	w.t.Helper()
	a := merchant.BankAccount{Merchant: m, IBAN: iban, Holder: holder, Active: true, CreatedAt: time.Now().UTC()}
	if err := w.App.Store.SetBankAccount(w.t.Context(), a); err != nil {
		w.t.Fatalf("set bank account: %v", err)
	}
	return a
}

// SetLinks changes what a merchant has set for links.
func (w *World) SetLinks(m payment.MerchantID, change func(*merchant.LinkSettings)) {
	w.t.Helper()
	s, err := w.App.Store.LinkSettings(w.t.Context(), m)
	if err != nil {
		w.t.Fatalf("link settings: %v", err)
	}
	change(&s)
	if err := w.App.Store.SetLinkSettings(w.t.Context(), s); err != nil {
		w.t.Fatalf("set link settings: %v", err)
	}
}

// SecPaid calls an operation of the SecPaid dialect ("createLink") with the merchant's token.
func (w *World) SecPaid(operation, body string, headers ...string) Response {
	w.t.Helper()
	return w.Do(http.MethodPost, "/api/v2/"+operation, body, append(headers, "Token: "+w.SecPaidToken)...)
}

// CreateLink makes a payment link of a body and returns its payment.
func (w *World) CreateLink(body string) *payment.Payment {
	w.t.Helper()
	operation := "createLink"
	if bytes.Contains([]byte(body), []byte(`"recipients"`)) {
		operation = "createSplitLink"
	}
	r := w.SecPaid(operation, body).Want(http.StatusOK)
	data, _ := r.JSON()["data"].(map[string]any)
	id, ok := data["id"].(float64)
	if !ok {
		w.t.Fatalf("no link: %s", r.Body)
	}
	return w.Link(strconv.FormatInt(int64(id), 10))
}

// Link finds a link's payment by its number.
func (w *World) Link(alias string) *payment.Payment {
	w.t.Helper()
	p, err := w.App.Checkout.PaymentByAlias(w.t.Context(), secpaid.Name, alias)
	if err != nil {
		w.t.Fatalf("link %s: %v", alias, err)
	}
	return p
}

// Transferred is a bank transfer that a statement tells of.
type Transferred struct {
	Cents   int64
	Text    string
	Account string // to which it came; the merchant's if empty
	Name    string // the bank's own name of the booking, "" for one of its own
	From    string // who paid
}

// Statement writes a statement of one day, of one account.
func Statement(t testing.TB, v camt.Version, ts ...Transferred) []byte {
	t.Helper()
	now := time.Now().UTC()
	s := sample.Statement{Version: v, ID: payment.NewULID(now), Account: IBAN, Owner: Holder, Day: now}
	for _, x := range ts {
		s.Account = bank.IBAN(cmp.Or(x.Account, string(s.Account)))
		s.Bookings = append(s.Bookings, sample.Booking{
			Transaction: sample.Transaction{Cents: x.Cents, Text: x.Text, From: cmp.Or(x.From, "Petra Payer")}, Reference: cmp.Or(x.Name, payment.NewULID(now)),
		})
	}
	xml, err := s.XML()
	if err != nil {
		t.Fatalf("write a statement: %v", err)
	}
	return xml
}

// Import has the server read a statement.
func (w *World) Import(file []byte) desk.Statement {
	w.t.Helper()
	s, err := w.App.ImportStatement(w.t.Context(), "", bytes.NewReader(file), false)
	if err != nil {
		w.t.Fatalf("import a statement: %v", err)
	}
	return s
}

// PayByBank has a statement tell of cents with exactly the text that the payer of a link was
// asked for.
func (w *World) PayByBank(p *payment.Payment, cents int64) desk.Statement {
	w.t.Helper()
	i := slices.IndexFunc(p.Terms.Requests, func(r payment.Request) bool { return r.Bank != nil })
	if i < 0 {
		w.t.Fatal("this link cannot be paid by bank")
	}
	to := p.Terms.Requests[i].Bank
	return w.Import(Statement(w.t, camt.V08, Transferred{Cents: cents, Text: to.Text, Account: to.Account}))
}
