//go:build !nosandbox

package templates_test

import (
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"quittance/templates"
)

var hostile = []string{
	`<script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onfocus='alert(1)' autofocus='`,
	`</title></head><body onload=alert(1)>`,
	`</template></noscript></svg><iframe src="javascript:alert(1)">`,
	`<!--<script>`,
	`]]><x>`,
	"\u2028\u2029\u202eevil\u200b",
	"&lt;script&gt;&amp;&#39;",
	"{{ . }}${x}`",
	strings.Repeat("<b>", 300),
	"\xff\xfe<\x80",
}

// fill puts s into every string that a view model has, at any depth, but those
// that choose the page's shape.
func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			switch v.Type().Field(i).Name {
			case "State", "Oddity", "Outcome", "Stage", "Trouble":
			default:
				fill(v.Field(i), s)
			}
		}
	default:
	}
}

// filled is a copy of p with s in every text but the payees, which are cut into
// parts by their length.
func filled(p *templates.PayPage, s string) *templates.PayPage {
	c := *p
	c.Safety.Checks = append([]templates.Check(nil), c.Safety.Checks...)
	c.Data.Chain.RPCURLs = append([]string(nil), c.Data.Chain.RPCURLs...)
	c.Data.Assets, c.Data.Items = slices.Clone(c.Data.Assets), slices.Clone(c.Data.Items)
	c.Data.Frames, c.Safe.Owners = slices.Clone(c.Data.Frames), slices.Clone(c.Safe.Owners)
	c.Items, c.Totals = slices.Clone(c.Items), slices.Clone(c.Totals)
	fill(reflect.ValueOf(&c).Elem(), s)
	c.Payee = ""
	for i := range c.Items {
		c.Items[i].Payee = ""
	}
	return &c
}

// shape is the names of a document's elements and attributes, in order: what a
// text must never change.
func shape(doc *goquery.Document) string {
	var b strings.Builder
	doc.Find("*").Each(func(_ int, el *goquery.Selection) {
		b.WriteString(el.Nodes[0].Data)
		for _, a := range el.Nodes[0].Attr {
			b.WriteString(" " + a.Key)
		}
		b.WriteByte('\n')
	})
	return b.String()
}

func TestHostileTextChangesNoMarkup(t *testing.T) {
	for _, name := range []string{"open", "open-partial", "open-reorged", "seen", "paid-over", "paid-no-redirect", "expired-late", "failed", "unsafe-code-pinned",
		"batch-partial", "batch-contract-fee", "payee-short", "payout", "payout-paid", "access-both", "blocked", "safe-waiting", "safe-waiting-queue", "safe-executed", "safe-failed", "open-safe-replaced", "paid-safe",
		"op-waiting", "op-waiting-open", "op-failing", "open-op-failed", "paid-gasless"} {
		s := story(t, name)
		plain := filled(s.View, "harmless text")
		_, doc := render(t, templates.Pay(plain))
		want := shape(doc)
		for _, h := range hostile {
			text, doc := render(t, templates.Pay(filled(s.View, h)))
			if got := shape(doc); got != want {
				t.Errorf("%s: %.40q changes the markup", s.Name, h)
			}
			if err := balanced(text); err != nil {
				t.Errorf("%s: %.40q: %v", s.Name, h, err)
			}
		}
	}
}

func TestHostileTextIsShownAsItIs(t *testing.T) {
	const name = `Bob & "Söhne" <script>alert('1')</script>`
	p := *story(t, "open").View
	p.Merchant, p.RedirectLabel, p.Reference, p.Payee, p.OrderNote = name, name, name, name, name
	_, doc := render(t, templates.Pay(&p))
	for _, id := range []string{"#payee-name", "#merchant-link", "#reference", "#payee", "#order-note"} {
		if got := doc.Find(id).Text(); got != name {
			t.Errorf("%s is %q, want %q", id, got, name)
		}
	}
}

func FuzzPay(f *testing.F) {
	for _, h := range hostile {
		f.Add(h, h, "https://shop.example/"+h, h)
	}
	base := *story(f, "unsafe-contract-official").View
	paid := *story(f, "paid").View
	f.Fuzz(func(t *testing.T, name, label, url, detail string) {
		for _, p := range []templates.PayPage{base, paid} {
			p.Safety = templates.Safety{Outcome: templates.OutcomeRefused, Checks: []templates.Check{{Name: label, Outcome: templates.OutcomeRefused, Detail: detail}}}
			p.Merchant, p.RedirectLabel, p.RedirectURL, p.Payee = name, label, url, ""
			text, doc := render(t, templates.Pay(&p))
			if err := balanced(text); err != nil {
				t.Fatal(err)
			}
			checkDocumentLinks(t, doc)
		}
	})
}

// checkDocumentLinks finds links that leave the web and handlers that no
// template has.
func checkDocumentLinks(t *testing.T, doc *goquery.Document) {
	t.Helper()
	doc.Find("*").Each(func(_ int, el *goquery.Selection) {
		for _, a := range el.Nodes[0].Attr {
			if strings.HasPrefix(a.Key, "on") || a.Key == "style" {
				t.Fatalf("<%s %s>", el.Nodes[0].Data, a.Key)
			}
			if a.Key == "href" && strings.Contains(strings.ToLower(a.Val), "script:") && !strings.HasPrefix(a.Val, "http") {
				t.Fatalf("href %q", a.Val)
			}
		}
	})
}

func BenchmarkOpenPage(b *testing.B)  { benchmarkPage(b, "open") }
func BenchmarkBatchPage(b *testing.B) { benchmarkPage(b, "batch-200") }

func benchmarkPage(b *testing.B, name string) {
	p := *story(b, name).View
	p.Assets = testAssets
	size := &counter{}
	if err := templates.Pay(&p).Render(b.Context(), size); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(size.n))
	b.ReportAllocs()
	for b.Loop() {
		if err := templates.Pay(&p).Render(b.Context(), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

type counter struct{ n int }

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}
