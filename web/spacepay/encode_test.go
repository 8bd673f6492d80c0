package spacepay

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
)

// names is a merchant's name.
type names string

func (n names) Merchant(_ context.Context, id payment.MerchantID) (merchant.Merchant, error) {
	return merchant.Merchant{ID: id, Name: string(n)}, nil
}

func kinds() []payment.EventKind {
	return []payment.EventKind{
		payment.EventCreated, payment.EventAnnounced, payment.EventSeen, payment.EventPartial, payment.EventPaid, payment.EventSurplus, payment.EventLate,
		payment.EventReorged, payment.EventExpired, payment.EventCanceled, payment.EventFailed, payment.EventBridging, payment.EventBroken, payment.EventUnsafe,
		payment.EventRefunded, payment.EventUser, payment.EventRejected,
	}
}

func (e Encoder) one(t *testing.T, ev payment.Event, p *payment.Payment) (name string, body eventWire, raw []byte) {
	t.Helper()
	ms, err := e.Encode(t.Context(), ev, p)
	if err != nil || len(ms) != 1 || ms[0].ClientID != "" {
		t.Fatalf("%s: %d messages, %v", ev.Kind, len(ms), err)
	}
	if err := json.Unmarshal(ms[0].Body, &body); err != nil || body.Type != ms[0].Event {
		t.Fatalf("%s: %s, %v", ev.Kind, ms[0].Body, err)
	}
	return ms[0].Event, body, ms[0].Body
}

func TestWhatIsTold(t *testing.T) {
	e := Encoder{Book: sepolias(t), Names: names("m"), Chains: heights{}}
	var _ webhook.Encoder = e
	told := 0
	for _, k := range kinds() {
		p := sample(t)
		ms, err := e.Encode(t.Context(), payment.Event{ID: "e", Kind: k, Request: -1, At: created}, p)
		if err != nil || (len(ms) == 1) != e.Tells(k) {
			t.Errorf("%s: %d messages, %v", k, len(ms), err)
		}
		if len(ms) == 1 {
			told++
		}
	}
	if told != 10 {
		t.Errorf("%d kinds are told", told)
	}
}

// The first message is the creation's payment, with what later versions of the API have.
func TestCreatedMessage(t *testing.T) {
	e, p := Encoder{Book: sepolias(t), Names: names("Copycat Creations"), Chains: heights{}}, sample(t)
	// It is put into words when all is over.
	ev := payment.Event{Kind: payment.EventCreated, Request: -1, At: created.Add(61 * time.Millisecond), Fields: map[string]string{payment.FieldState: "open"}}
	came(p, docQuote, 100, time.Minute, payment.Final)
	p.Terms.CanceledAt = created.Add(time.Hour)
	name, _, got := e.one(t, ev, p)
	at := sample(t)
	told, err := e.words().payment(at, "Copycat Creations", statusPending, ev.At)
	if err != nil {
		t.Fatal(err)
	}
	want, err := webhook.Marshal(eventWire{Type: eventCreated, Data: eventData{Payment: told.withLater(ev.At)}, Timestamp: "2025-10-10T21:44:06.794Z"})
	if err != nil || name != eventCreated || string(got) != string(want) {
		t.Errorf("got  %s\nwant %s (%v)", got, want, err)
	}
	if !strings.HasSuffix(string(want), `"createdAt":"2025-10-10T21:44:06.733Z","updatedAt":"2025-10-10T21:44:06.794Z","type":"payment"}},"timestamp":"2025-10-10T21:44:06.794Z"}`) {
		t.Errorf("%s", want)
	}
}

