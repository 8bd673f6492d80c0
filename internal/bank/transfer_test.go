package bank

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"Invoice 1234": "Invoice 1234", "Müller & Söhne": "Mueller + Soehne", "  a \t b\n": "a b", "Straße": "Strasse", "Łódź, Žižkov": "Lodz, Zizkov",
		"": "", "São Tomé": "Sao Tome", "a@b.de": "a(at)b.de", "#12": ".12", "R€d": "REURd", "a/b-c?(d):e.f,g'h+i": "a/b-c?(d):e.f,g'h+i",
	} {
		if got, whole := Plain(text); got != want || !whole {
			t.Errorf("%q: %q, %t", text, got, whole)
		}
	}
	for text, want := range map[string]string{"日本 shop": "shop", "a\x00b": "ab", "x\u202ey": "xy", "\xff": "", "🍕": "", "Ωmega": "mega"} {
		if got, whole := Plain(text); got != want || whole {
			t.Errorf("%q: %q, %t", text, got, whole)
		}
	}
}

func TestReferences(t *testing.T) {
	// The standard's own example (ISO 11649) has the check digits that ours are made with.
	if got := 98 - mod97("539007547034"+"RF00"); got != 18 {
		t.Errorf("the standard's example has check digits %d", got)
	}
	drawn := map[Reference]bool{}
	for range 2000 {
		r := NewReference()
		if drawn[r] {
			t.Fatalf("%s was drawn twice", r)
		}
		drawn[r] = true
		if !isReference(string(r)) || len(r) != 16 {
			t.Fatalf("%s is none", r)
		}
	}
	const one = Reference("RF05ABCDEFGH1234")
	if reference("ABCDEFGH1234") != one {
		t.Fatalf("%s", reference("ABCDEFGH1234"))
	}
	for _, text := range []string{"", "RF05ABCDEFGH1235", "RF05ABCDEFGH123", "RF05ABCDEFGH12344", "RG09ABCDEFGH1234", "RFAAABCDEFGH1234", "RF05ABCDEFGHI234", "RF05-ABCD-EFGH-1234", "RF712348231"} {
		if isReference(text) {
			t.Errorf("%q is one", text)
		}
	}
}

const refA, refB = Reference("RF05ABCDEFGH1234"), Reference("RF52K2M4P6R8T0VX")

func TestFindReferences(t *testing.T) {
	if reference("K2M4P6R8T0VX") != refB {
		t.Fatalf("%s", reference("K2M4P6R8T0VX"))
	}
	for _, c := range []struct {
		texts []string
		want  []Reference
	}{
		{nil, nil}, {[]string{""}, nil}, {[]string{"thanks"}, nil},
		{[]string{string(refA)}, []Reference{refA}},
		{[]string{"Invoice 12 " + string(refA)}, []Reference{refA}},
		{[]string{"invoice 12, rf05 abcd efgh 1234. Thanks"}, []Reference{refA}},
		{[]string{"RF05-ABCD-EFGH-1234"}, []Reference{refA}},
		{[]string{"Invoice 12 RF05ABCD", "EFGH1234 more"}, []Reference{refA}},           // broken by the bank
		{[]string{"Invoice 12 RF05ABCDEFGH12 34"}, []Reference{refA}},                   // with a blank at a line's end
		{[]string{string(refA), string(refA)}, []Reference{refA}},                       // told twice
		{[]string{string(refA) + " and " + string(refB)}, []Reference{refA, refB}},      // of two
		{[]string{string(refA) + string(refB)}, []Reference{refA, refB}},                // without a blank
		{[]string{"RF05ABCDEFGH1243"}, nil},                                             // mistyped
		{[]string{"RFRF05ABCDEFGH1234"}, []Reference{refA}},                             // begun twice
		{[]string{"RF05ABCDÄEFGH1234"}, nil},                                            // something between that is no sign
		{[]string{"RF712348231"}, nil},                                                  // somebody else's
		{[]string{"\xff\xfe" + string(refA)}, []Reference{refA}},                        // not a text at all
		{[]string{strings.Repeat("R", 10_000) + "F05ABCDEFGH1234"}, []Reference{refA}},  // long
		{[]string{"SVWZ+" + string(refA) + "EREF+NOTPROVIDED"}, []Reference{refA}},      // with a bank's marks
		{[]string{"/RFB/" + string(refA) + "/", "", "x"}, []Reference{refA}},            // likewise
		{[]string{"RF 05 ABCD EFGH 1234", "RF05 ABCD EFGH 12 34"}, []Reference{refA}},   // in two spellings
		{[]string{"rF05aBcDeFgH1234" + strings.Repeat("z", 200)}, []Reference{refA}},    // of any case
		{[]string{"RF05ABCDEFGH", "1234", "RF52K2M4P6R8T0VX"}, []Reference{refA, refB}}, // in three lines
		{[]string{"RF05 ABCD EFGH I234"}, nil}, {[]string{"RF05 ABCD EFGH l234"}, nil},  // read wrongly: nobody guesses
		{[]string{strings.Repeat(string(refA)+" ", 50)}, []Reference{refA}},                 // again and again
		{[]string{"RF05ABCDEFGH123", "RF05ABCDEFGH123", "4"}, []Reference{refA}},            // the second one whole
		{[]string{"98765432101234567890RF05ABCDEFGH123400000000000000"}, []Reference{refA}}, // inside of numbers
	} {
		if got := FindReferences(c.texts...); !slices.Equal(got, c.want) {
			t.Errorf("%.90q: %v, want %v", c.texts, got, c.want)
		}
	}
}

