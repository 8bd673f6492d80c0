package sepa

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/fault"
)

const (
	mine  bank.IBAN      = "DE89370400440532013000"
	other bank.IBAN      = "DE02120300000000202051"
	refA  bank.Reference = "RF05ABCDEFGH1234"
	refB  bank.Reference = "RF52K2M4P6R8T0VX"
)

func TestPayee(t *testing.T) {
	p, err := NewPayee(" Müller & Söhne GmbH ", "de89 3704 0044 0532 0130 00", "")
	if err != nil || p != (Payee{Name: "Müller & Söhne GmbH", Account: mine}) {
		t.Fatalf("%+v, %v", p, err)
	}
	if p, err = NewPayee("Rüegg", "CH93 0076 2011 6238 5295 7", "pofichbexxx"); err != nil || p.BIC != "POFICHBEXXX" {
		t.Errorf("%+v, %v", p, err)
	}
	for name, c := range map[string][5]string{
		"no name":            {"", string(mine), "", "name", "invalid_name"},
		"a long name":        {strings.Repeat("ä", 71), string(mine), "", "name", "invalid_name"},
		"a name of no code":  {strings.Repeat("語", 70), string(mine), "", "name", "invalid_name"},
		"a name of lines":    {"a\nb", string(mine), "", "name", "invalid_name"},
		"a turned name":      {"a\u202eb", string(mine), "", "name", "invalid_name"},
		"no text":            {"\xff", string(mine), "", "name", "invalid_name"},
		"no account":         {"a", "", "", "iban", "invalid_iban"},
		"a mistyped account": {"a", "DE88370400440532013000", "", "iban", "invalid_iban"},
		"an account of afar": {"a", "TR330006100519786457841326", "", "iban", "not_in_sepa"},
		"a wrong bank":       {"a", string(mine), "BANK", "bic", "invalid_bic"},
		"no bank":            {"a", "GB29NWBK60161331926819", " ", "bic", "bic_missing"},
	} {
		_, err := NewPayee(c[0], c[1], c[2])
		if f := fault.From(err); f == nil || f.Kind != fault.Invalid || f.Field != c[3] || f.Code != c[4] {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is asked for can be scanned, and names the reference.
func TestAsk(t *testing.T) {
	p, err := NewPayee("Müller & Söhne GmbH", string(mine), "")
	if err != nil {
		t.Fatal(err)
	}
	r, text, err := Draw("Rechnung 12 für Jörg")
	if err != nil || !slices.Equal(bank.FindReferences(text), []bank.Reference{r}) || !strings.HasPrefix(text, "Rechnung 12 fuer Joerg RF") {
		t.Fatalf("%q, %q, %v", r, text, err)
	}
	code, err := p.Ask(4999, text).Code()
	if want := "BCD\n002\n1\nSCT\n\nMüller & Söhne GmbH\n" + string(mine) + "\nEUR49.99\n\n\n" + text; err != nil || code != want {
		t.Errorf("%q, %v", code, err)
	}
	for _, words := range []string{strings.Repeat("x", 130), "日本", "see " + string(refA)} {
		if _, _, err := Draw(words); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", words, err)
		}
	}
}

func credit(key string, cents int64, texts ...string) camt.Entry {
	return camt.Entry{Key: key, Kind: camt.Credit, Account: mine, Cents: cents, Texts: texts}
}

func file(es ...camt.Entry) *camt.File {
	return &camt.File{Statements: []camt.Statement{{Account: mine, Entries: es}}}
}

var given = map[bank.Reference]Expected{
	refA: {Handle: "A", Account: mine, Missing: 4999, Open: true},
	refB: {Handle: "B", Account: mine, Missing: 2000, Open: true},
}

func find(in map[bank.Reference]Expected) func(bank.Reference) (Expected, bool) {
	return func(r bank.Reference) (Expected, bool) { x, ok := in[r]; return x, ok }
}

func never(string) bool { return false }

func TestJudge(t *testing.T) {
	back, returned, elsewhere := credit("k", 4999, string(refA)), credit("k", 4999, string(refA)), credit("k", 4999, string(refA))
	back.Kind, returned.Kind, elsewhere.Account = camt.TakenBack, camt.Returned, other
	for name, c := range map[string]struct {
		e    camt.Entry
		want Outcome
		ref  bank.Reference
	}{
		"right":                       {credit("k", 4999, "Invoice "+string(refA)), Exact, refA},
		"broken into lines":           {credit("k", 4999, "RF05 ABCD EFG", "H 1234 thanks"), Exact, refA},
		"a cent less":                 {credit("k", 4998, string(refA)), Less, refA},
		"a cent more":                 {credit("k", 5000, string(refA)), More, refA},
		"no reference, right amount":  {credit("k", 4999, "Invoice 1234"), Nameless, ""},
		"nothing said":                {credit("k", 4999), Nameless, ""},
		"a letter wrong":              {credit("k", 4999, "RF05ABCDEFGH1235"), Nameless, ""},
		"nobody's reference":          {credit("k", 4999, string(reference(t))), Unknown, ""},
		"of two":                      {credit("k", 6999, string(refA)+" "+string(refB)), Ambiguous, ""},
		"one of ours and one of none": {credit("k", 4999, string(refA)+" "+string(reference(t))), Exact, refA},
		"to another account":          {elsewhere, Elsewhere, refA},
		"taken back":                  {back, TakenBack, refA},
		"a refund that came back":     {returned, Returned, refA},
	} {
		r := Judge(file(c.e), find(given), never)
		if len(r.Verdicts) != 1 || r.Verdicts[0].Outcome != c.want || r.Verdicts[0].Reference != c.ref || r.Verdicts[0].Expected != given[c.ref] {
			t.Errorf("%s: %+v", name, r)
		}
	}
	closed := map[bank.Reference]Expected{refA: {Account: mine, Missing: 4999}, refB: {Account: mine, Open: true}}
	for _, ref := range []bank.Reference{refA, refB} {
		if r := Judge(file(credit("k", 4999, string(ref))), find(closed), never); r.Verdicts[0].Outcome != NotOpen {
			t.Errorf("%s: %+v", ref, r)
		}
	}
	if r := Judge(file(credit("k", 4999, string(refA))), find(given), func(key string) bool { return key == "k" }); r.Verdicts[0].Outcome != Repeated {
		t.Errorf("imported before: %+v", r)
	}
}

// reference is one that nobody was given.
func reference(t *testing.T) bank.Reference {
	t.Helper()
	r, _, err := Draw("")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestJudgeAddsUp(t *testing.T) {
	outcomes := func(r Report) (out []Outcome) {
		for _, v := range r.Verdicts {
			out = append(out, v.Outcome)
		}
		return out
	}
	for name, c := range map[string]struct {
		f    *camt.File
		want []Outcome
	}{
		"in two parts":             {file(credit("1", 4000, string(refA)), credit("2", 999, string(refA))), []Outcome{Less, Exact}},
		"too much in two":          {file(credit("1", 4000, string(refA)), credit("2", 1000, string(refA))), []Outcome{Less, More}},
		"twice":                    {file(credit("1", 4999, string(refA)), credit("2", 4999, string(refA))), []Outcome{Exact, NotOpen}},
		"the same twice":           {file(credit("1", 4999, string(refA)), credit("1", 4999, string(refA))), []Outcome{Exact, Repeated}},
		"the same in two, partial": {file(credit("1", 4000, string(refA)), credit("1", 4000, string(refA)), credit("2", 999, string(refA))), []Outcome{Less, Repeated, Exact}},
		"of two payments":          {file(credit("1", 4999, string(refA)), credit("2", 2000, string(refB))), []Outcome{Exact, Exact}},
	} {
		if got := outcomes(Judge(c.f, find(given), never)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	f := file(credit("1", 4999, string(refA)))
	f.Statements = append(f.Statements, camt.Statement{Skipped: []camt.Skipped{{Place: "p", Why: camt.NoDetails}}}, f.Statements[0])
	if r := Judge(f, find(given), never); !slices.Equal(outcomes(r), []Outcome{Exact, Repeated}) || len(r.Skipped) != 1 {
		t.Errorf("a statement twice: %+v", r)
	}
}

func TestOutcomes(t *testing.T) {
	said := map[string]bool{}
	for _, o := range Outcomes() {
		if s := o.Sentence(); said[s] || !strings.HasSuffix(s, ".") {
			t.Errorf("%s: %q", o, s)
		}
		said[o.Sentence()] = true
	}
	if len(said) != 11 || !Exact.Counts() || !NotOpen.Counts() || Elsewhere.Counts() || Repeated.Counts() || Ambiguous.Counts() {
		t.Errorf("%d outcomes", len(said))
	}
}

// Importing again, in any pieces, records nothing twice and loses nothing.
func TestImportingAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var es []camt.Entry
		for i := range rapid.IntRange(1, 12).Draw(t, "entries") {
			text := rapid.SampledFrom([]string{string(refA), string(refB), "x", string(refA) + string(refB)}).Draw(t, "text")
			es = append(es, credit(string(rune('a'+i)), rapid.Int64Range(1, 6000).Draw(t, "cents"), text))
		}
		recorded := map[string]int64{}
		seen := func(key string) bool { _, ok := recorded[key]; return ok }
		balance := func(r bank.Reference) (Expected, bool) {
			x, ok := given[r]
			for _, e := range es {
				if cents, in := recorded[e.Key]; in && slices.Equal(e.Texts, []string{string(r)}) {
					x.Missing -= cents
				}
			}
			return x, ok
		}
		for range rapid.IntRange(1, 5).Draw(t, "imports") {
			from := rapid.IntRange(0, len(es)-1).Draw(t, "from")
			to := rapid.IntRange(from+1, len(es)).Draw(t, "to")
			for _, v := range Judge(file(es[from:to]...), balance, seen).Verdicts {
				if !v.Outcome.Counts() {
					continue
				}
				if seen(v.Entry.Key) {
					t.Fatalf("%s is recorded twice", v.Entry.Key)
				}
				recorded[v.Entry.Key] = v.Entry.Cents
			}
		}
		for _, v := range Judge(file(es...), balance, seen).Verdicts {
			single := slices.Equal(v.Entry.Texts, []string{string(refA)}) || slices.Equal(v.Entry.Texts, []string{string(refB)})
			if (v.Outcome.Counts() || v.Outcome == Repeated) != single {
				t.Fatalf("%q ends as %s", v.Entry.Texts, v.Outcome)
			}
		}
	})
}
