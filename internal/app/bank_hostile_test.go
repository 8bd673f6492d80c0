package app_test

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"quittance/internal/bank/camt"
	"quittance/internal/checkout"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// An archive is read as its files one after the other: what is in two of them counts once,
// what is no statement is named, and places say which file they are in.
func TestArchives(t *testing.T) {
	w := till(t, "")
	p := w.CreateLink(`{"amount":30}`)
	one := webtest.Statement(t, camt.V02, webtest.Transferred{Cents: 1000, Text: textOf(p), Name: "1"})
	two := webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1000, Text: textOf(p), Name: "1"}, webtest.Transferred{Cents: 2000, Text: textOf(p), Name: "2"})
	notice := []byte(strings.ReplaceAll(string(one), "camt.053.001.02", "camt.054.001.02"))
	file := archived(t, []string{"day/one.xml", "__MACOSX/._one.xml", "day/two.XML", "read\u202eme.pdf", "notice.xml", "more.zip"},
		one, []byte("x"), two, []byte("%PDF"), notice, archived(t, []string{"one.xml"}, one))
	s := w.Import(file)
	if got := outcomes(s); !slices.Equal(got, []string{"less", "repeated", "exact"}) {
		t.Fatalf("got %v", got)
	}
	if len(s.Messages) != 2 || s.Messages[0].Name != "one.xml" || s.Messages[0].Version != camt.V02 || s.Messages[1].Name != "two.XML" || s.Bookings[2].Place != "two.XML, statement 1, entry 2" {
		t.Errorf("%+v, %+v", s.Messages, s.Bookings[2])
	}
	if !slices.Equal(s.Passed, []string{"read_me.pdf", "notice.xml", "more.zip"}) {
		t.Errorf("passed over: %q", s.Passed)
	}
	if p = w.Link(p.Terms.Alias); p.Standing.State != payment.Paid || came(p) != 3000 {
		t.Errorf("%+v", p.Standing)
	}
	again := w.Import(file)
	if n, _ := again.Count("repeated"); n != 3 {
		t.Errorf("again: %v", outcomes(again))
	}
}