func TestRemittance(t *testing.T) {
	for words, want := range map[string]string{
		"": string(refA), "Rechnung 12 für Jörg": "Rechnung 12 fuer Joerg " + string(refA), strings.Repeat("x", 123): strings.Repeat("x", 123) + " " + string(refA),
	} {
		if got, err := Remittance(words, refA); err != nil || got != want || CheckWords(words) != nil {
			t.Errorf("%q: %q, %v", words, got, err)
		}
	}
	for name, words := range map[string]string{
		"too long": strings.Repeat("x", 124), "longer than it looks": strings.Repeat("ß", 62), "another's reference": "pay " + string(refB), "no letters of ours": "日本",
	} {
		if got, err := Remittance(words, refA); !errors.Is(err, ErrText) || got != "" || !errors.Is(CheckWords(words), ErrText) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// Words that are good by themselves can form another reference with what follows.
func TestRemittanceByChance(t *testing.T) {
	refused := 0
	for n := range 100 {
		half := fmt.Sprintf("RF%02d1", n)
		_, err := Remittance(half, refA)
		if joined := isReference((half + string(refA))[:refLength]); joined != (err != nil) || CheckWords(half) != nil {
			t.Errorf("%s: %v", half, err)
		}
		if err != nil {
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d pairs of check digits are right", refused)
	}
}

// Whatever a payer makes of the text short of changing it, the reference is found in it.
func TestRemittanceComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := reference(rapid.StringOfN(rapid.RuneFrom([]rune(ownLetters)), ownLength, ownLength, -1).Draw(t, "own"))
		text, err := Remittance(rapid.StringMatching(`[A-Za-z0-9 ,.äöüß/-]{0,90}`).Draw(t, "words"), r)
		if err != nil {
			return // words that look like a reference, or become too long
		}
		var lines []string
		for rest := text; rest != ""; {
			n := min(len(rest), rapid.IntRange(1, 40).Draw(t, "line"))
			lines, rest = append(lines, " "+strings.ToLower(rest[:n])+" "), rest[n:]
		}
		if got := FindReferences(lines...); !slices.Equal(got, []Reference{r}) {
			t.Fatalf("%q holds %v, not %s", lines, got, r)
		}
	})
}

var asked = Transfer{Name: "Wikimedia Foerdergesellschaft", Account: "DE33100205000001194700", BIC: "BFSWDE33BER", Cents: 12345, Text: "Spende fuer Wikipedia"}

