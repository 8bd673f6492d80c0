package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"quittance/internal/payment"
	"quittance/web/webtest"
)

// feed is what GET /v2/events says after a cursor.
type feed struct {
	Events []struct {
		ID, Cursor, Event, SecurePaymentToken, CreatedAt string
		Sequence                                         int64
		Data                                             json.RawMessage
	}
	NextCursor string
	HasMore    bool
}

func poll(t *testing.T, r webtest.Response) feed {
	t.Helper()
	var f feed
	if err := json.Unmarshal(r.Want(http.StatusOK).Body, &f); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return f
}

func (f feed) names() []string {
	var all []string
	for _, e := range f.Events {
		all = append(all, e.Event)
	}
	return all
}

func TestEventsCanBePolled(t *testing.T) {
	w := webtest.New(t) // without any webhook: the feed has its messages all the same
	if f := poll(t, w.API("GET", "/v2/events", "")); len(f.Events) != 0 || f.NextCursor != "0" || f.HasMore {
		t.Errorf("before anything: %+v", f)
	}
	var tokens []string
	for i := range 3 {
		token := w.CreatePayment(fmt.Sprintf("%d.50", 20+i))
		w.PayOnChain(w.Chain.Wallet, token, 10_000_000) // a part
		w.Chain.Mine(webtest.Confirmations + 1)
		w.Await("the part", func() bool { return len(poll(t, w.API("GET", "/v2/events?token="+token, "")).Events) == 2 })
		w.PayOnChain(w.Chain.Wallet, token, int64(10+i)*1_000_000+500_000)
		w.Chain.Mine(webtest.Confirmations + 1)
		w.AwaitState(token, payment.Paid)
		w.Await("the rest", func() bool { return len(poll(t, w.API("GET", "/v2/events?token="+token, "")).Events) == 4 })
		tokens = append(tokens, token)
	}
	var all feed
	after := "0"
	for pages := 0; ; pages++ {
		f := poll(t, w.API("GET", "/v2/events?limit=5&after="+after, ""))
		all.Events = append(all.Events, f.Events...)
		if after = f.NextCursor; !f.HasMore {
			break
		}
		if pages > 5 {
			t.Fatal("the feed does not end")
		}
	}
	want := slices.Repeat([]string{"payment.partial", "payment.partial.checkout", "payment.confirmed", "payment.confirmed.checkout"}, 3)
	if got := all.names(); !slices.Equal(got, want) {
		t.Errorf("all: %v", got)
	}
	last := map[string]int64{}
	for i, e := range all.Events {
		var body map[string]any
		if err := json.Unmarshal(e.Data, &body); err != nil {
			t.Fatal(err)
		}
		if e.Cursor != fmt.Sprint(i+1) || body["event"] != e.Event || body["securePaymentToken"] != e.SecurePaymentToken || body["sequence"] != float64(e.Sequence) ||
			len(e.ID) != 26 || e.Sequence < last[e.SecurePaymentToken] || e.SecurePaymentToken != tokens[i/4] {
			t.Errorf("entry %d: %+v %s", i, e, e.Data)
		}
		last[e.SecurePaymentToken] = e.Sequence
	}
	if f := poll(t, w.API("GET", "/v2/events?after="+after, "")); len(f.Events) != 0 || f.NextCursor != after {
		t.Errorf("at the end: %+v", f)
	}
	if f := poll(t, w.API("GET", "/v2/events?after=10&token="+tokens[2], "")); len(f.Events) != 2 {
		t.Errorf("of one payment after a cursor: %+v", f)
	}
	stranger := w.AddMerchant("Stranger")
	if f := poll(t, w.Do("GET", "/v2/events?token="+tokens[0], "", "X-Api-Key: "+stranger)); len(f.Events) != 0 {
		t.Errorf("another merchant reads %+v", f)
	}
	w.Get("/v2/events").Want(http.StatusUnauthorized)
	for query, field := range map[string]string{
		"after=x": "after", "after=-1": "after", "after=99999999999999999999": "after", "after=13": "after", "after=1.5": "after",
		"limit=0": "limit", "limit=501": "limit", "token=x": "token",
	} {
		if r := w.API("GET", "/v2/events?"+query, "").Want(http.StatusBadRequest).JSON(); r["field"] != field {
			t.Errorf("%s: %v, want field %s", query, r, field)
		}
	}
}

func TestABackendPollsItsOwnPayments(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	backend, other := clientOf(t, w, w.Merchant), clientOf(t, w, w.Merchant)
	pay := func(token string) {
		t.Helper()
		w.PayOnChain(w.Chain.Wallet, token, 5_000_000)
		w.Chain.Mine(webtest.Confirmations + 1)
		w.AwaitState(token, payment.Paid)
	}
	mine, _ := w.Do("POST", "/v2/secure-payments", `{"requests":[{"amount":"5"}]}`, "X-Client-Id: "+backend).Want(201).JSON()["token"].(string)
	pay(w.CreatePayment("5"))
	pay(mine)
	w.Await("all messages", func() bool { return len(poll(t, w.API("GET", "/v2/events", "")).Events) == 5 })
	f := poll(t, w.Do("GET", "/v2/events", "", "X-Client-Id: "+backend))
	if got := f.names(); !slices.Equal(got, []string{"payment.confirmed", "payment.confirmed.checkout", "payment.confirmed.client_id"}) {
		t.Errorf("its own: %v", got)
	}
	for _, e := range f.Events {
		if e.SecurePaymentToken != mine {
			t.Errorf("not its own: %+v", e)
		}
	}
	if f := poll(t, w.Do("GET", "/v2/events", "", "X-Client-Id: "+other)); len(f.Events) != 0 {
		t.Errorf("another client id reads %+v", f)
	}
	if f := poll(t, w.API("GET", "/v2/events", "", "X-Client-Id: "+backend)); len(f.Events) != 3 {
		t.Errorf("the key, of a client id: %v", f.names())
	}
}
