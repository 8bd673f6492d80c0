package request_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// clientOf makes a client id of a merchant for pages of the origins, or for a
// backend without any; it is bound to the merchant's destination if there is one.
func clientOf(t *testing.T, w *webtest.World, m payment.MerchantID, origins ...string) string {
	t.Helper()
	id := merchant.NewSecret(merchant.ClientID, true)
	c := merchant.Credential{
		ID: payment.NewULID(time.Now()), Merchant: m, Kind: merchant.ClientID, Hash: merchant.HashSecret(id), Hint: merchant.Hint(id), Public: id,
		Origins: origins, CreatedAt: time.Now().UTC(),
	}
	to, err := w.App.Store.Destinations(t.Context(), m)
	if err == nil && len(to) > 0 {
		c.Destination = to[0].ID
	}
	if err := errors.Join(err, w.App.Store.InsertCredential(t.Context(), c)); err != nil {
		t.Fatal(err)
	}
	return id
}

func endpointsIn(t *testing.T, r webtest.Response) []map[string]any {
	t.Helper()
	var all []map[string]any
	if err := json.Unmarshal(r.Want(http.StatusOK).Body, &all); err != nil {
		t.Fatalf("%v: %s", err, r.Body)
	}
	return all
}

func text(v any) string { s, _ := v.(string); return s }

func TestWebhookFromCreationToDeletion(t *testing.T) {
	w := webtest.New(t)
	hooks := webhooktest.New(t, "")
	if r := w.API("GET", "/v1/webhook", ""); string(bytes.TrimSpace(r.Want(200).Body)) != "[]" {
		t.Errorf("without webhooks: %s", r.Body)
	}
	made := w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, hooks.URL), "Idempotency-Key: w1").Want(http.StatusCreated)
	id, secret := text(made.JSON()["id"]), text(made.JSON()["secret"])
	if len(made.JSON()) != 2 || len(id) != 26 || !strings.HasPrefix(secret, "whsec_") {
		t.Errorf("made %s", made.Body)
	}
	again := w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, hooks.URL), "Idempotency-Key: w1").Want(http.StatusCreated)
	if !bytes.Equal(again.Body, made.Body) || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same key again: %s", again.Body)
	}
	twin := w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, hooks.URL)).Want(http.StatusBadRequest).JSON()
	if twin["message"] != "Webhook already exists, or a platform-level webhook with this URL already exists" || twin["field"] != "url" {
		t.Errorf("the same URL: %v", twin)
	}
	all := w.API("GET", "/v1/webhook", "")
	if strings.Contains(string(all.Body), "ecret\":\"") || strings.Contains(string(all.Body), secret) {
		t.Errorf("the list tells the secret: %s", all.Body)
	}
	if got := endpointsIn(t, all); len(got) != 1 || got[0]["id"] != id || got[0]["url"] != hooks.URL || got[0]["isActive"] != true || got[0]["disabledAt"] != nil {
		t.Errorf("list %v", got)
	} else if _, err := time.Parse(time.RFC3339, text(got[0]["createdAt"])); err != nil {
		t.Error(err)
	}

	w.API("PUT", "/v1/webhook/"+id, "").Want(200)
	if got := endpointsIn(t, w.API("GET", "/v1/webhook", "")); got[0]["isActive"] != false {
		t.Errorf("switched off: %v", got)
	}
	none := w.API("POST", "/v1/webhook/test", `{"eventType":"payment.confirmed"}`).Want(http.StatusNotFound).JSON()
	if none["message"] != "No active webhooks found" {
		t.Errorf("a test without receivers: %v", none)
	}
	off := w.API("POST", "/v1/webhook/"+id+"/replay", `{"onlyFailed":true}`).Want(http.StatusConflict).JSON()
	if off["code"] != "webhook_inactive" {
		t.Errorf("a replay to one that is off: %v", off)
	}
	w.API("PUT", "/v1/webhook/"+id, "").Want(200)
	if got := endpointsIn(t, w.API("GET", "/v1/webhook", "")); got[0]["isActive"] != true {
		t.Errorf("switched on: %v", got)
	}
	w.API("DELETE", "/v1/webhook/"+id, "").Want(200)
	for _, c := range [][3]string{
		{"PUT", "", ""}, {"DELETE", "", ""}, {"POST", "/rotate", "{}"}, {"GET", "/deliveries", ""}, {"POST", "/replay", `{"onlyFailed":true}`},
	} {
		for _, gone := range []string{id, "01KE0000000000000000000000", "x", "%2e%2e", strings.Repeat("9", 300)} {
			if r := w.API(c[0], "/v1/webhook/"+gone+c[1], c[2]).Want(http.StatusNotFound).JSON(); r["message"] != "Webhook not found" && gone != "%2e%2e" {
				t.Errorf("%s %s of %s: %v", c[0], c[1], gone, r)
			}
		}
	}
}

