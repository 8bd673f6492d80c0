package sample

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
)

var day = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

func read(t testing.TB, s Statement) camt.Statement {
	t.Helper()
	text, err := s.XML()
	if err != nil {
		t.Fatal(err)
	}
	f, err := camt.Parse(bytes.NewReader(text))
	if err != nil || f.Version != s.Version || len(f.Statements) != 1 {
		t.Fatalf("%v\n%s", err, text)
	}
	return f.Statements[0]
}

// What is written comes back, in both versions alike.
func TestComesBack(t *testing.T) {
	ann := Transaction{Cents: 4999, Text: `Invoice <12> & "more" RF05ABCDEFGH1234`, EndToEnd: "E-1", From: "Ann Ünal", Account: "DE02120300000000202051"}
	s := Statement{ID: "S1", Account: "DE89370400440532013000", Owner: "Shop", Day: day, Bookings: []Booking{
		{Transaction: ann, Reference: "R1"},
		{Transaction: Transaction{Cents: 5000}, Reference: "R2", Parts: []Transaction{{Cents: 2000, Text: "a"}, {Cents: 3000, Text: "b"}}},
		{Transaction: ann, Reference: "R3", Debit: true, Reversal: true},
		{Transaction: ann, Reference: "R4", Reversal: true},
		{Transaction: ann, Reference: "R5", Debit: true},
		{Transaction: ann, Reference: "R6", Pending: true},
	}}
	var both []camt.Statement
	for _, v := range []camt.Version{camt.V02, camt.V08} {
		s.Version = v
		got := read(t, s)
		both = append(both, got)
		var kinds []camt.Kind
		for _, e := range got.Entries {
			kinds = append(kinds, e.Kind)
		}
		if !slices.Equal(kinds, []camt.Kind{camt.Credit, camt.Credit, camt.Credit, camt.TakenBack, camt.Returned}) || got.Debits != 1 || len(got.Skipped) != 1 || got.Skipped[0].Why != camt.NotBooked {
			t.Fatalf("%s: %+v", v, got)
		}
		e := got.Entries[0]
		e.Key = ""
		want := camt.Entry{
			Place: "statement 1, entry 1", Kind: camt.Credit, Account: s.Account, Cents: 4999, Booked: day, Texts: []string{ann.Text}, EndToEnd: "E-1", Debtor: ann.From, DebtorAccount: ann.Account, Servicer: "R1",
		}
		if !reflect.DeepEqual(e, want) || got.Entries[1].Cents != 2000 || got.Entries[2].Cents != 3000 {
			t.Errorf("%s: %+v", v, got.Entries)
		}
	}
	if !reflect.DeepEqual(both[0], both[1]) {
		t.Errorf("%+v\n%+v", both[0], both[1])
	}
}

// The schema lets no element be empty, and every statement tells how the account stood
// before and stands after.
func TestWellFilled(t *testing.T) {
	for _, v := range []camt.Version{camt.V02, camt.V08} {
		text, err := Statement{Version: v, ID: "S", Account: "DE89370400440532013000", Day: day.Add(5 * time.Hour), Bookings: []Booking{
			{Transaction: Transaction{Cents: 100}}, {Transaction: Transaction{Cents: 150_000}, Debit: true}, {Transaction: Transaction{Cents: 7}, Pending: true},
		}}.XML()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "></") {
			t.Errorf("something is empty:\n%s", text)
		}
		for _, part := range []string{"<CreDtTm>2026-11-20T22:00:00Z</CreDtTm>", ">1000.00</Amt>", "<Cd>CLBD</Cd>", ">499.00</Amt>", "<Dt>2026-11-19</Dt>"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("no %s in\n%s", part, text)
			}
		}
	}
}

// A bank's words are read as they were written, whatever they are.
func TestAnyWords(t *testing.T) {
	word := func(t *rapid.T, name string) string {
		return strings.Join(strings.Fields(rapid.StringOfN(rapid.RuneFrom([]rune("ab<>&\"'ßé€ ]]>\t/=RF05")), 0, 60, -1).Draw(t, name)), " ")
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := Statement{Version: rapid.SampledFrom([]camt.Version{camt.V02, camt.V08}).Draw(rt, "version"), ID: "S", Account: "DE89370400440532013000", Day: day}
		for range rapid.IntRange(1, 6).Draw(rt, "bookings") {
			s.Bookings = append(s.Bookings, Booking{Transaction: Transaction{Cents: rapid.Int64Range(1, 1e12).Draw(rt, "cents"), Text: word(rt, "text"), From: word(rt, "from")}})
		}
		got := read(t, s)
		if len(got.Entries) != len(s.Bookings) {
			rt.Fatalf("%+v", got)
		}
		for i, b := range s.Bookings {
			want := []string{}
			if b.Text != "" {
				want = append(want, b.Text)
			}
			if e := got.Entries[i]; e.Cents != b.Cents || e.Debtor != b.From || !slices.Equal(e.Texts, want) || e.DebtorAccount != bank.IBAN("") {
				rt.Fatalf("%+v is read as %+v", b, e)
			}
		}
	})
}