// A file that cannot be taken is refused with a sentence, and nothing of it is recorded: not
// even the bookings before the fault.
func TestHostileStatements(t *testing.T) {
	w := till(t, "")
	p := w.CreateLink(`{"amount":30}`)
	good := webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 3000, Text: textOf(p), Name: "1"})
	text := string(good)
	encrypted := archived(t, []string{"one.xml"}, good)
	for _, at := range []string{"PK\x03\x04", "PK\x01\x02"} { // the flags of the file and of its entry in the directory
		i := bytes.Index(encrypted, []byte(at)) + map[string]int{"PK\x03\x04": 6, "PK\x01\x02": 8}[at]
		encrypted[i] |= 1
	}
	damaged := archived(t, []string{"one.xml"}, good)
	damaged[bytes.Index(damaged, []byte("one.xml"))+40] ^= 0xff
	many := make([]string, 600)
	for i := range many {
		many[i] = strconv.Itoa(i) + ".xml"
	}
	padded := append(bytes.Repeat([]byte("<!-- "+strings.Repeat("nothing at all ", 200)+" -->\n"), 8<<10), good...) // 24 MB, a few kB packed
	for name, c := range map[string]struct {
		file []byte
		code string
	}{
		"nothing":                {nil, "malformed"},
		"no XML":                 {[]byte("Kontoauszug vom 22.11."), "malformed"},
		"a picture":              {[]byte("\x89PNG\r\n\x1a\n\x00\x00"), "wrong_encoding"},
		"cut off":                {good[:len(good)-30], "malformed"},
		"a document type":        {[]byte(strings.Replace(text, "<Document", "<!DOCTYPE x [<!ENTITY a \"b\">]><Document", 1)), "has_dtd"},
		"an unknown entity":      {[]byte(strings.Replace(text, textOf(p), "&a;", 1)), "malformed"},
		"another message":        {[]byte(strings.ReplaceAll(text, "camt.053.001.08", "camt.054.001.08")), "wrong_message"},
		"another version":        {[]byte(strings.ReplaceAll(text, "camt.053.001.08", "camt.053.001.13")), "wrong_version"},
		"bytes without a form":   {[]byte(strings.Replace(text, textOf(p), "\xff\xfe", 1)), "wrong_encoding"},
		"nested for ever":        {[]byte(strings.Replace(text, "<Stmt>", strings.Repeat("<a>", 1000)+"<Stmt>", 1)), "too_deep"},
		"more than is read":      {bytes.Repeat([]byte(" "), 33<<20), "too_large"},
		"somebody's account":     {webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1, Text: "x", Account: otherIBAN}), "account_unknown"},
		"half somebody's":        {joined(t, good, webtest.Statement(t, camt.V08, webtest.Transferred{Cents: 1, Text: "x", Account: otherIBAN})), "account_unknown"},
		"a broken archive":       {append([]byte("PK\x03\x04"), good...), "broken_archive"},
		"an empty archive":       {archived(t, nil), "no_statement"},
		"an archive of other":    {archived(t, []string{"a.pdf", "b.txt"}, []byte("x")), "no_statement"},
		"an archive in one":      {archived(t, []string{"a.zip"}, archived(t, []string{"a.xml"}, good)), "no_statement"},
		"an encrypted archive":   {encrypted, "encrypted"},
		"a damaged archive":      {damaged, "broken_archive"},
		"too many files":         {archived(t, many, good), "too_many_files"},
		"a bomb":                 {archived(t, []string{"1.xml", "2.xml", "3.xml"}, padded), "too_large"},
		"a bomb in one file":     {archived(t, []string{"1.xml"}, bytes.Repeat([]byte(" "), 33<<20)), "too_large"},
		"one bad among the good": {archived(t, []string{"1.xml", "2.xml"}, good, good[:len(good)-30]), "malformed"},
	} {
		s, err := w.App.ImportStatement(t.Context(), "", bytes.NewReader(c.file), false)
		if !isField(err, "file", c.code) || len(s.Bookings) != 0 {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := w.App.ImportStatement(t.Context(), "", iotest.ErrReader(broken), false); !errors.Is(err, broken) {
		t.Errorf("a file that cannot be read: %v", err)
	}
	if bs := kept(t, w, checkout.BookingQuery{}); len(bs) != 0 || came(w.Link(p.Terms.Alias)) != 0 {
		t.Errorf("refused, and recorded: %v", bs)
	}
	if s := w.Import(good); !slices.Equal(outcomes(s), []string{"exact"}) {
		t.Errorf("afterwards: %v", outcomes(s))
	}
}

// Texts of payers are kept as they are, whatever they hold, and read as no more than texts.
func TestHostileTexts(t *testing.T) {
	onBothEngines(t, func(t *testing.T, database string) {
		w := till(t, database)
		texts := []string{"'; DROP TABLE payments; --", "<script>alert(1)</script>", "\u202eabc", strings.Repeat("x", 3000), "%s %n \\x00", "RF" + strings.Repeat("9", 500)}
		var ts []webtest.Transferred
		for i, x := range texts {
			ts = append(ts, webtest.Transferred{Cents: 1, Text: x, From: x[:min(len(x), 100)], Name: strconv.Itoa(i)})
		}
		s := w.Import(webtest.Statement(t, camt.V08, ts...))
		stored := map[string]string{}
		for _, b := range kept(t, w, checkout.BookingQuery{Open: true}) {
			stored[b.Key] = b.Text
		}
		if len(stored) != len(texts) || s.Left() != len(texts) {
			t.Errorf("%d are open of %d, %v", len(stored), len(texts), outcomes(s))
		}
		for i, b := range s.Bookings {
			if got := strings.ReplaceAll(stored[b.Key], " ", ""); got != strings.ReplaceAll(texts[i], " ", "") {
				t.Errorf("%q became %q", texts[i], got)
			}
		}
	})
}
