package app_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/app"
	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/desk"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/web/webtest"
)

// otherIBAN is an account of somebody else.
const otherIBAN = "DE02120300000000202051"

// till is a server whose merchant takes bank transfers.
func till(t testing.TB, database string) *webtest.World {
	t.Helper()
	return webtest.NewWith(t, webtest.Options{Database: database, Links: &webtest.Links{}})
}

// onBothEngines runs a test on SQLite and on PostgreSQL.
func onBothEngines(t *testing.T, f func(t *testing.T, database string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, "") })
	t.Run("postgres", func(t *testing.T) { f(t, pgtest.DSN(t)) })
}

func outcomes(s desk.Statement) (out []string) {
	for _, b := range s.Bookings {
		out = append(out, b.Outcome)
	}
	return out
}

func kept(t testing.TB, w *webtest.World, q checkout.BookingQuery) []checkout.Booking {
	t.Helper()
	q.Limit = 100
	bs, err := w.App.Checkout.Bookings(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return bs
}

// came is what has come for a payment, in cents.
func came(p *payment.Payment) int64 {
	sum := new(big.Int)
	for _, x := range p.Transfers {
		sum.Add(sum, x.Credit)
	}
	return sum.Quo(sum, money.Cents(1)).Int64()
}

func textOf(p *payment.Payment) string { return p.Terms.Requests[0].Bank.Text }

// A statement pays what it names, leaves the rest for a person, and changes nothing when it
// is read again, in either version.
func TestStatements(t *testing.T) {
	onBothEngines(t, func(t *testing.T, database string) {
		w := till(t, database)
		whole := w.CreateLink(`{"amount":49.99}`)
		parts := w.CreateLink(`{"amount":20,"bank_statement_description":"Rechnung 12 für Jörg"}`)
		nobodys := "RF" + strings.Repeat("0", 14)
		file := func(v camt.Version) []byte {
			return webtest.Statement(t, v,
				webtest.Transferred{Cents: 4999, Text: textOf(whole), Name: "1"},
				webtest.Transferred{Cents: 1500, Text: strings.ToLower(textOf(parts)), Name: "2"},
				webtest.Transferred{Cents: 700, Text: "Danke fuer alles", Name: "3", From: "Karl Kunde"},
				webtest.Transferred{Cents: 700, Text: textOf(parts) + " " + textOf(whole), Name: "4"},
				webtest.Transferred{Cents: 600, Text: textOf(parts), Name: "5"},
				webtest.Transferred{Cents: 1, Text: nobodys, Name: "6"},
			)
		}
		first := file(camt.V02)
		dry, err := w.App.ImportStatement(t.Context(), "", bytes.NewReader(first), true)
		if err != nil || !dry.Dry {
			t.Fatal(dry, err)
		}
		if bs, p := kept(t, w, checkout.BookingQuery{}), w.Link(whole.Terms.Alias); len(bs) != 0 || p.Version != whole.Version || p.Standing.State != payment.Open {
			t.Fatalf("a dry run has recorded %v, %+v", bs, p.Standing)
		}
		s := w.Import(first)
		want := []string{"exact", "less", "no_reference", "ambiguous", "more", "no_reference"}
		if got := outcomes(s); !slices.Equal(got, want) || !slices.Equal(outcomes(dry), want) {
			t.Fatalf("got %v, dry %v, want %v", got, outcomes(dry), want)
		}
		if sum := sha256.Sum256(first); s.SHA256 != hex.EncodeToString(sum[:]) || s.Left() != 3 || len(s.Messages) != 1 || s.Messages[0].Version != camt.V02 {
			t.Errorf("got %+v", s)
		}
		if n, cents := s.Count("less"); n != 1 || cents != 1500 || s.Bookings[4].Missing != 500 || s.Bookings[1].Missing != 2000 {
			t.Errorf("counted %d of %d, %+v", n, cents, s.Bookings)
		}
		for _, b := range s.Bookings {
			if b.Says() == "" || b.Import == "" || b.Merchant != w.Merchant || b.Counts == (b.Payment == "") || b.Counts == b.Open() {
				t.Errorf("%+v", b)
			}
		}
		if a, b := w.Link(whole.Terms.Alias), w.Link(parts.Terms.Alias); a.Standing.State != payment.Paid || came(a) != 4999 || b.Standing.State != payment.Paid || came(b) != 2100 || b.Standing.Oddity != payment.Over {
			t.Errorf("%+v, %+v", a.Standing, b.Standing)
		}
		open := kept(t, w, checkout.BookingQuery{Merchant: w.Merchant, Open: true})
		if len(open) != 3 || !slices.ContainsFunc(open, func(b checkout.Booking) bool { return b.Debtor == "Karl Kunde" && b.Text == "Danke fuer alles" }) {
			t.Errorf("open: %+v", open)
		}
		for _, v := range []camt.Version{camt.V02, camt.V08} {
			again := w.Import(file(v))
			if n, _ := again.Count("repeated"); n != 6 || again.Left() != 0 {
				t.Errorf("again in %s: %v", v, outcomes(again))
			}
		}
		if a := w.Link(whole.Terms.Alias); came(a) != 4999 || len(kept(t, w, checkout.BookingQuery{})) != 6 {
			t.Errorf("again: %d cents", came(a))
		}
	})
}

// A file may be of several merchants' accounts: each gets what is theirs, and a reference of
// one's on the other's account is nobody's to count.
func TestStatementOfSeveralMerchants(t *testing.T) {
	w := till(t, "")
	key := w.AddMerchant("Another")
	other := *w
	cs, err := w.App.Store.Merchants(t.Context())
	if err != nil || key == "" {
		t.Fatal(err)
	}
	for _, m := range cs {
		if m.ID != w.Merchant {
			other.Merchant = m.ID
		}
	}
	other.SecPaidToken = w.AddSecPaidToken(other.Merchant)
	w.SetBankAccount(other.Merchant, "Another", otherIBAN)
	mine, theirs := w.CreateLink(`{"amount":10}`), other.CreateLink(`{"amount":20}`)
	file := joined(t,
		webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1000, Text: textOf(mine), Name: "1"}, webtest.Transferred{Cents: 2000, Text: textOf(theirs), Name: "2"}),
		webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 2000, Text: textOf(theirs), Name: "3", Account: otherIBAN}))
	for name, m := range map[string]payment.MerchantID{"mine alone": w.Merchant, "theirs alone": other.Merchant} {
		if _, err := w.App.ImportStatement(t.Context(), m, bytes.NewReader(file), false); !isField(err, "file", "account_of_another") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if bs := kept(t, w, checkout.BookingQuery{}); len(bs) != 0 {
		t.Fatalf("refused, and recorded: %v", bs)
	}
	s := w.Import(file)
	if got := outcomes(s); !slices.Equal(got, []string{"exact", "other_account", "exact"}) {
		t.Fatalf("got %v", got)
	}
	if a, b, c := s.Bookings[0], s.Bookings[1], s.Bookings[2]; a.Merchant != w.Merchant || b.Merchant != w.Merchant || b.Payment != "" || b.Missing != 0 || c.Merchant != other.Merchant || a.Import == c.Import {
		t.Errorf("%+v", s.Bookings)
	}
	if a, b := w.Link(mine.Terms.Alias), w.Link(theirs.Terms.Alias); a.Standing.State != payment.Paid || b.Standing.State != payment.Paid || came(b) != 2000 {
		t.Errorf("%+v, %+v", a.Standing, b.Standing)
	}
	if _, err := w.App.ImportStatement(t.Context(), "01NOBODY", bytes.NewReader(file), false); !fault.Is(err, fault.NotFound) {
		t.Errorf("a merchant that is none: %v", err)
	}
}

