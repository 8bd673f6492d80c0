package camt

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"quittance/internal/bank"
)

const ours = "DE89370400440532013000"

func parseFile(t *testing.T, name string) *File {
	t.Helper()
	in, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }() // it was only read
	f, err := Parse(in)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var booked = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// nameless takes the keys out: what they must do is tried by itself.
func nameless(es []Entry) []Entry {
	out := append([]Entry{}, es...)
	for i := range out {
		out[i].Key = ""
	}
	return out
}

func TestVersion02(t *testing.T) {
	f := parseFile(t, "v02.xml")
	if f.Version != V02 || f.Message != "MSG-2026-11-20" || len(f.Statements) != 1 {
		t.Fatalf("%+v", f)
	}
	s := f.Statements[0]
	want := []Entry{
		{Place: "statement 1, entry 1", Kind: Credit, Account: ours, Cents: 4999, Booked: booked, Texts: []string{"Invoice 1234 RF05ABCD", "EFGH1234"},
			Debtor: "Jörg Beispiel", DebtorAccount: "DE02120300000000202051", Servicer: "2026112000001"},
		{Place: "statement 1, entry 2, transaction 1", Kind: Credit, Account: ours, Cents: 2000, Booked: booked, Texts: []string{"RF52K2M4P6R8T0VX"}, EndToEnd: "A-1", Servicer: "2026112000002"},
		{Place: "statement 1, entry 2, transaction 2", Kind: Credit, Account: ours, Cents: 2000, Booked: booked, Texts: []string{"thanks"}, Servicer: "2026112000002"},
		{Place: "statement 1, entry 2, transaction 3", Kind: Credit, Account: ours, Cents: 2000, Booked: booked, Texts: []string{"thanks"}, Servicer: "2026112000002"},
		{Place: "statement 1, entry 3", Kind: TakenBack, Account: ours, Cents: 1000, Booked: booked, Texts: []string{"RF05ABCDEFGH1234"}, Servicer: "2026112000003"},
	}
	if got := nameless(s.Entries); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if s.ID != "STMT-324" || s.Account != ours || s.Debits != 1 || !reflect.DeepEqual(s.Skipped, []Skipped{{"statement 1, entry 5", NotBooked, "55.00 EUR"}}) {
		t.Errorf("%+v", s)
	}
	keys := map[string]bool{}
	for _, e := range s.Entries {
		if len(e.Key) != 32 || keys[e.Key] {
			t.Errorf("%s has the key %q", e.Place, e.Key)
		}
		keys[e.Key] = true
	}
}

func TestVersion08(t *testing.T) {
	f := parseFile(t, "v08.xml")
	want := []Entry{
		{Place: "statement 1, entry 1", Kind: Credit, Account: ours, Cents: 4999, Booked: booked, Texts: []string{"Invoice 1234 RF05ABCDEFGH1234"}, EndToEnd: "ORDER-1",
			Debtor: "Jörg Beispiel", DebtorAccount: "DE02120300000000202051", Servicer: "2026112000001"},
		{Place: "statement 1, entry 2", Kind: Returned, Account: ours, Cents: 2500, Booked: booked, Texts: []string{"refund RF05ABCDEFGH1234"}},
	}
	if got := nameless(f.Statements[0].Entries); f.Version != V08 || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got  %+v\nwant %+v", f.Version, got, want)
	}
	// The same booking is the same in both versions.
	if a, b := f.Statements[0].Entries[0].Key, parseFile(t, "v02.xml").Statements[0].Entries[0].Key; a != b {
		t.Errorf("one booking has the keys %s and %s", a, b)
	}
}

