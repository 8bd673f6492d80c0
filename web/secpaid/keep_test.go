package secpaid

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// paid is the payment of the documentation's example link, as it is stored once it is paid.
func paid(t *testing.T, o order, shares []share) *payment.Payment {
	t.Helper()
	kept, err := o.keep(shares)
	if err != nil {
		t.Fatal(err)
	}
	p := &payment.Payment{ID: "01JD0000000000000000000009", Terms: payment.Terms{
		Merchant: "M", Dialect: Name, Alias: "99290", Metadata: kept, RedirectURL: o.Redirect, PayerCancels: o.Cancellable, CreatedAt: instant(t, "2026-05-20T11:19:48Z"),
	}, Standing: payment.Standing{State: payment.Paid, SettledAt: instant(t, "2026-05-21T00:00:01Z")}}
	if shares == nil {
		shares = []share{{"M", o.Cents}}
	}
	for i, s := range shares {
		p.Terms.Requests = append(p.Terms.Requests, payment.Request{Index: i, Asset: asset.EUR, Due: money.Cents(s.Cents)})
	}
	return p
}

// What is ordered is there again in what is stored, but for the key.
func TestLinksAreKept(t *testing.T) {
	full := order{
		Cents: 4999, Note: "Größe <1> &\r\n\"2\"", Redirect: "https://a.example.com/x?y=1&z=2", Callbacks: []string{"https://a.example.com/x?y=1&z=2", "https://b.example.com/"},
		Endpoints: []string{"https://a.example.com/h", "https://b.example.com/h"}, Cancellable: true, Transfer: true, Statement: "Café Müller", QR: true,
	}
	for name, o := range map[string]order{"all of it": full, "nothing": {Cents: 1}} {
		l, err := linkOf(paid(t, o, nil))
		if err != nil || !reflect.DeepEqual(l.Order, o) || l.ID != 99290 || l.Status != statusUsed || l.PaidAt.IsZero() || l.Recipients != "" || l.whose(0) != userID("M") {
			t.Errorf("%s: %+v, %v", name, l, err)
		}
	}
	keyed := full
	keyed.Key = key32
	if text, err := keyed.keep(nil); err != nil || strings.Contains(text, key32) {
		t.Errorf("%s, %v", text, err)
	}
	o := full
	o.Split = &split{Type: splitAbsolute, Recipients: []recipient{{Token: "sp_secret_token", Share: "10.50", hundredths: 1050}, {Token: "b", Share: "5", hundredths: 500}}}
	p := paid(t, o, []share{{"A", 1050}, {"B", 500}, {"M", 3449}})
	if strings.Contains(p.Terms.Metadata, "sp_secret_token") {
		t.Errorf("a token is kept: %s", p.Terms.Metadata)
	}
	l, err := linkOf(p)
	if want := `[{"token":"` + userID("A") + `","share":10.50},{"token":"` + userID("B") + `","share":5}]`; err != nil || l.Recipients != want || l.Order.Cents != 4999 || l.Order.Split.Type != splitAbsolute {
		t.Errorf("%+v, %v", l, err)
	}
	if got := []string{l.whose(0), l.whose(1), l.whose(2)}; !slices.Equal(got, []string{userID("A"), userID("B"), userID("M")}) {
		t.Errorf("%v", got)
	}
}