// A message tells of its own moment, however late it is put into words.
func TestMessagesOfTheirMoment(t *testing.T) {
	e := Encoder{Book: sepolias(t), Names: names("m"), Chains: heights{}}
	p := sample(t)
	first := came(p, docQuote, 40, time.Minute, payment.Final)
	rest := came(p, docQuote, 60, 2*time.Minute, payment.Final)
	more := came(p, docQuote, 50, 3*time.Minute, payment.Final)
	quoteOf(t, p, usdc, "USDC-base-sepolia", 100_000_000, 10*time.Minute)
	seen, gone := first, first
	seen.Stage, gone.Stage = payment.Pending, payment.Dropped
	event := func(k payment.EventKind, x payment.Transfer, after time.Duration, state payment.State, part string) payment.Event {
		ev := payment.Event{ID: "e", Kind: k, Transfer: &x, At: created.Add(after), Fields: map[string]string{payment.FieldState: string(state), payment.FieldPart: part}}
		ev.Standing = payment.Assess(p.Terms, then(ev, p).Transfers, nil, ev.At).Requests[0]
		return ev
	}
	for _, c := range []struct {
		ev     payment.Event
		status string
		usd    string // of the receipt
		moved  string // of the transfer
		quotes int
	}{
		{event(payment.EventSeen, seen, time.Minute, payment.Open, "1"), statusProcessing, "", "0.40", 1},
		{event(payment.EventPartial, first, time.Minute, payment.Open, "1"), statusProcessing, "", "0.40", 1},
		{event(payment.EventReorged, gone, time.Minute, payment.Open, ""), statusPending, "", "0.40", 1},
		{event(payment.EventPaid, rest, 2*time.Minute, payment.Paid, "1"), statusCompleted, "1.00", "0.60", 1},
		{event(payment.EventSurplus, more, 3*time.Minute, payment.Paid, "1"), statusCompleted, "1.50", "0.50", 1},
		{event(payment.EventSurplus, more, 11*time.Minute, payment.Paid, "1"), statusCompleted, "1.50", "0.50", 2},
	} {
		_, body, raw := e.one(t, c.ev, p)
		got := body.Data.Payment
		usd := ""
		if got.Receipt != nil {
			usd = got.Receipt.SettledAmountUSD
		}
		if got.Status != c.status || usd != c.usd || len(got.Quotes) != c.quotes || got.UpdatedAt != millis(c.ev.At) || got.AmountInCents != 100 {
			t.Errorf("%s at %s: %s", c.ev.Kind, c.ev.At, raw)
		}
		if x := body.Data.Transfer; x == nil || x.Kind != string(c.ev.Kind) || *x.AmountUSD != c.moved || *x.TxHash != c.ev.Transfer.Evidence.Tx {
			t.Errorf("%s: %+v", c.ev.Kind, x)
		}
	}
}

// What came late is told as late and changes no status; what has no price has no worth.
func TestLateAndUnpriced(t *testing.T) {
	e, p := Encoder{Book: sepolias(t), Names: names("m")}, sample(t)
	x := came(p, docQuote, 100, 61*time.Minute, payment.Final)
	s := payment.Assess(p.Terms, p.Transfers, nil, x.At)
	ev := payment.Event{Kind: payment.EventLate, Transfer: &x, Standing: s.Requests[0], At: x.At, Fields: map[string]string{payment.FieldState: "expired"}}
	if _, b, raw := e.one(t, ev, p); b.Data.Payment.Status != statusExpired || b.Data.Transfer.Kind != "late" || b.Data.Payment.Receipt.CompletedAt != nil || b.Data.Payment.Receipt.SettledAmountUSD != "1.00" {
		t.Errorf("%s", raw)
	}
	x.Quote = ""
	if _, b, raw := e.one(t, ev, p); b.Data.Transfer.AmountUSD != nil {
		t.Errorf("%s", raw)
	}
}

func TestDisabledMessage(t *testing.T) {
	m, err := Encoder{}.Disabled(merchant.Endpoint{ID: "e", URL: "https://shop.example/hook?key=secret", DisabledWhy: "10 attempts", FailingSince: created, DisabledAt: created.Add(time.Hour)})
	const want = `{"type":"webhook_endpoint.disabled","data":{"webhook":{"id":"e","url":"https://shop.example/hook","reason":"10 attempts",` +
		`"failingSince":"2025-10-10T21:44:06.733Z","disabledAt":"2025-10-10T22:44:06.733Z"}},"timestamp":"2025-10-10T22:44:06.733Z"}`
	if err != nil || m.Event != eventDisabled || string(m.Body) != want {
		t.Errorf("%s, %v", m.Body, err)
	}
}

func TestHeadersOfAnAttempt(t *testing.T) {
	d := webhook.Delivery{ID: "D", EventID: "E", Endpoint: "P", Attempts: 2, Body: []byte(`{}`)}
	h := Encoder{}.Headers(d, []string{"s"}, created)
	at := strconv.FormatInt(created.UnixMilli(), 10)
	if h[HeaderTimestamp] != at || h[HeaderSignature] != Sign("s", at, d.Body) || h[HeaderDeliveryID] != "D-3" || h[HeaderEventID] != "E" || h[HeaderEndpointID] != "P" {
		t.Errorf("%v", h)
	}
}