// Of an account that two merchants have, each booking is the one's whose payment it names,
// and the importer's if it names none.
func TestSharedAccount(t *testing.T) {
	w := till(t, "")
	w.AddMerchant("Another")
	other := *w
	ms, err := w.App.Store.Merchants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if m.ID != w.Merchant {
			other.Merchant = m.ID
		}
	}
	other.SecPaidToken = w.AddSecPaidToken(other.Merchant)
	w.SetBankAccount(other.Merchant, webtest.Holder, webtest.IBAN)
	theirs := other.CreateLink(`{"amount":20}`)
	file := webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 2000, Text: textOf(theirs), Name: "1"}, webtest.Transferred{Cents: 5, Text: "?", Name: "2"})
	s, err := w.App.ImportStatement(t.Context(), w.Merchant, bytes.NewReader(file), false)
	if err != nil || !slices.Equal(outcomes(s), []string{"exact", "no_reference"}) || s.Bookings[0].Merchant != other.Merchant || s.Bookings[1].Merchant != w.Merchant {
		t.Fatalf("%+v, %v", s.Bookings, err)
	}
	if p := w.Link(theirs.Terms.Alias); p.Standing.State != payment.Paid {
		t.Errorf("%+v", p.Standing)
	}
}

// The same statement read by many at once, in two servers, counts once.
func TestStatementsAtOnce(t *testing.T) {
	onBothEngines(t, func(t *testing.T, database string) {
		w := till(t, database)
		p := w.CreateLink(`{"amount":30}`)
		file := webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1000, Text: textOf(p), Name: "1"}, webtest.Transferred{Cents: 2000, Text: textOf(p), Name: "2"})
		var wait sync.WaitGroup
		var mu sync.Mutex
		counted := 0
		for range 8 {
			wait.Go(func() {
				s, err := w.App.ImportStatement(t.Context(), "", bytes.NewReader(file), false)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, b := range s.Bookings {
					if b.Counts {
						counted++
					}
				}
			})
		}
		wait.Wait()
		if p = w.Link(p.Terms.Alias); counted != 2 || came(p) != 3000 || p.Standing.State != payment.Paid || p.Standing.Oddity != payment.None {
			t.Errorf("%d counted, %d cents, %+v", counted, came(p), p.Standing)
		}
	})
}