// doc is a file of one statement with these entries.
func doc(version Version, entries ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Document xmlns="` + namespace + string(version) + `"><BkToCstmrStmt><GrpHdr><MsgId>M</MsgId></GrpHdr>` + stmt(entries...) + `</BkToCstmrStmt></Document>`
}

func stmt(entries ...string) string {
	return `<Stmt><Id>S</Id><Acct><Id><IBAN>` + ours + `</IBAN></Id></Acct>` + strings.Join(entries, "") + `</Stmt>`
}

// entry is a booked credit of version 001.08; what is given stands in it too.
func entry(amount, inside string) string {
	return `<Ntry><Amt Ccy="EUR">` + amount + `</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>2026-11-20</Dt></BookgDt>` + inside + `</Ntry>`
}

func details(inside ...string) string {
	return `<NtryDtls><TxDtls>` + strings.Join(inside, `</TxDtls><TxDtls>`) + `</TxDtls></NtryDtls>`
}

func euros(v string) string { return `<Amt Ccy="EUR">` + v + `</Amt>` }

func says(v string) string { return `<RmtInf><Ustrd>` + v + `</Ustrd></RmtInf>` }

func parse(t *testing.T, text string) Statement {
	t.Helper()
	f, err := Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%.2000s", err, text)
	}
	return f.Statements[0]
}

func TestPassedOver(t *testing.T) {
	for name, c := range map[string]struct {
		entry string
		want  Why
	}{
		"pending":                          {strings.Replace(entry("1.00", ""), "BOOK", "PDNG", 1), NotBooked},
		"for information":                  {strings.Replace(entry("1.00", ""), "BOOK", "INFO", 1), NotBooked},
		"a status of the bank's own":       {strings.Replace(entry("1.00", ""), "BOOK", "book", 1), NotBooked},
		"dollars":                          {strings.Replace(entry("1.00", ""), "EUR", "USD", 1), OtherCurrency},
		"nothing":                          {entry("0.00", ""), NoAmount},
		"less than a cent":                 {entry("1.001", ""), Contradictory},
		"more than anybody has":            {entry("999999999999999999", ""), Contradictory},
		"no date":                          {strings.Replace(entry("1.00", ""), "<BookgDt><Dt>2026-11-20</Dt></BookgDt>", "", 1), NoDate},
		"a day that is none":               {strings.Replace(entry("1.00", ""), "2026-11-20", "2026-02-30", 1), NoDate},
		"a day long ago":                   {strings.Replace(entry("1.00", ""), "2026-11-20", "0001-01-01", 1), NoDate},
		"a batch without its parts":        {entry("60.00", "<NtryDtls><Btch><NbOfTxs>3</NbOfTxs></Btch></NtryDtls>"), NoDetails},
		"a batch with one of its parts":    {entry("60.00", "<NtryDtls><Btch><NbOfTxs>3</NbOfTxs></Btch><TxDtls>"+says("x")+"</TxDtls></NtryDtls>"), NoDetails},
		"parts without amounts":            {entry("60.00", details(says("a"), says("b"))), NoDetails},
		"one part without an amount":       {entry("60.00", details(euros("60.00")+says("a"), says("b"))), NoDetails},
		"a part of nothing":                {entry("60.00", details(euros("60.00")+says("a"), euros("0.00")+says("b"))), NoDetails},
		"parts that are less":              {entry("60.00", details(euros("20.00"), euros("30.00"))), Contradictory},
		"parts that are more":              {entry("60.00", details(euros("50.00"), euros("30.00"))), Contradictory},
		"parts in dollars":                 {entry("60.00", details(strings.Replace(euros("30.00"), "EUR", "USD", 1), euros("30.00"))), NoDetails},
		"a part that goes the other way":   {entry("60.00", details(euros("30.00")+"<CdtDbtInd>DBIT</CdtDbtInd>", euros("30.00"))), Contradictory},
		"one part of another sum":          {entry("60.00", details(euros("20.00")+says("RF05ABCDEFGH1234"))), Contradictory},
		"parts whose sum would overflow":   {entry("60.00", details(euros("999999999999999.99"), euros("999999999999999.99"))), Contradictory},
		"one part of fractions of a cent":  {entry("60.00", details(euros("60.001"))), Contradictory},
		"one part of another sum, ordered": {entry("60.00", details("<AmtDtls><TxAmt>"+euros("20.00")+"</TxAmt></AmtDtls>")), Contradictory},
	} {
		s := parse(t, doc(V08, c.entry))
		if len(s.Entries) != 0 || len(s.Skipped) != 1 || s.Skipped[0].Why != c.want || s.Skipped[0].Place != "statement 1, entry 1" || s.Skipped[0].Amount == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	s := parse(t, strings.Replace(doc(V08, entry("1.00", "")), "<IBAN>"+ours+"</IBAN>", "<Othr><Id>4711</Id></Othr>", 1))
	if s.Account != "" || len(s.Entries) != 0 || len(s.Skipped) != 1 || s.Skipped[0].Why != OtherAccount {
		t.Errorf("an account without an IBAN: %+v", s)
	}
}

func TestEntries(t *testing.T) {
	debit := func(e string) string { return strings.Replace(e, "CRDT", "DBIT", 1) }
	for name, c := range map[string]struct {
		entry string
		want  Entry
	}{
		"no details":                {entry("1.00", ""), Entry{Kind: Credit, Cents: 100}},
		"what the bank adds":        {entry("1.00", "<AddtlNtryInf>RF05ABCDEFGH1234</AddtlNtryInf>"), Entry{Kind: Credit, Cents: 100, Texts: []string{"RF05ABCDEFGH1234"}}},
		"to a transaction":          {entry("1.00", details("<AddtlTxInf>x</AddtlTxInf>")+"<AddtlNtryInf>y</AddtlNtryInf>"), Entry{Kind: Credit, Cents: 100, Texts: []string{"x"}}},
		"no decimals":               {entry("1", ""), Entry{Kind: Credit, Cents: 100}},
		"five decimals":             {entry("1.50000", ""), Entry{Kind: Credit, Cents: 150}},
		"a day with a time zone":    {strings.Replace(entry("1.00", ""), "2026-11-20<", "2026-11-20+01:00<", 1), Entry{Kind: Credit, Cents: 100}},
		"only a value date":         {strings.ReplaceAll(entry("1.00", ""), "BookgDt", "ValDt"), Entry{Kind: Credit, Cents: 100}},
		"a debit that was reversed": {entry("1.00", "<RvslInd>true</RvslInd>"), Entry{Kind: Returned, Cents: 100}},
		"a credit that was":         {debit(entry("1.00", "<RvslInd>1</RvslInd>")), Entry{Kind: TakenBack, Cents: 100}},
		"our own money back":        {entry("1.00", "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>IRCT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"), Entry{Kind: Returned, Cents: 100}},
		"a recall":                  {entry("1.00", "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>RPCR</SubFmlyCd></Fmly></Domn></BkTxCd>"), Entry{Kind: Returned, Cents: 100}},
		"by what its details say":   {entry("1.00", details("<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>ICDT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>")), Entry{Kind: Returned, Cents: 100}},
		"told as a return":          {entry("1.00", details("<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")), Entry{Kind: Returned, Cents: 100}},
		"an instant transfer":       {entry("1.00", "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RRCT</Cd><SubFmlyCd>ESCT</SubFmlyCd></Fmly></Domn></BkTxCd>"), Entry{Kind: Credit, Cents: 100}},
		"ordered in dollars":        {entry("1.00", details(`<AmtDtls><InstdAmt><Amt Ccy="USD">1.10</Amt></InstdAmt></AmtDtls>`)), Entry{Kind: Credit, Cents: 100}},
		"ordered before charges":    {entry("1.00", details(`<AmtDtls><InstdAmt>`+euros("1.10")+`</InstdAmt></AmtDtls>`)), Entry{Kind: Credit, Cents: 100}},
		"a reference of the part":   {entry("1.00", details("<Refs><AcctSvcrRef>T</AcctSvcrRef></Refs>")), Entry{Kind: Credit, Cents: 100, Servicer: "T"}},
		"characters and CDATA":      {entry("1.00", details(says("a&amp;b &#x42; <![CDATA[<c>]]> <!-- d -->e"))), Entry{Kind: Credit, Cents: 100, Texts: []string{"a&b B <c> e"}}},
		"a debtor without an IBAN":  {entry("1.00", details("<RltdPties><DbtrAcct><Id><Othr><Id>1</Id></Othr></Id></DbtrAcct></RltdPties>")), Entry{Kind: Credit, Cents: 100}},
	} {
		s := parse(t, doc(V08, c.entry))
		c.want.Place, c.want.Account, c.want.Booked = "statement 1, entry 1", ours, booked
		if c.want.Texts == nil {
			c.want.Texts = []string{}
		}
		if got := nameless(s.Entries); len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
			t.Errorf("%s: got %+v, %+v\nwant %+v", name, got, s.Skipped, c.want)
		}
	}
	if s := parse(t, doc(V08, debit(entry("1.00", "")))); s.Debits != 1 || len(s.Entries)+len(s.Skipped) != 0 {
		t.Errorf("a debit: %+v", s)
	}
}

func keys(s Statement) (out []string) {
	for _, e := range s.Entries {
		out = append(out, e.Key)
	}
	return out
}

// A booking has one name, wherever it is told, and no other booking has it.
func TestKeys(t *testing.T) {
	ref := func(r string) string { return "<AcctSvcrRef>" + r + "</AcctSvcrRef>" }
	said := details(says("RF05ABCDEFGH1234"))
	base := keys(parse(t, doc(V08, entry("1.00", ref("A")+said))))[0]
	for name, e := range map[string]string{
		"with more decimals": entry("1.000", ref("A")+said), "with lines broken elsewhere": entry("1.00", ref("A")+details("<RmtInf><Ustrd>RF05ABC</Ustrd><Ustrd>DEFGH1234</Ustrd></RmtInf>")),
		"with more said of it": entry("1.00", "<NtryRef>9</NtryRef>"+ref("A")+details("<Refs><TxId>1</TxId></Refs>"+says("RF05ABCDEFGH1234"))+"<AddtlNtryInf>x</AddtlNtryInf>"),
	} {
		if got := keys(parse(t, doc(V08, e)))[0]; got != base {
			t.Errorf("%s: another key", name)
		}
	}
	for name, e := range map[string]string{
		"another reference": entry("1.00", ref("B")+said), "another amount": entry("1.01", ref("A")+said), "another day": strings.Replace(entry("1.00", ref("A")+said), "11-20", "11-21", 1),
		"no reference": entry("1.00", said), "a word for none": entry("1.00", ref("NONREF")+said), "a reversal": entry("1.00", "<RvslInd>true</RvslInd>"+ref("A")+said),
	} {
		if got := keys(parse(t, doc(V08, e)))[0]; got == base {
			t.Errorf("%s: the same key", name)
		}
	}
	if got := keys(parse(t, strings.Replace(doc(V08, entry("1.00", ref("A")+said)), ours, "DE02120300000000202051", 1)))[0]; got == base {
		t.Error("another account: the same key")
	}

	// One with a reference that stands twice is one; without, there are two.
	twice := keys(parse(t, doc(V08, entry("1.00", ref("A")+said), entry("1.00", ref("A")+said))))
	if twice[0] != twice[1] {
		t.Error("one booking told twice has two keys")
	}
	alike := keys(parse(t, doc(V08, entry("1.00", said), entry("1.00", said), entry("1.00", details(says("x"))))))
	if alike[0] == alike[1] || alike[1] == alike[2] || alike[0] == alike[2] {
		t.Errorf("bookings without references: %v", alike)
	}
	if again := keys(parse(t, doc(V08, entry("1.00", details(says("x"))), entry("1.00", said), entry("1.00", said)))); !reflect.DeepEqual([]string{again[1], again[2], again[0]}, alike) {
		t.Errorf("in another order: %v, %v", again, alike)
	}
	// A statement that stands twice in a file tells of nothing new.
	f, err := Parse(strings.NewReader(strings.Replace(doc(V08, entry("1.00", said)), "</BkToCstmrStmt>", stmt(entry("1.00", said))+"</BkToCstmrStmt>", 1)))
	if err != nil || len(f.Statements) != 2 || f.Statements[0].Entries[0].Key != f.Statements[1].Entries[0].Key {
		t.Errorf("a statement twice: %+v, %v", f, err)
	}

	// Parts of one booking: the same whatever their order, and told apart where they say the same.
	a, b := euros("30.00")+says("a"), euros("30.00")+says("b")
	one := keys(parse(t, doc(V08, entry("90.00", ref("A")+details(a, b, b)))))
	other := keys(parse(t, doc(V08, entry("90.00", ref("A")+details(b, a, b)))))
	if one[0] != other[1] || one[1] != other[0] || one[2] != other[2] || one[0] == one[1] || one[1] == one[2] {
		t.Errorf("%v, %v", one, other)
	}
	inTwo := keys(parse(t, doc(V08, entry("90.00", ref("A")+details(a)+details(b, b)))))
	if !reflect.DeepEqual(inTwo, one) {
		t.Errorf("in two lists: %v", inTwo)
	}
}

var hostile = map[string]struct {
	text string
	want Reason
}{
	"nothing":                         {"", Malformed},
	"blanks":                          {" \n ", Malformed},
	"no XML":                          {":20:STARTUMS\n:25:10020030/1234567", Malformed},
	"half of it":                      {doc(V08, entry("1.00", ""))[:300], Malformed},
	"something behind":                {doc(V08) + "<Document/>", Malformed},
	"a text behind":                   {doc(V08) + "x", Malformed},
	"no statement":                    {`<Document xmlns="` + namespace + string(V08) + `"><BkToCstmrStmt/></Document>`, Malformed},
	"nothing in it":                   {`<Document xmlns="` + namespace + string(V08) + `"/>`, Malformed},
	"no namespace":                    {`<Document><BkToCstmrStmt/></Document>`, WrongMessage},
	"another message":                 {strings.ReplaceAll(doc(V08), "camt.053", "camt.054"), WrongMessage},
	"a payment order":                 {`<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"/>`, WrongMessage},
	"another version":                 {strings.ReplaceAll(doc(V08), "001.08", "001.04"), WrongVersion},
	"a web page":                      {`<html xmlns="http://www.w3.org/1999/xhtml"/>`, WrongMessage},
	"billion laughs":                  {`<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">]>` + doc(V08)[38:], HasDTD},
	"a file of this machine":          {`<?xml version="1.0"?><!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/hostname">]>` + doc(V08)[38:], HasDTD},
	"a document type of somebody":     {`<!DOCTYPE Document SYSTEM "http://127.0.0.1:1/x.dtd">` + doc(V08)[38:], HasDTD},
	"one in the middle":               {strings.Replace(doc(V08, entry("1.00", "")), "<Ntry>", `<!DOCTYPE x><Ntry>`, 1), HasDTD},
	"an entity of nobody":             {doc(V08, entry("1.00", details(says("&lol;")))), Malformed},
	"latin 1":                         {strings.Replace(doc(V08), "UTF-8", "ISO-8859-1", 1), WrongEncoding},
	"said to be UTF-16":               {strings.Replace(doc(V08), "UTF-8", "UTF-16", 1), WrongEncoding},
	"UTF-16":                          {"\xff\xfe<\x00D\x00", WrongEncoding},
	"bytes that are no text":          {doc(V08, entry("1.00", details(says("J\xf6rg")))), WrongEncoding},
	"a null":                          {doc(V08, entry("1.00", details(says("\x00")))), Malformed},
	"depth":                           {doc(V08, strings.Repeat("<a>", 200)), TooDeep},
	"depth without end":               {`<Document xmlns="` + namespace + string(V08) + `">` + strings.Repeat("<a>", 1_000_000), TooDeep},
	"a text without end":              {doc(V08, entry("1.00", details(says(strings.Repeat("x", maxText+1))))), TooLarge},
	"lines without end":               {doc(V08, entry("1.00", details("<RmtInf>"+strings.Repeat("<Ustrd>x</Ustrd>", maxTextLines+1)+"</RmtInf>"))), TooMany},
	"two amounts":                     {doc(V08, entry("1.00", euros("2.00"))), Malformed},
	"two directions":                  {doc(V08, entry("1.00", "<CdtDbtInd>DBIT</CdtDbtInd>")), Malformed},
	"two reversals":                   {doc(V08, entry("1.00", "<RvslInd>false</RvslInd><RvslInd>true</RvslInd>")), Malformed},
	"two accounts":                    {strings.Replace(doc(V08), "</Acct>", "</Acct><Acct/>", 1), Malformed},
	"two IBANs":                       {strings.Replace(doc(V08), "</IBAN>", "</IBAN><IBAN>"+ours+"</IBAN>", 1), Malformed},
	"two remittances":                 {doc(V08, entry("1.00", details(says("a")+says("b")))), Malformed},
	"two messages":                    {strings.Replace(doc(V08), "</Document>", "<BkToCstmrStmt/></Document>", 1), Malformed},
	"no account":                      {strings.Replace(doc(V08), "<Acct><Id><IBAN>"+ours+"</IBAN></Id></Acct>", "", 1), Malformed},
	"entries before the account":      {strings.Replace(doc(V08), "<Acct>", entry("1.00", "")+"<Acct>", 1), Malformed},
	"no amount":                       {doc(V08, strings.Replace(entry("1.00", ""), euros("1.00"), "", 1)), Malformed},
	"no direction":                    {doc(V08, strings.Replace(entry("1.00", ""), "<CdtDbtInd>CRDT</CdtDbtInd>", "", 1)), Malformed},
	"another direction":               {doc(V08, strings.Replace(entry("1.00", ""), "CRDT", "crdt", 1)), Malformed},
	"no status":                       {doc(V08, strings.Replace(entry("1.00", ""), "<Sts><Cd>BOOK</Cd></Sts>", "", 1)), Malformed},
	"a status of the other version":   {doc(V08, strings.Replace(entry("1.00", ""), "<Cd>BOOK</Cd>", "BOOK", 1)), Malformed},
	"a status of the newer version":   {doc(V02, entry("1.00", "")), Malformed},
	"a negative amount":               {doc(V08, entry("-1.00", "")), Malformed},
	"an amount with an exponent":      {doc(V08, entry("1e9", "")), Malformed},
	"an amount with commas":           {doc(V08, entry("1,00", "")), Malformed},
	"an amount of many digits":        {doc(V08, entry("1234567890123456789", "")), Malformed},
	"an amount of other digits":       {doc(V08, entry("١", "")), Malformed},
	"an amount without a currency":    {doc(V08, strings.Replace(entry("1.00", ""), ` Ccy="EUR"`, "", 1)), Malformed},
	"an amount in elements":           {doc(V08, entry("<x>1.00</x>", "")), Malformed},
	"neither true nor false":          {doc(V08, entry("1.00", "<RvslInd>yes</RvslInd>")), Malformed},
	"text between":                    {doc(V08, entry("1.00", "x")), Malformed},
	"elements that cross":             {strings.Replace(doc(V08), "</Stmt></BkToCstmrStmt>", "</BkToCstmrStmt></Stmt>", 1), Malformed},
	"an attribute that is not closed": {doc(V08, `<Ntry a="`), Malformed},
}

