package sepa

import (
	"bytes"
	"image/png"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	reader "github.com/makiuchi-d/gozxing/qrcode"
	"pgregory.net/rapid"

	"quittance/internal/asset"
	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/qr"
	"quittance/internal/rail"
	"quittance/internal/rail/railtest"
)

func transfer(words string) *payment.BankTransfer {
	return &payment.BankTransfer{Holder: "Müller & Söhne GmbH", Account: string(mine), Words: words}
}

func euros(cents int64, b *payment.BankTransfer) payment.Request {
	return payment.Request{Asset: asset.EUR, Due: money.Cents(cents), Bank: b}
}

// banked plays payer and bank: the transfer is read off the code, made, and told of in the
// next statement, which is judged.
func banked(version camt.Version, p *payment.Payment) func(t *testing.T, in rail.Instruction) []rail.Sighting {
	return func(t *testing.T, in rail.Instruction) []rail.Sighting {
		t.Helper()
		lines := strings.Split(in.(*rail.BankTransfer).Code, "\n")
		cents, err := money.Parse(strings.TrimPrefix(lines[7], "EUR"), 2)
		if err != nil || len(lines) != 11 {
			t.Fatalf("%q, %v", lines, err)
		}
		raw, err := sample.Statement{
			Version: version, ID: "1", Account: bank.IBAN(lines[6]), Day: railtest.Now, Bookings: []sample.Booking{
				{Transaction: sample.Transaction{Cents: cents.Int64(), Text: lines[10], From: "Jörg Payer"}, Reference: "B1"},
				{Transaction: sample.Transaction{Cents: 100, Text: "somebody else's", From: "Else"}, Reference: "B2"},
			},
		}.XML()
		if err != nil {
			t.Fatal(err)
		}
		f, err := camt.Parse(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		missing, _ := p.Outstanding(0)
		find := func(r bank.Reference) (Expected, bool) {
			b := p.Terms.Requests[0].Bank
			x := Expected{Handle: string(p.ID), Account: bank.IBAN(b.Account), Missing: money.CeilQuo(missing, money.Cents(1)).Int64(), Open: true}
			return x, slices.Contains(p.Terms.Requests[0].Handles, Handle(r))
		}
		var seen []rail.Sighting
		for _, v := range Judge(f, find, never).Verdicts {
			if v.Outcome.Counts() {
				if v.Outcome != Exact {
					t.Errorf("%s", v.Outcome)
				}
				seen = append(seen, rail.Sighting{
					Rail: ID, Handle: string(v.Reference), Key: v.Entry.Key, Amount: money.Cents(v.Entry.Cents), At: v.Entry.Booked,
				})
			}
		}
		return seen
	}
}

func TestConformance(t *testing.T) {
	r := NewRail()
	fee := euros(100, nil)
	dollars := payment.Request{Asset: asset.USD, Due: money.Cents(100)}
	nameless := railtest.Open(t, r, euros(100, nil))
	nameless.Terms.Requests[0].Bank = transfer("")
	two := railtest.Open(t, r, euros(100, transfer("")), euros(100, transfer("")))
	outside := transfer("Rechnung 12")
	outside.Account, outside.BIC = "CH9300762011623852957", "POFICHBEXXX"
	for name, p := range map[string]*payment.Payment{
		"euros": railtest.Open(t, r, euros(4999, transfer("Rechnung 12 für Jörg"))), "without words": railtest.Open(t, r, euros(100_000_000, transfer(""))),
		"outside of the EEA": railtest.Open(t, r, euros(4999, outside)),
	} {
		for _, version := range []camt.Version{camt.V02, camt.V08} {
			t.Run(name+"/"+string(version), func(t *testing.T) {
				railtest.Run(t, railtest.Subject{
					Rail: r, Payer: rail.Payer{Wallet: asset.Address{19: 1}}, Payable: map[string]*payment.Payment{name: p},
					Foreign: map[string]*payment.Payment{
						"euros that no bank brings": railtest.Open(t, r, fee), "dollars": railtest.Open(t, r, dollars), "without a reference": nameless, "two": two,
						"a token": railtest.Open(t, r, payment.Request{Asset: "USDC-base", Due: big.NewInt(100)}),
					},
					Outside: func() int { return 0 }, CarryOut: banked(version, p),
				})
			})
		}
	}
}

// What is left as it is: requests that no bank pays, and the transfer of whoever asks.
func TestNameTouchesNothingElse(t *testing.T) {
	r, mine := NewRail(), transfer("Invoice")
	q := euros(100, mine)
	if err := r.Name(nil, &q); err != nil || *mine != *transfer("Invoice") || q.Bank == mine || q.Reference != "" || q.ID != "" {
		t.Errorf("%+v of %+v, %v", q, mine, err)
	}
	again := euros(100, mine)
	if err := r.Name(nil, &again); err != nil || again.Bank.Reference == q.Bank.Reference {
		t.Errorf("%+v, %v", again.Bank, err)
	}
	q.Handles = append([]payment.Handle{{Rail: "deposit", Value: "0x1"}}, q.Handles...)
	other := payment.Request{Asset: asset.EUR, Due: money.Cents(1), Handles: q.Handles[:1]}
	if err := r.Name(nil, &other); err != nil || len(other.Handles) != 1 {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestNameRefuses(t *testing.T) {
	with := func(f func(b *payment.BankTransfer)) payment.Request {
		b := transfer("")
		f(b)
		return euros(100, b)
	}
	for name, c := range map[string]struct {
		q    payment.Request
		code string
	}{
		"words that banks pass on to nobody": {with(func(b *payment.BankTransfer) { b.Words = "日本" }), "invalid_remittance"},
		"too many words":                     {with(func(b *payment.BankTransfer) { b.Words = strings.Repeat("x", 130) }), "invalid_remittance"},
		"no account":                         {with(func(b *payment.BankTransfer) { b.Account = "DE88370400440532013000" }), "invalid_iban"},
		"no holder":                          {with(func(b *payment.BankTransfer) { b.Holder = " " }), "invalid_name"},
		"nothing due":                        {euros(0, transfer("")), "invalid_amount"},
		"more than banks carry":              {euros(100_000_000_000, transfer("")), "invalid_amount"},
		"more than anybody has":              {payment.Request{Asset: asset.EUR, Due: new(big.Int).Lsh(big.NewInt(1), 255), Bank: transfer("")}, "invalid_amount"},
	} {
		before := *c.q.Bank
		err := NewRail().Name(nil, &c.q)
		if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Code != c.code || f.Field == "" {
			t.Errorf("%s: %v", name, err)
		}
		if *c.q.Bank != before || len(c.q.Handles) != 0 {
			t.Errorf("%s: left %+v", name, c.q)
		}
	}
	dollars := payment.Request{Asset: asset.USD, Due: money.Cents(1), Bank: transfer("")}
	if err := NewRail().Name(nil, &dollars); err == nil || len(dollars.Handles) != 0 {
		t.Errorf("dollars: %v", err)
	}
}

// scanned reads the picture of a code by somebody else's reader.
func scanned(t *rapid.T, text string) string {
	c, err := qr.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := c.Picture(4 * c.Size())
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	b, err := gozxing.NewBinaryBitmapFromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	found, err := reader.NewQRCodeReader().Decode(b, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return found.GetText()
}

// Whatever is due, whoever is paid and whatever has come: what a phone reads off the code is
// the payment's account, its text, and what is missing to the cent that completes it.
func TestWhatPhonesRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := &payment.BankTransfer{
			Holder: rapid.SampledFrom([]string{"Müller & Söhne GmbH", "François d'Été", "ACME", "Łódź sp. z o.o."}).Draw(rt, "holder"), Account: string(mine),
			Words: rapid.SampledFrom([]string{"", "Invoice 12", "Rechnung 12 für Jörg", strings.Repeat("x", 100)}).Draw(rt, "words"),
		}
		if rapid.Bool().Draw(rt, "abroad") {
			b.Account, b.BIC = "CH9300762011623852957", "POFICHBEXXX"
		}
		cents := rapid.Int64Range(1, 100_000_000).Draw(rt, "cents")
		p := railtest.Open(t, NewRail(), euros(cents, b))
		part := new(big.Int)
		if rapid.Bool().Draw(rt, "partly paid") { // in something that is worth no whole cents
			part = new(big.Int).Sub(money.Cents(cents), money.Cents(rapid.Int64Range(1, cents).Draw(rt, "left")))
			if part.Sign() > 0 {
				part.Sub(part, big.NewInt(rapid.Int64Range(0, 9_999_999_999_999_999).Draw(rt, "less")))
				p = railtest.With(p, railtest.Received(p, "part", part, nil, payment.Final))
			}
		}
		options, err := NewRail().Offer(t.Context(), p, rail.Payer{})
		if err != nil || len(options) != 1 || options[0].Chain != 0 || options[0].Asset != "" {
			rt.Fatalf("offered %+v, %v", options, err)
		}
		in, err := NewRail().Prepare(t.Context(), p, options[0].ID, rail.Payer{Owner: asset.Address{1}})
		if err != nil {
			rt.Fatal(err)
		}
		x, given := in.(*rail.BankTransfer), p.Terms.Requests[0].Bank
		missing, _ := p.Outstanding(0)
		if asked := money.Cents(x.Cents); asked.Cmp(missing) < 0 || new(big.Int).Sub(asked, missing).Cmp(money.Cents(1)) >= 0 {
			rt.Fatalf("asks for %d cents of %s", x.Cents, missing)
		}
		version := "002"
		if b.BIC != "" {
			version = "001"
		}
		amount := "EUR" + money.Format(big.NewInt(x.Cents), 2)
		if !strings.Contains(amount, ".") {
			amount += ".00"
		} else if len(amount)-strings.Index(amount, ".") == 2 {
			amount += "0"
		}
		want := strings.Join([]string{"BCD", version, "1", "SCT", given.BIC, b.Holder, given.Account, amount, "", "", given.Text}, "\n")
		if got := scanned(rt, x.Code); got != want {
			rt.Fatalf("read %q, want %q", got, want)
		}
		if found := bank.FindReferences(given.Text); !slices.Equal(found, []bank.Reference{bank.Reference(given.Reference)}) || p.Terms.Requests[0].Handles[0] != Handle(found[0]) {
			rt.Fatalf("text %q names %v", given.Text, found)
		}
		done := railtest.With(p, railtest.Received(p, "rest", money.Cents(x.Cents), nil, payment.Final))
		if done.Standing.State != payment.Paid || done.Standing.Oddity != payment.None {
			rt.Fatalf("paid as asked: %+v", done.Standing)
		}
	})
}

// What is missing less than a cent of is not asked for.
func TestLessThanACent(t *testing.T) {
	r := NewRail()
	p := railtest.Open(t, r, euros(100, transfer("")))
	almost := railtest.With(p, railtest.Received(p, "1", new(big.Int).Sub(money.Cents(100), new(big.Int).Sub(money.Cents(1), big.NewInt(1))), nil, payment.Final))
	if options, err := r.Offer(t.Context(), almost, rail.Payer{}); len(options) != 0 || err != nil || almost.Standing.State != payment.Open {
		t.Errorf("offered %+v, %v", options, err)
	}
	if _, err := r.Prepare(t.Context(), almost, "sepa:de", rail.Payer{}); !fault.Is(err, fault.Conflict) {
		t.Errorf("prepared: %v", err)
	}
	late := railtest.With(p)
	late.Terms.ExpiresAt = railtest.Now.Add(-time.Hour)
	if late = railtest.With(late); late.Standing.State != payment.Expired {
		t.Fatalf("%+v", late.Standing)
	}
	if _, err := r.Prepare(t.Context(), late, "sepa:de", rail.Payer{}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("when it is over: %v", err)
	}
}