// What no version of this server has stored is an error, and never a link.
func TestWhatIsNoLink(t *testing.T) {
	for name, change := range map[string]func(p *payment.Payment){
		"no id": func(p *payment.Payment) { p.Terms.Alias = "" }, "another dialect's": func(p *payment.Payment) { p.Terms.Alias = "4291f98b-d68c-4eb0-883e-6bc790a41c96" },
		"nothing kept": func(p *payment.Payment) { p.Terms.Metadata = "" }, "half of it": func(p *payment.Payment) { p.Terms.Metadata = `{"note":` }, "a list": func(p *payment.Payment) { p.Terms.Metadata = `[]` },
	} {
		p := paid(t, order{Cents: 2500}, nil)
		change(p)
		if l, err := linkOf(p); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
	// Members that a later version writes mean nothing to this one.
	p := paid(t, order{Cents: 2500}, nil)
	p.Terms.Metadata = `{"note":"n","later":{"x":[1]}}`
	if l, err := linkOf(p); err != nil || l.Order.Note != "n" {
		t.Errorf("%+v, %v", l, err)
	}
}

func FuzzKept(f *testing.F) {
	f.Add("99290", `{"note":"n","callbacks":["https://a.example.com"],"split":{"type":"normal","recipients":[{"user":"u","share":10}]}}`)
	f.Add("1", `{}`)
	f.Fuzz(func(t *testing.T, alias, metadata string) {
		p := &payment.Payment{ID: "01JD0000000000000000000009", Terms: payment.Terms{Alias: alias, Metadata: metadata, Requests: []payment.Request{{Asset: asset.EUR, Due: money.Cents(1)}}},
			Standing: payment.Standing{State: payment.Open}}
		l, err := linkOf(p)
		if err != nil {
			return
		}
		if _, err := encode(l.created("https://p")); err != nil {
			t.Fatalf("%s: %v", metadata, err)
		}
		if _, err := encode(l.unused("https://p")); err != nil {
			t.Fatalf("%s: %v", metadata, err)
		}
	})
}

func TestLinkAddresses(t *testing.T) {
	if got := Link("99290"); got != "/payment?link_id=OTkyOTA=" {
		t.Error(got)
	}
	for _, text := range []string{"OTkyOTA=", "OTkyOTA"} {
		if got, ok := Alias(text); !ok || got != "99290" {
			t.Errorf("%s: %s, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "99290", "OTkyOTA=="[:7] + "!", "4291f98b-d68c-4eb0-883e-6bc790a41c96"} {
		if got, ok := Alias(text); ok || got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := Link("x"); got != "/payment?link_id=" {
		t.Error(got)
	}
}

// A payer goes back where there is an outcome, and nowhere else.
func TestReturn(t *testing.T) {
	const to = "https://s.example.com/done?a=1"
	outcome := to + "&pay_id=99290&user_id=" + userID("M") + "&status="
	for name, c := range map[string]struct {
		state payment.State
		by    payment.Canceler
		to    string
		want  string
	}{
		"paid": {payment.Paid, "", to, outcome + "success"}, "cancelled": {payment.Canceled, payment.ByPayer, to, outcome + "cancel"},
		"called off": {payment.Canceled, payment.ByMerchant, to, ""}, "deleted": {payment.Canceled, payment.ByDeletion, to, ""},
		"open": {payment.Open, "", to, ""}, "seen": {payment.Seen, "", to, ""}, "failed": {payment.Failed, "", to, ""}, "our own page": {payment.Paid, "", "", ""},
	} {
		p := paid(t, order{Cents: 2500, Redirect: c.to}, nil)
		p.Standing.State, p.Terms.CanceledBy = c.state, c.by
		if got, err := Return(p); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	p := paid(t, order{Cents: 2500, Redirect: "https://["}, nil)
	if got, err := Return(p); err == nil {
		t.Errorf("half a URL: %q", got)
	}
}

// keeps are settings and secrets in memory.
type keeps struct {
	tell bool
	key  string
	err  error
}

func (k keeps) LinkSettings(context.Context, payment.MerchantID) (merchant.LinkSettings, error) {
	return merchant.LinkSettings{TellCancel: k.tell}, k.err
}

func (k keeps) Secret(context.Context, payment.ID) (string, error) { return k.key, k.err }

func TestMessages(t *testing.T) {
	const hook, other, second, third = "https://a.example.com/h", "https://b.example.com/h", "https://b.example.com/", "https://c.example.com/?x=1"
	o := order{Cents: 2500, Note: "Test regular link", Callbacks: []string{"https://a.example.com/", second, third}, Endpoints: []string{hook, other}}
	both := []webhook.Target{{Endpoint: hook}, {Endpoint: other}}
	calls := func(status string) []webhook.Target {
		query := "pay_id=99290&user_id=" + userID("M") + "&status=" + status
		return []webhook.Target{{Endpoint: second, Get: second + "?" + query}, {Endpoint: third, Get: third + "&" + query}}
	}
	body := func(status string) string {
		return `{"ResponseCode":1,"data":{"pay_id":99290,"note":"Test regular link","amount":25,"user_id":"` + userID("M") + `","status":"` + status + `"}}`
	}
	ends := func(s payment.State) map[string]string { return map[string]string{payment.FieldState: string(s)} }
	for name, c := range map[string]struct {
		event payment.Event
		by    payment.Canceler
		tell  bool
		want  []webhook.Message
	}{
		"paid": {payment.Event{Kind: payment.EventPaid, Fields: ends(payment.Paid)}, "", false, []webhook.Message{
			{Event: "link.success", Body: []byte(body("Success")), To: both}, {Event: "link.callback", Body: []byte{}, To: calls("success"), Quiet: true}}},
		"a share of it": {payment.Event{Kind: payment.EventPaid, Fields: ends(payment.Open)}, "", true, nil},
		"cancelled": {payment.Event{Kind: payment.EventCanceled, Fields: ends(payment.Canceled)}, payment.ByPayer, true, []webhook.Message{
			{Event: "link.cancel", Body: []byte(body("Cancel")), To: both}, {Event: "link.callback", Body: []byte{}, To: calls("cancel"), Quiet: true}}},
		"cancelled, and nobody asked": {payment.Event{Kind: payment.EventCanceled, Fields: ends(payment.Canceled)}, payment.ByPayer, false, []webhook.Message{
			{Event: "link.callback", Body: []byte{}, To: calls("cancel"), Quiet: true}}},
		"deleted":    {payment.Event{Kind: payment.EventCanceled, Fields: ends(payment.Canceled)}, payment.ByDeletion, true, nil},
		"called off": {payment.Event{Kind: payment.EventCanceled, Fields: ends(payment.Canceled)}, payment.ByMerchant, true, nil},
		"seen":       {payment.Event{Kind: payment.EventSeen, Fields: ends(payment.Seen)}, "", true, nil},
		"refunded":   {payment.Event{Kind: payment.EventRefunded, Fields: ends(payment.Paid)}, "", true, nil},
	} {
		p := paid(t, o, nil)
		p.Terms.CanceledBy = c.by
		got, err := Encoder{keeps{tell: c.tell}}.Encode(t.Context(), c.event, p)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if len(got) > 0 && !(Encoder{}).Tells(c.event.Kind) {
			t.Errorf("%s: nobody would ask", name)
		}
	}
	is := payment.Event{Kind: payment.EventPaid, Fields: ends(payment.Paid)}
	// Without endpoints the feed alone has it.
	got, err := Encoder{keeps{key: key32}}.Encode(t.Context(), is, paid(t, order{Cents: 2500, Note: "n"}, nil))
	if err != nil || len(got) != 1 || got[0].To == nil || len(got[0].To) != 0 || got[0].Quiet || !strings.HasPrefix(string(got[0].Body), `{"data":"`) {
		t.Errorf("sealed, for nobody: %+v, %v", got, err)
	}
	broken := errors.New("the database is away")
	for name, e := range map[string]payment.Event{"paid": is, "cancelled": {Kind: payment.EventCanceled}} {
		p := paid(t, o, nil)
		p.Terms.CanceledBy = payment.ByPayer
		if got, err := (Encoder{keeps{err: broken}}).Encode(t.Context(), e, p); !errors.Is(err, broken) || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if m, err := (Encoder{}).Disabled(merchant.Endpoint{URL: hook}); err != nil || m.Event != "" {
		t.Errorf("%+v, %v", m, err)
	}
	if h := (Encoder{}).Headers(webhook.Delivery{Body: []byte("{}")}, []string{"s"}, time.Now()); h[HeaderSignature] != Sign("s", []byte("{}")) {
		t.Errorf("%v", h)
	}
}

// A taken id is drawn anew, a few times; nothing else is tried again.
func TestTakenIDs(t *testing.T) {
	taken := fault.New(fault.Conflict, "taken", "It is taken")
	for name, c := range map[string]struct {
		answers []error
		want    error
		calls   int
	}{
		"free": {[]error{nil}, nil, 1}, "taken": {[]error{taken, taken, nil}, nil, 3}, "always taken": {[]error{taken, taken, taken, nil}, taken, 3},
		"a broken database": {[]error{context.Canceled, nil}, context.Canceled, 1},
	} {
		var names []string
		next := int64(0)
		err := named(func() int64 { next++; return next }, func(alias string) error {
			names = append(names, alias)
			return c.answers[len(names)-1]
		})
		if !errors.Is(err, c.want) || len(names) != c.calls || !slices.Equal(names, []string{"1", "2", "3"}[:c.calls]) {
			t.Errorf("%s: %v after %v", name, err, names)
		}
	}
}