func TestCode(t *testing.T) {
	with := func(change func(*Transfer)) Transfer {
		x := asked
		change(&x)
		return x
	}
	for name, c := range map[string]struct {
		t    Transfer
		want string
	}{
		"all but a reference": {with(func(x *Transfer) { x.Purpose, x.Hint = "CHAR", "Danke" }),
			"BCD\n002\n1\nSCT\nBFSWDE33BER\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR123.45\nCHAR\n\nSpende fuer Wikipedia\nDanke"},
		"nothing behind the text": {asked, "BCD\n002\n1\nSCT\nBFSWDE33BER\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR123.45\n\n\nSpende fuer Wikipedia"},
		"a reference, no BIC": {with(func(x *Transfer) { x.BIC, x.Text, x.Reference = "", "", "RF18539007547034" }),
			"BCD\n002\n1\nSCT\n\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR123.45\n\nRF18539007547034"},
		"an amount alone":     {with(func(x *Transfer) { x.Text = "" }), "BCD\n002\n1\nSCT\nBFSWDE33BER\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR123.45"},
		"outside of the area": {with(func(x *Transfer) { x.Account, x.BIC, x.Text = "CH9300762011623852957", "POFICHBEXXX", "" }), "BCD\n001\n1\nSCT\nPOFICHBEXXX\nWikimedia Foerdergesellschaft\nCH9300762011623852957\nEUR123.45"},
		"a cent":              {with(func(x *Transfer) { x.Cents, x.Text = 1, "" }), "BCD\n002\n1\nSCT\nBFSWDE33BER\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR0.01"},
		"the most":            {with(func(x *Transfer) { x.Cents, x.Text = maxCents, "" }), "BCD\n002\n1\nSCT\nBFSWDE33BER\nWikimedia Foerdergesellschaft\nDE33100205000001194700\nEUR999999999.99"},
	} {
		if got, err := c.t.Code(); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, x := range map[string]Transfer{
		"no name": with(func(x *Transfer) { x.Name = "" }), "a long name": with(func(x *Transfer) { x.Name = strings.Repeat("n", 71) }), "a name of two lines": with(func(x *Transfer) { x.Name = "a\nDE89370400440532013000" }),
		"a name with a carriage return": with(func(x *Transfer) { x.Name = "a\rb" }), "a name with another break": with(func(x *Transfer) { x.Name = "a\u2028b" }), "a name that is no text": with(func(x *Transfer) { x.Name = "\xff" }),
		"no account": with(func(x *Transfer) { x.Account = "" }), "a wrong account": with(func(x *Transfer) { x.Account = "DE33100205000001194701" }), "an account in groups": with(func(x *Transfer) { x.Account = "DE33 1002 0500 0001 1947 00" }),
		"an account elsewhere": with(func(x *Transfer) { x.Account = "TR330006100519786457841326" }), "no BIC where one is needed": with(func(x *Transfer) { x.Account, x.BIC = "GB29NWBK60161331926819", "" }),
		"a wrong BIC": with(func(x *Transfer) { x.BIC = "BFSW" }), "nothing": with(func(x *Transfer) { x.Cents = 0 }), "less": with(func(x *Transfer) { x.Cents = -1 }), "too much": with(func(x *Transfer) { x.Cents = maxCents + 1 }),
		"both": with(func(x *Transfer) { x.Reference = "RF18539007547034" }), "a long text": with(func(x *Transfer) { x.Text = strings.Repeat("t", 141) }), "a blank at the end": with(func(x *Transfer) { x.Text = "a " }),
		"a purpose": with(func(x *Transfer) { x.Purpose = "CH\nR" }), "a long purpose": with(func(x *Transfer) { x.Purpose = "CHARI" }),
		"too many bytes": with(func(x *Transfer) { x.Name, x.Text = strings.Repeat("ä", 70), strings.Repeat("ö", 140) }),
	} {
		if got, err := x.Code(); !errors.Is(err, ErrTransfer) || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// A name and a text can fill the code to its last byte, and no further.
func TestCodeIsFull(t *testing.T) {
	full := asked
	full.Name, full.Text = strings.Repeat("n", 70), strings.Repeat("t", 140)
	full.Hint = strings.Repeat("h", 52)
	code, err := full.Code()
	if err != nil {
		t.Fatal(err)
	}
	full.Hint = strings.Repeat("h", 70)[:52+MaxCodeBytes-len(code)]
	if code, err = full.Code(); err != nil || len(code) != MaxCodeBytes {
		t.Fatalf("%d bytes, %v", len(code), err)
	}
	full.Hint += "h"
	if _, err := full.Code(); !errors.Is(err, ErrTransfer) {
		t.Errorf("one byte more: %v", err)
	}
}

func FuzzTexts(f *testing.F) {
	f.Add("Invoice 12 für Jörg", "RF05ABCDEFGH1234", int64(100))
	f.Add("a\nb", "RF52 K2M4 P6R8 T0VX", int64(-5))
	f.Add("\xff", "", int64(1))
	f.Fuzz(func(t *testing.T, words, text string, cents int64) {
		plain, _ := Plain(words)
		for _, r := range plain {
			if !isPlain(r) {
				t.Fatalf("%q: %q", words, plain)
			}
		}
		if again, whole := Plain(plain); again != plain || !whole {
			t.Fatalf("%q becomes %q, then %q", words, plain, again)
		}
		for _, r := range FindReferences(words, text) {
			if !isReference(string(r)) {
				t.Fatalf("%q, %q: %q is found and is none", words, text, r)
			}
		}
		if line, err := Remittance(words, refA); err == nil && (len(line) > MaxText || !slices.Equal(FindReferences(line), []Reference{refA})) {
			t.Fatalf("%q: %q", words, line)
		}
		x := Transfer{Name: words, Account: "DE33100205000001194700", Cents: cents, Text: text}
		code, err := x.Code()
		if err != nil {
			return
		}
		// Read line by line, the code says what was asked for and nothing else.
		lines := strings.Split(code, "\n")
		for len(lines) < 12 {
			lines = append(lines, "")
		}
		want := []string{"BCD", "002", "1", "SCT", "", words, "DE33100205000001194700", fmt.Sprintf("EUR%d.%02d", cents/100, cents%100), "", "", text, ""}
		if !slices.Equal(lines, want) || !utf8.ValidString(code) || strings.ContainsAny(code, "\r") || len(code) > MaxCodeBytes {
			t.Fatalf("%q, %q, %d: %q", words, text, cents, code)
		}
	})
}