func TestHostileFiles(t *testing.T) {
	for name, c := range hostile {
		for _, in := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text[:min(len(c.text), 20_000)]))} {
			f, err := Parse(in)
			e, ok := errors.AsType[*Error](err)
			if !ok || f != nil || e.Reason != c.want || e.Line < 1 || e.Detail == "" || len(e.Error()) > 400 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestReadingFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	for _, at := range []int{0, 1, 200} {
		_, err := Parse(io.MultiReader(strings.NewReader(doc(V08)[:at]), iotest.ErrReader(broken)))
		if _, ours := errors.AsType[*Error](err); !errors.Is(err, broken) || ours {
			t.Errorf("after %d bytes: %v", at, err)
		}
	}
	// A mark that says UTF-8 is no part of the text.
	if s := parse(t, "\xef\xbb\xbf"+doc(V02)); s.Account != bank.IBAN(ours) {
		t.Errorf("%+v", s)
	}
}

// endless is a document that never ends.
type endless struct{ head, body string }

func (e *endless) Read(p []byte) (int, error) {
	if e.head != "" {
		n := copy(p, e.head)
		e.head = e.head[n:]
		return n, nil
	}
	n := 0
	for n+len(e.body) <= len(p) {
		n += copy(p[n:], e.body)
	}
	return max(n, copy(p, e.body)), nil
}