func TestWebhookURLs(t *testing.T) {
	w := webtest.New(t)
	for _, url := range []string{
		"", "x", "http://shop.example.com/", "https://10.0.0.1/", "https://user:pw@shop.example.com/", "https://169.254.169.254/latest",
		"https://metadata.internal/", "file:///etc/passwd", "https://shop.example.com:22/", "https://[::ffff:10.0.0.1]/", "https://2130706433/",
	} {
		body, err := json.Marshal(map[string]string{"url": url})
		if err != nil {
			t.Fatal(err)
		}
		if r := w.API("POST", "/v1/webhook", string(body)).Want(http.StatusBadRequest).JSON(); r["field"] != "url" {
			t.Errorf("%s: %v", url, r)
		}
	}
	for _, body := range []string{``, `[]`, `{"url":7}`, `{"url":"https://a.example.com/","url":"https://b.example.com/"}`, `{"url":null}`, `{`} {
		w.API("POST", "/v1/webhook", body, "Content-Type: application/json").Want(http.StatusBadRequest)
	}
	if got := endpointsIn(t, w.API("GET", "/v1/webhook", "")); len(got) != 0 {
		t.Errorf("what was refused left %v", got)
	}
}

func TestWhoManagesWebhooks(t *testing.T) {
	w := webtest.New(t)
	browser, backend, other := clientOf(t, w, w.Merchant, "https://shop.example"), clientOf(t, w, w.Merchant), clientOf(t, w, w.Merchant)
	stranger := w.AddMerchant("Stranger")
	foreign := clientOf(t, w, strangersID(t, w, stranger))
	make := func(url, extra string, headers ...string) webtest.Response {
		t.Helper()
		return w.Do("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q%s}`, url, extra), headers...)
	}
	key := "X-Api-Key: " + w.APIKey

	make("https://a.example.com/", "").Want(http.StatusUnauthorized)
	for _, headers := range [][]string{{"X-Client-Id: " + browser, "Origin: https://shop.example"}, {"X-Client-Id: " + browser}} {
		if r := make("https://a.example.com/", "", headers...).Want(http.StatusForbidden).JSON(); r["code"] != "api_key_required" {
			t.Errorf("a browser's client id: %v", r)
		}
		w.Do("GET", "/v2/events", "", headers...).Want(http.StatusForbidden)
		w.Do("GET", "/v1/webhook", "", headers...).Want(http.StatusForbidden)
	}
	ids := map[string]string{
		"all":     text(make("https://all.example.com/?token=hush", "", key).Want(201).JSON()["id"]),
		"browser": text(make("https://browser.example.com/", fmt.Sprintf(`,"clientId":%q`, browser), key).Want(201).JSON()["id"]),
		"beside":  text(make("https://beside.example.com/", "", key, "X-Client-Id: "+other).Want(201).JSON()["id"]),
		"backend": text(make("https://backend.example.com/", "", "X-Client-Id: "+backend).Want(201).JSON()["id"]),
		"foreign": text(make("https://all.example.com/?token=hush", "", "X-Api-Key: "+stranger).Want(201).JSON()["id"]),
	}
	for name, c := range map[string]struct {
		headers []string
		want    []string
	}{
		"the key":                   {[]string{key}, []string{"all", "browser", "beside", "backend"}},
		"a client id beside":        {[]string{key, "X-Client-Id: " + other}, []string{"all", "beside"}},
		"a backend, of its own":     {[]string{"X-Client-Id: " + backend}, []string{"backend"}},
		"another merchant, its own": {[]string{"X-Api-Key: " + stranger}, []string{"foreign"}},
	} {
		var got, want []string
		for _, e := range endpointsIn(t, w.Do("GET", "/v1/webhook", "", c.headers...)) {
			got = append(got, text(e["id"]))
		}
		for _, n := range c.want {
			want = append(want, ids[n])
		}
		if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s lists %v, want %v", name, got, c.want)
		}
	}
	for _, c := range []struct {
		name    string
		id      string
		headers []string
		want    int
	}{
		{"a backend's own", "backend", []string{"X-Client-Id: " + backend}, 200},
		{"a backend, the merchant's", "all", []string{"X-Client-Id: " + backend}, 404},
		{"a backend, another client id's", "beside", []string{"X-Client-Id: " + backend}, 404},
		{"another merchant's", "foreign", []string{key}, 404},
		{"the key, a client id's", "backend", []string{key}, 200},
		{"the key with another client id beside", "backend", []string{key, "X-Client-Id: " + other}, 404},
	} {
		if r := w.Do("PUT", "/v1/webhook/"+ids[c.id], "", c.headers...); r.Status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, r.Status, c.want, r.Body)
		}
	}
	make("https://x.example.com/", fmt.Sprintf(`,"clientId":%q`, other), "X-Client-Id: "+backend).Want(http.StatusForbidden)
	for what, c := range map[string][]string{
		"another merchant's client id": {fmt.Sprintf(`,"clientId":%q`, foreign), key},
		"no client id at all":          {`,"clientId":"cli_none"`, key},
		"two client ids":               {fmt.Sprintf(`,"clientId":%q`, other), key, "X-Client-Id: " + backend},
	} {
		if r := make("https://x.example.com/", c[0], c[1:]...).Want(http.StatusBadRequest).JSON(); r["field"] != "clientId" {
			t.Errorf("%s: %v", what, r)
		}
	}
	make("https://all.example.com/?token=hush", fmt.Sprintf(`,"clientId":%q`, other), key).Want(http.StatusBadRequest)
}