// However bookings are told, in whatever pieces, twice and in any order: each counts once.
func TestStatementsInPieces(t *testing.T) {
	w := till(t, "")
	rapid.Check(t, func(r *rapid.T) {
		p := w.CreateLink(`{"amount":100}`)
		n := rapid.IntRange(1, 6).Draw(r, "bookings")
		var all []webtest.Transferred
		sum := int64(0)
		for i := range n {
			x := webtest.Transferred{Cents: rapid.Int64Range(1, 6000).Draw(r, "cents"), Text: textOf(p), Name: fmt.Sprint(p.ID, i)}
			all, sum = append(all, x), sum+x.Cents
		}
		for range rapid.IntRange(1, 4).Draw(r, "files") {
			some := rapid.SliceOfN(rapid.SampledFrom(all), 1, 5).Draw(r, "some")
			w.Import(webtest.Statement(t, rapid.SampledFrom([]camt.Version{camt.V02, camt.V08}).Draw(r, "version"), some...))
		}
		w.Import(webtest.Statement(t, camt.V08, all...))
		got := w.Link(p.Terms.Alias)
		if came(got) != sum || len(got.Transfers) != n || (got.Standing.State == payment.Paid) != (sum >= 10000) || (got.Standing.Oddity == payment.Over) != (sum > 10000) {
			r.Fatalf("%d of %d cents, %+v", came(got), sum, got.Standing)
		}
	})
}

// A crash between two bookings leaves what was recorded; importing again does the rest.
func TestStatementIsFinished(t *testing.T) {
	w := till(t, "")
	p := w.CreateLink(`{"amount":30}`)
	file := webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1000, Text: textOf(p), Name: "1"}, webtest.Transferred{Cents: 2000, Text: textOf(p), Name: "2"})
	dry, err := w.App.ImportStatement(t.Context(), "", bytes.NewReader(file), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.App.Checkout.RecordBookings(t.Context(), checkout.Import{Merchant: w.Merchant}, []checkout.Booking{dry.Bookings[0].Booking}); err != nil {
		t.Fatal(err)
	}
	s := w.Import(file)
	if p = w.Link(p.Terms.Alias); !slices.Equal(outcomes(s), []string{"repeated", "exact"}) || came(p) != 3000 || p.Standing.State != payment.Paid {
		t.Errorf("%v, %d cents", outcomes(s), came(p))
	}
}

