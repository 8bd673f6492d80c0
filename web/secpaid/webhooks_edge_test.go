package secpaid_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

const aKey = "0123456789abcdef0123456789ABCDEF"

// Every endpoint of the list hears of a paid link, once, signed; the merchant's other
// webhooks hear nothing of it.
func TestEveryEndpointIsCalledOnce(t *testing.T) {
	first, second, third, others := webhooktest.New(t, secret), webhooktest.New(t, secret), webhooktest.New(t, secret), webhooktest.New(t, secret)
	d := open(t, webtest.Options{})
	d.AddEndpoint(others.URL, secret)
	d.set(func(s *merchant.LinkSettings) {
		s.Endpoints, s.Default = []string{first.URL + "/a", second.URL + "/b?x=1"}, "0"
	})
	second.Next(webhooktest.Answer(http.StatusInternalServerError))
	m := d.create(`{"amount":49.99,"recipient_note":"Invoice #1234 <ä>","payment_endpoint":` + quote("1,"+third.URL+",0") + `}`)
	d.pay(m)
	want := fmt.Sprintf(`{"ResponseCode":1,"data":{"pay_id":%d,"note":"Invoice #1234 <ä>","amount":49.99,"user_id":"%s","status":"Success"}}`, m.ID, m.UserID)
	for name, c := range map[string]struct {
		at    *webhooktest.Receiver
		calls int
		path  string
	}{"first": {first, 1, "/a"}, "second, which failed": {second, 2, "/b?x=1"}, "third": {third, 1, "/"}} {
		for _, got := range c.at.Wait(t, c.calls) {
			if string(got.Body) != want || got.Method != http.MethodPost || got.URL != c.path || got.Problem != nil || got.Header.Get("Content-Type") != jsonType || got.Header.Get("Accept") != jsonType || got.Header.Get(secpaid.HeaderSignature) != secpaid.Sign(secret, got.Body) {
				t.Errorf("%s: %s %s %s (%v) %v", name, got.Method, got.URL, got.Body, got.Problem, got.Header)
			}
			if err := d.contract.Webhook("link.success", got.Header, got.Body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if a, b := second.Received()[0], second.Received()[1]; a.ID != b.ID {
		t.Errorf("a repeat has another id: %s, %s", a.ID, b.ID)
	}
	// The default, where none is named.
	n := d.create(`{"amount":1}`)
	d.pay(n)
	if got := first.Wait(t, 2)[1]; !strings.Contains(string(got.Body), fmt.Sprintf(`"pay_id":%d`, n.ID)) {
		t.Errorf("%s", got.Body)
	}
	if len(first.Received()) != 2 || len(third.Received()) != 1 || len(others.Received()) != 0 {
		t.Errorf("%d, %d and %d calls", len(first.Received()), len(third.Received()), len(others.Received()))
	}
}

func opened(t *testing.T, data string) string {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is needed")
		}
		t.Skip("no openssl here")
	}
	cmd := exec.CommandContext(t.Context(), openssl, "enc", "-d", "-aes-256-cbc", "-K", hex.EncodeToString([]byte(aKey)), "-iv", hex.EncodeToString([]byte(aKey[:16])), "-base64", "-A")
	cmd.Stdin = strings.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl: %v", err)
	}
	return string(out)
}

// An encrypted webhook is opened by somebody else's program, with the link's key or the
// account's, and signed over what was sent.
func TestEncryptedWebhooks(t *testing.T) {
	hook := webhooktest.New(t, secret)
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) {
		s.Endpoints, s.Default, s.EncryptionKey, s.TellCancel = []string{hook.URL}, "0", aKey, true
	})
	for i, fields := range []string{`"is_encryption":"true"`, `"encryption_key":"` + aKey + `"`, `"is_encryption":"true","encryption_key":"` + aKey + `"`} {
		m := d.create(`{"amount":25,"recipient_note":"Größe",` + fields + `}`)
		status := "Success"
		if i == 0 {
			status = "Cancel"
			if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(m.ID).ID); err != nil {
				t.Fatal(err)
			}
		} else {
			d.pay(m)
		}
		got := hook.Wait(t, i+1)[i]
		var sealed struct{ Data string }
		if err := json.Unmarshal(got.Body, &sealed); err != nil || !strings.HasPrefix(string(got.Body), `{"data":"`) || got.Problem != nil || got.Header.Get(secpaid.HeaderSignature) != secpaid.Sign(secret, got.Body) {
			t.Fatalf("%s: %s, %v, %v", fields, got.Body, err, got.Problem)
		}
		want := fmt.Sprintf(`{"ResponseCode":1,"data":{"pay_id":%d,"note":"Größe","amount":25,"user_id":"%s","status":"%s"}}`, m.ID, m.UserID, status)
		if plain := opened(t, sealed.Data); plain != want {
			t.Errorf("%s: opened as %s", fields, plain)
		}
	}
	// The key of links that were made before stays theirs.
	m := d.create(`{"amount":25,"is_encryption":"true"}`)
	d.set(func(s *merchant.LinkSettings) { s.EncryptionKey = strings.Repeat("z", 32) })
	d.pay(m)
	var sealed struct{ Data string }
	if err := json.Unmarshal(hook.Wait(t, 4)[3].Body, &sealed); err != nil || !strings.Contains(opened(t, sealed.Data), `"Success"`) {
		t.Errorf("%v", err)
	}
}