// strangersID finds the merchant of a key.
func strangersID(t *testing.T, w *webtest.World, key string) payment.MerchantID {
	t.Helper()
	c, err := merchant.Authenticate(t.Context(), w.App.Store, merchant.APIKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return c.Merchant
}

func TestTestDeliveries(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	events := []string{
		"payment.processing", "payment.failed", "payment.refunded", "payment.confirmed", "payment.partial", "request.recurring",
		"payment_detail.updated", "compliance.updated", "client_id.linked", "secure_payment.access_rejected",
		"kyt.screening.completed", "secure_payment.user_event",
	}
	for _, e := range events {
		w.API("POST", "/v1/webhook/test", fmt.Sprintf(`{"eventType":%q}`, e)).Want(http.StatusCreated)
	}
	w.Await("the tests", func() bool { return len(hooks.Received()) >= len(events) })
	var got []string
	for _, r := range hooks.Received() {
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil || r.Problem != nil || r.Header.Get("X-Request-Network-Test") != "true" {
			t.Errorf("received %s with %v: %v, %v", r.Body, r.Header, err, r.Problem)
		}
		got = append(got, text(body["event"]))
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(events))) {
		t.Errorf("received %v", got)
	}

	r := w.API("POST", "/v1/webhook/test", `{"eventType":"invalid.event"}`).Want(http.StatusBadRequest)
	var envelope struct {
		StatusCode int              `json:"statusCode"`
		Message    []map[string]any `json:"message"`
		Error      string           `json:"error"`
	}
	if err := json.Unmarshal(r.Body, &envelope); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"code": "invalid_enum_value", "path": []any{"eventType"},
		"message": "Invalid enum value. Expected 'payment.processing' | 'payment.failed' | 'payment.refunded' | 'payment.confirmed' | 'payment.partial' | 'request.recurring' | 'payment_detail.updated' | 'compliance.updated' | 'client_id.linked' | 'secure_payment.access_rejected' | 'kyt.screening.completed' | 'secure_payment.user_event', received 'invalid.event'",
	}
	options := []any{}
	for _, e := range events {
		options = append(options, e)
	}
	want["options"] = options
	if fmt.Sprint(envelope.Message) != fmt.Sprint([]map[string]any{want}) || envelope.StatusCode != 400 || envelope.Error != "Bad Request" {
		t.Errorf("got %s", r.Body)
	}
	for body, code := range map[string]string{
		`{}`: "invalid_type", `{"eventType":null}`: "invalid_type", `{"eventType":7}`: "invalid_type", `{"eventType":["payment.confirmed"]}`: "invalid_type",
		`{"eventType":"payment.confirmed.checkout"}`: "invalid_enum_value",
	} {
		r := w.API("POST", "/v1/webhook/test", body).Want(http.StatusBadRequest)
		if !strings.Contains(string(r.Body), code) || r.JSON()["field"] != "eventType" {
			t.Errorf("%s: %s", body, r.Body)
		}
	}
	if n := len(hooks.Received()); n != len(events) {
		t.Errorf("%d were received, want no more than %d", n, len(events))
	}
}