// What a merchant has confirmed is not counted again by the statement that tells of it; the
// decision is a person's.
func TestConfirmedAndTold(t *testing.T) {
	w := till(t, "")
	admin := &app.Admin{Store: w.App.Store, Checkout: w.App.Checkout}
	p, q := w.CreateLink(`{"amount":30}`), w.CreateLink(`{"amount":5}`)
	for _, wrong := range []string{"", "30,00", "0", "-1", "30.001", "1e9", "99999999999999999999"} {
		if _, err := admin.ConfirmTransfer(t.Context(), w.Merchant, string(p.ID), wrong); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if b, err := admin.ConfirmTransfer(t.Context(), w.Merchant, string(p.ID), "30.00"); err != nil || !b.Counts || desk.Says(b.Outcome) == "" {
		t.Fatalf("%+v, %v", b, err)
	}
	s := w.Import(webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 3000, Text: textOf(p), Name: "1"}, webtest.Transferred{Cents: 500, Text: "for the five", Name: "2"}))
	if !slices.Equal(outcomes(s), []string{checkout.OutcomeBefore, "no_reference"}) || s.Left() != 2 {
		t.Fatalf("%v", outcomes(s))
	}
	if b, err := admin.DecideBooking(t.Context(), w.Merchant, s.Bookings[0].Key, ""); err != nil || b.Counts {
		t.Errorf("set aside: %+v, %v", b, err)
	}
	if b, err := admin.DecideBooking(t.Context(), w.Merchant, s.Bookings[1].Key, string(q.ID)); err != nil || !b.Counts {
		t.Errorf("given: %+v, %v", b, err)
	}
	if a, b := w.Link(p.Terms.Alias), w.Link(q.Terms.Alias); came(a) != 3000 || b.Standing.State != payment.Paid || len(kept(t, w, checkout.BookingQuery{Open: true})) != 0 {
		t.Errorf("%d cents, %+v", came(a), b.Standing)
	}
}

// What a merchant says of an account is checked before payers are shown it.
func TestSetBankAccount(t *testing.T) {
	w := webtest.New(t)
	admin := &app.Admin{Store: w.App.Store, Checkout: w.App.Checkout}
	set, err := admin.SetBankAccount(t.Context(), w.Merchant, " Müller & Söhne ", "de89 3704 0044 0532 0130 00", "")
	if err != nil || set.IBAN != webtest.IBAN || set.Holder != "Müller & Söhne" || !set.Active {
		t.Errorf("%+v, %v", set, err)
	}
	for name, c := range map[string][4]string{
		"mistyped": {"M", "DE88370400440532013000", "", "iban"}, "of afar": {"M", "TR330006100519786457841326", "", "iban"},
		"no holder": {"", webtest.IBAN, "", "name"}, "no BIC": {"M", "GB29NWBK60161331926819", "", "bic"},
	} {
		if _, err := admin.SetBankAccount(t.Context(), w.Merchant, c[0], c[1], c[2]); fault.From(err).Field != c[3] {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := admin.SetBankAccount(t.Context(), "01NOBODY", "M", webtest.IBAN, ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("nobody's: %v", err)
	}
	if a, err := w.App.Store.BankAccount(t.Context(), w.Merchant); err != nil || a.IBAN != webtest.IBAN || a.CreatedAt.After(time.Now()) {
		t.Errorf("%+v, %v", a, err)
	}
}

func isField(err error, field, code string) bool {
	f := fault.From(err)
	return err != nil && f.Kind == fault.Invalid && f.Field == field && f.Code == code
}

var oneStatement = regexp.MustCompile(`(?s)<Stmt>.*</Stmt>`)

// joined is one message with the statements of several.
func joined(t *testing.T, files ...[]byte) []byte {
	t.Helper()
	var all []byte
	for _, f := range files {
		all = append(all, oneStatement.Find(f)...)
	}
	out := oneStatement.ReplaceAllLiteral(files[0], all)
	if bytes.Count(out, []byte("<Stmt>")) != len(files) {
		t.Fatal("the statements could not be joined")
	}
	return out
}

// archived is a ZIP archive of files.
func archived(t *testing.T, names []string, contents ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, name := range names {
		f, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(contents[i%len(contents)]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