func TestFilesWithoutEnd(t *testing.T) {
	head := strings.TrimSuffix(doc(V08), "</Stmt></BkToCstmrStmt></Document>")
	for name, c := range map[string]struct {
		head, body string
		want       Reason
	}{
		"blanks":    {head, " ", TooLarge},
		"a comment": {head + "<!--", "x", TooLarge},
		"entries":   {head, strings.Replace(entry("1.00", ""), "<BookgDt><Dt>2026-11-20</Dt></BookgDt>", "", 1), TooMany},
		"parts":     {head + strings.TrimSuffix(entry("1.00", "<NtryDtls>"), "</Ntry>"), "<TxDtls/>", TooMany},
	} {
		_, err := parseWithin(&endless{c.head, c.body}, 1<<20, 2000)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A large statement is read in a moment.
func TestManyEntries(t *testing.T) {
	var b strings.Builder
	const n = 2000
	for i := range n {
		b.WriteString(entry(fmt.Sprintf("%d.%02d", 1+i/100, i%100), fmt.Sprintf("<AcctSvcrRef>R%d</AcctSvcrRef>", i)+details(says("RF05ABCDEFGH1234"))))
	}
	s := parse(t, doc(V08, b.String()))
	distinct := map[string]bool{}
	for _, e := range s.Entries {
		distinct[e.Key] = true
	}
	if len(s.Entries) != n || len(distinct) != n || s.Entries[n-1].Cents != 100+n-1 {
		t.Errorf("%d entries, %d keys", len(s.Entries), len(distinct))
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"v02.xml", "v08.xml"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, name := range slices.Sorted(maps.Keys(hostile)) {
		if text := hostile[name].text; len(text) < 3000 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(doc(V08, entry("60.00", details(euros("20.00")+says("a"), euros("40.00"))))))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Parse(strings.NewReader(string(text)))
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok || file != nil {
				t.Fatalf("%+v, %v", file, err)
			}
			return
		}
		again, err := Parse(iotest.HalfReader(strings.NewReader(string(text))))
		if err != nil || !reflect.DeepEqual(file, again) {
			t.Fatalf("read twice: %v", err)
		}
		for _, s := range file.Statements {
			for _, e := range s.Entries {
				if e.Cents <= 0 || e.Account == "" || e.Account != s.Account || len(e.Key) != 32 || e.Booked.Year() < 2000 || e.Kind != Credit && e.Kind != TakenBack && e.Kind != Returned {
					t.Fatalf("%+v", e)
				}
			}
		}
	})
}