// A cancellation is told only where it was asked for, and a merchant's own never.
func TestCancelWebhooks(t *testing.T) {
	hook, callback := webhooktest.New(t, secret), webhooktest.New(t, secret)
	d := open(t, webtest.Options{})
	cancel := func(by payment.Canceler) made {
		t.Helper()
		m := d.create(`{"amount":25,"callback_url":` + quote("https://a.example.com/,"+callback.URL) + `}`)
		id := d.stored(m.ID).ID
		var err error
		switch by {
		case payment.ByPayer:
			err = d.App.Checkout.CancelByPayer(t.Context(), id)
		case payment.ByMerchant:
			err = d.App.Checkout.Cancel(t.Context(), d.Merchant, id)
		case payment.ByDeletion:
			err = d.App.Checkout.Delete(t.Context(), d.Merchant, id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	d.set(func(s *merchant.LinkSettings) { s.Endpoints, s.Default, s.TellCancel = []string{hook.URL}, "0", true })
	cancel(payment.ByMerchant)
	cancel(payment.ByDeletion)
	m := cancel(payment.ByPayer)
	got := hook.Wait(t, 1)
	if want := fmt.Sprintf(`{"ResponseCode":1,"data":{"pay_id":%d,"note":"","amount":25,"user_id":"%s","status":"Cancel"}}`, m.ID, m.UserID); string(got[0].Body) != want || got[0].Problem != nil {
		t.Errorf("%s, %v", got[0].Body, got[0].Problem)
	}
	if err := d.contract.Webhook("link.cancel", got[0].Header, got[0].Body); err != nil {
		t.Error(err)
	}
	callback.Wait(t, 1)
	d.set(func(s *merchant.LinkSettings) { s.Endpoints, s.Default = []string{hook.URL}, "0" })
	n := cancel(payment.ByPayer)
	if got := callback.Wait(t, 2)[1]; !strings.Contains(got.URL, fmt.Sprintf("pay_id=%d&", n.ID)) || !strings.HasSuffix(got.URL, "&status=cancel") {
		t.Errorf("%s", got.URL)
	}
	d.pay(d.create(`{"amount":1}`))
	if got := hook.Wait(t, 2); len(got) != 2 || !strings.Contains(string(got[1].Body), "Success") || len(callback.Received()) != 2 {
		t.Errorf("others were told: %+v", got)
	}
}

// The first callback is the payer's browser's; the server asks for the others, with the same
// parameters, and follows no redirect.
func TestCallbackLists(t *testing.T) {
	first, second, third := webhooktest.New(t, secret), webhooktest.New(t, secret), webhooktest.New(t, secret)
	d := open(t, webtest.Options{})
	d.set(func(s *merchant.LinkSettings) {
		s.Callbacks = []string{first.URL + "/back?shop=1", second.URL + "/note"}
	})
	elsewhere := webhooktest.New(t, secret)
	third.Next(webhooktest.Redirect(elsewhere.URL))
	m := d.create(`{"amount":25,"callback_url":` + quote("0,1,"+third.URL+"/x?y=a%2Cb") + `}`)
	d.pay(m)
	query := fmt.Sprintf("pay_id=%d&user_id=%s&status=success", m.ID, m.UserID)
	for name, c := range map[string]struct {
		at   *webhooktest.Receiver
		want string
	}{"second": {second, "/note?" + query}, "third": {third, "/x?y=a%2Cb&" + query}} {
		got := c.at.Wait(t, 1)[0]
		if got.Method != http.MethodGet || got.URL != c.want || len(got.Body) != 0 || got.Header.Get("Authorization") != "" {
			t.Errorf("%s: %s %s %q", name, got.Method, got.URL, got.Body)
		}
	}
	p := d.stored(m.ID)
	if to, err := secpaid.Return(p); err != nil || to != first.URL+"/back?shop=1&"+query {
		t.Errorf("%s, %v", to, err)
	}
	canceled := d.create(`{"amount":25,"callback_url":"0,1"}`)
	if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(canceled.ID).ID); err != nil {
		t.Fatal(err)
	}
	got := second.Wait(t, 2)[1]
	asked, err := url.Parse(got.URL)
	if err != nil || asked.Query().Get("status") != "cancel" || asked.Query().Get("pay_id") != fmt.Sprint(canceled.ID) {
		t.Errorf("%s, %v", got.URL, err)
	}
	if len(first.Received()) != 0 || len(elsewhere.Received()) != 0 || len(third.Received()) != 1 {
		t.Errorf("the server asked for %d, %d and %d", len(first.Received()), len(elsewhere.Received()), len(third.Received()))
	}
}

// A link's end is in the feed of its dialect, once, and callbacks are not.
func TestTheFeed(t *testing.T) {
	d := open(t, webtest.Options{})
	m := d.create(`{"amount":25,"callback_url":"https://a.example.com/,https://b.example.com/"}`)
	d.pay(m)
	var events []string
	d.Await("the feed", func() bool {
		found, err := d.App.Store.Feed(t.Context(), webhook.FeedFilter{Merchant: d.Merchant, Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		events = nil
		for _, e := range found {
			events = append(events, e.Dialect+" "+e.Event)
		}
		return len(found) > 0
	})
	if !slices.Equal(events, []string{"secpaid link.success"}) {
		t.Errorf("%v", events)
	}
}

// 200 callers with one key make one link, whatever they are told meanwhile.
func TestIdempotentRetries(t *testing.T) {
	d := open(t, webtest.Options{})
	const callers = 200
	answers := make([]webtest.Response, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			answers[i] = d.World.Do(http.MethodPost, api+"createLink", `{"amount":25}`, "token: "+d.token, "Idempotency-Key: order 1")
		})
	}
	all.Wait()
	made, running := map[string]int{}, 0
	for _, r := range answers {
		switch v := read[json.RawMessage](t, r.Want(http.StatusOK)); {
		case v.ResponseCode == 1:
			made[string(r.Body)]++
		case v.ResponseMsg == "The first request with this Idempotency-Key is still running" && r.Header.Get("Retry-After") != "":
			running++
		default:
			t.Errorf("%s", r.Body)
		}
	}
	if len(made) != 1 {
		t.Errorf("%d different links, %d were told to wait", len(made), running)
	}
	if links := unused(d, `{"limit":1000}`); len(links) != 1 {
		t.Errorf("%d links", len(links))
	}
	again := d.call("createLink", `{"amount":25.00}`, "Idempotency-Key: order 1")
	refuses(t, "an amount that is written otherwise", again, http.StatusOK, "This Idempotency-Key was used with other fields")
	again = d.call("createLink", ` {"amount":25}`, "Idempotency-Key: order 1")
	if made[string(again.Body)] == 0 || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%s", again.Body)
	}
	refuses(t, "other fields", d.call("createLink", `{"amount":26}`, "Idempotency-Key: order 1"), http.StatusOK, "This Idempotency-Key was used with other fields")
	refuses(t, "no key", d.call("createLink", `{"amount":26}`, "Idempotency-Key: "), http.StatusOK, "Invalid Idempotency-Key")
	refuses(t, "a long one", d.call("createLink", `{"amount":26}`, "Idempotency-Key: "+strings.Repeat("x", 256)), http.StatusOK, "Invalid Idempotency-Key")
	if one, two := d.create(`{"amount":25}`), d.create(`{"amount":25}`); one.ID == two.ID {
		t.Error("without a key a repeat makes no link of its own")
	}
	// Another merchant's key of the same name is another key.
	other, token := d.another("Other")
	d.SetBankAccount(other, webtest.Holder, webtest.IBAN)
	if v := read[json.RawMessage](t, d.send("createLink", `{"amount":25}`, "token: "+token, "Idempotency-Key: order 1")); v.ResponseCode != 1 || made[string(v.Data)] != 0 {
		t.Errorf("%+v", v)
	}
}