func TestRotateOverTheAPI(t *testing.T) {
	w := webtest.New(t)
	hooks := webhooktest.New(t, "")
	made := w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, hooks.URL)).Want(201).JSON()
	id, old := text(made["id"]), text(made["secret"])
	rotated := w.API("POST", "/v1/webhook/"+id+"/rotate", `{"overlapHours":2}`, "Idempotency-Key: r").Want(200)
	again := w.API("POST", "/v1/webhook/"+id+"/rotate", `{"overlapHours":2}`, "Idempotency-Key: r").Want(200)
	if !bytes.Equal(rotated.Body, again.Body) {
		t.Errorf("the same key rotated again: %s and %s", rotated.Body, again.Body)
	}
	secret := text(rotated.JSON()["secret"])
	until, err := time.Parse(time.RFC3339, text(rotated.JSON()["previousSecretExpiresAt"]))
	if err != nil || time.Until(until) > 2*time.Hour || time.Until(until) < 119*time.Minute || secret == old {
		t.Errorf("rotated %s, %v", rotated.Body, err)
	}
	if r := w.API("POST", "/v1/webhook/"+id+"/rotate", "").Want(http.StatusConflict).JSON(); r["code"] != "rotation_running" || r["field"] != "overlapHours" {
		t.Errorf("while an overlap lasts: %v", r)
	}
	w.API("POST", "/v1/webhook/test", `{"eventType":"payment.confirmed"}`).Want(201)
	w.Await("the test", func() bool { return len(hooks.Received()) == 1 })
	got := hooks.Received()[0]
	for _, s := range []string{old, secret} {
		if err := webhooktest.Verify(s, got.Header, got.Body, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if r := w.API("POST", "/v1/webhook/"+id+"/rotate", `{"overlapHours":0}`).Want(200).JSON(); r["previousSecretExpiresAt"] != nil {
		t.Errorf("at once: %v", r)
	}
	for _, body := range []string{`{"overlapHours":-1}`, `{"overlapHours":169}`, `{"overlapHours":1.5}`, `{"overlapHours":"1"}`} {
		if r := w.API("POST", "/v1/webhook/"+id+"/rotate", body).Want(http.StatusBadRequest).JSON(); r["field"] != "overlapHours" {
			t.Errorf("%s: %v", body, r)
		}
	}
}

func TestDeliveriesAndReplay(t *testing.T) {
	w := webtest.New(t)
	hooks := webhooktest.New(t, "")
	id := text(w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, hooks.URL)).Want(201).JSON()["id"])
	path := "/v1/webhook/" + id
	token := w.CreatePayment("24.50")
	w.PayOnChain(w.Chain.Wallet, token, 24_500_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.Await("both deliveries", func() bool {
		return len(w.API("GET", path+"/deliveries?state=delivered", "").Want(200).JSON()["deliveries"].([]any)) == 2
	})
	first := w.API("GET", path+"/deliveries?limit=1", "").Want(200).JSON()
	newest := first["deliveries"].([]any)[0].(map[string]any)
	if newest["event"] != "payment.confirmed.checkout" || newest["securePaymentToken"] != token || newest["state"] != "delivered" ||
		newest["attempts"] != 1.0 || newest["status"] != 200.0 || newest["error"] != nil || newest["nextAttemptAt"] != nil || newest["test"] != false {
		t.Errorf("newest %v", newest)
	}
	rest := w.API("GET", path+"/deliveries?limit=1&before="+text(first["nextBefore"]), "").Want(200).JSON()
	oldest := rest["deliveries"].([]any)[0].(map[string]any)
	if oldest["event"] != "payment.confirmed" || oldest["id"] == newest["id"] {
		t.Errorf("the next page: %v", rest)
	}
	before := hooks.Received()
	replay := func(body string, want float64) {
		t.Helper()
		if got := w.API("POST", path+"/replay", body).Want(200).JSON(); got["replayed"] != want || got["next"] != nil {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
	}
	replay(fmt.Sprintf(`{"deliveryId":%q}`, newest["id"]), 1)
	w.Await("the replay", func() bool { return len(hooks.Received()) == 3 })
	again := hooks.Received()[2]
	i := slices.IndexFunc(before, func(r webhooktest.Received) bool { return r.ID == again.ID })
	if i < 0 || again.ID != newest["id"] || !bytes.Equal(again.Body, before[i].Body) {
		t.Errorf("replayed %s %s", again.ID, again.Body)
	}
	w.Await("its record", func() bool {
		return len(w.API("GET", path+"/deliveries?state=delivered", "").Want(200).JSON()["deliveries"].([]any)) == 2
	})
	replay(`{"onlyFailed":true}`, 0)
	replay(fmt.Sprintf(`{"from":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)), 0)
	replay(fmt.Sprintf(`{"from":%q,"to":"2099-01-01T00:00:00Z"}`, time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)), 2)
	w.Await("both replays", func() bool { return len(hooks.Received()) == 5 })

	other := text(w.API("POST", "/v1/webhook", `{"url":"https://other.example.com/"}`).Want(201).JSON()["id"])
	w.API("POST", "/v1/webhook/"+other+"/replay", fmt.Sprintf(`{"deliveryId":%q}`, newest["id"])).Want(http.StatusNotFound)
	for body, field := range map[string]string{
		`{}`: "deliveryId", `{"onlyFailed":false}`: "deliveryId", `{"deliveryId":"x"}`: "deliveryId", `{"after":"x","onlyFailed":true}`: "after",
		`{"deliveryId":"01KE0000000000000000000000","onlyFailed":true}`: "deliveryId", `{"from":"yesterday"}`: "from", `{"to":"2026-13-01T00:00:00Z"}`: "to",
		`{"from":"2026-02-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}`: "to", `{"onlyFailed":"yes"}`: "onlyFailed", `{"from":7}`: "from",
	} {
		if r := w.API("POST", path+"/replay", body).Want(http.StatusBadRequest).JSON(); r["field"] != field {
			t.Errorf("%s: %v, want field %s", body, r, field)
		}
	}
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=201": "limit", "limit=x": "limit", "state=lost": "state", "before=x": "before",
	} {
		if r := w.API("GET", path+"/deliveries?"+query, "").Want(http.StatusBadRequest).JSON(); r["field"] != field {
			t.Errorf("%s: %v, want field %s", query, r, field)
		}
	}
}

// An endpoint that never answers holds up nobody, whatever is queued for it.
func TestAnEndpointThatHangsHoldsUpNoOther(t *testing.T) {
	w := webtest.New(t)
	dead := webhooktest.New(t, "")
	dead.Next(slices.Repeat([]webhooktest.Behaviour{webhooktest.Stall()}, 10_000)...)
	w.API("POST", "/v1/webhook", fmt.Sprintf(`{"url":%q}`, dead.URL)).Want(201)
	for range 400 { // far more than run at the same time, for all lanes together
		w.API("POST", "/v1/webhook/test", `{"eventType":"payment.confirmed"}`).Want(201)
	}
	w.Await("the dead endpoint to be called", func() bool { return len(dead.Received()) > 0 })
	hooks := receiver(t, w)
	token := w.CreatePayment("24.50")
	w.PayOnChain(w.Chain.Wallet, token, 24_500_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("both webhooks", func() bool { return len(hooks.Received()) >= 2 })
	left, err := w.App.Webhooks.List(t.Context(), webhook.Filter{State: webhook.Queued, Limit: 200})
	if err != nil || len(left) < 200 {
		t.Errorf("%d deliveries wait for the dead endpoint, %v: the test shows nothing", len(left), err)
	}
}

func TestManyRegistrationsOfOneURLMakeOneWebhook(t *testing.T) {
	w := webtest.New(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	made := map[int]int{}
	for range 20 {
		group.Go(func() {
			r := w.API("POST", "/v1/webhook", `{"url":"https://shop.example.com/hooks"}`)
			mu.Lock()
			defer mu.Unlock()
			made[r.Status]++
		})
	}
	group.Wait()
	if made[201] != 1 || made[400] != 19 {
		t.Errorf("statuses %v", made)
	}
	if _, err := w.App.Webhooks.Endpoint(t.Context(), w.Merchant, "x"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
}
