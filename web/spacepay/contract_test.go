package spacepay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/internal/ratelimit"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/spacepay"
	"quittance/web/webtest"
)

// examples is where answers are written to that the document then shows:
// go test ./web/spacepay -run TestContract -examples ../apidoc/source/examples
var examples = flag.String("examples", "", "write the first answer of each kind into this folder")

// exchange counts which answers of the documented ones were seen. The world holds each of
// them against the document.
type exchange struct {
	shop
	contract *apidoctest.Contract
	seen     map[apidoctest.Pair]bool
	heard    map[string]bool
}

func (x *exchange) call(want int, method, path, body string, headers ...string) webtest.Response {
	x.t.Helper()
	r := x.Do(method, path, body, headers...).Want(want)
	x.note(method, path, r)
	return r
}

func (x *exchange) note(method, path string, r webtest.Response) {
	x.t.Helper()
	bare, _, _ := strings.Cut(path, "?")
	pair, err := x.contract.Response(method, bare, r.Status, r.Header, r.Body)
	if err != nil {
		x.t.Errorf("%s %s: %v", method, path, err)
	}
	first := !x.seen[pair]
	x.seen[pair] = true
	if name := x.contract.Example(pair); first && name != "" {
		x.record(name, r.Body)
	}
}

// paymentSecret is what looks like a secret in an example.
var paymentSecret = regexp.MustCompile(`ps_[a-z2-7]{32}`)

func (x *exchange) record(name string, body []byte) {
	x.t.Helper()
	if *examples == "" {
		return
	}
	var pretty bytes.Buffer
	body = paymentSecret.ReplaceAll(body, []byte("ps_exampleexampleexampleexampleexam"))
	if err := json.Indent(&pretty, body, "", "  "); err != nil {
		x.t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if err := os.WriteFile(filepath.Join(*examples, name+".json"), pretty.Bytes(), 0o644); err != nil {
		x.t.Fatal(err)
	}
}

// hurried makes a call whose time is up before it begins.
func (x *exchange) hurried(method, path, body string, headers ...string) {
	x.t.Helper()
	ctx, cancel := context.WithDeadline(x.t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	for _, h := range append(headers, "Content-Type: application/json") {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	x.App.Server.ServeHTTP(rec, r)
	got := webtest.Answer(x.t, rec.Code, rec.Result().Header, rec.Body.Bytes())
	x.note(method, path, got.Want(http.StatusServiceUnavailable))
}

// TestContract holds the live answers of every operation against the document, and the
// document against them: what is documented and never answered fails as well.
func TestContract(t *testing.T) {
	contract, err := apidoctest.Load()
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{shop: open(t, webtest.Deposits{}), contract: contract, seen: map[apidoctest.Pair]bool{}, heard: map[string]bool{}}
	hook := webhooktest.New(t, hookSecret)
	x.AddEndpoint(hook.URL, hookSecret)
	x.successes()
	x.refusals()
	x.messages(hook)
	x.limits()
	var missed []string
	for _, p := range contract.Pairs("/v1", "/v1/external/") {
		if !x.seen[p] {
			missed = append(missed, fmt.Sprintf("%s %d", p.Operation, p.Status))
		}
	}
	for _, name := range contract.Webhooks(spacepay.HeaderSignature) {
		if !x.heard[name] {
			missed = append(missed, "webhook "+name)
		}
	}
	slices.Sort(missed)
	if len(missed) > 0 {
		t.Errorf("documented and never answered:\n%s", strings.Join(missed, "\n"))
	}
}

func (x *exchange) successes() {
	x.t.Helper()
	key := secretKey(x.SpacePayKey)
	m := read[made](x.t, x.call(http.StatusCreated, http.MethodPost, backend, order, key, "Idempotency-Key: unique-key-for-request").Body)
	own := client + m.PaymentID
	x.call(http.StatusOK, http.MethodGet, own+"/quotes", "", m.with())
	x.call(http.StatusCreated, http.MethodPost, own+"/quotes", `{"contractAddress":"`+x.Chain.USDC()+`","chainId":900008453}`, m.with())
	x.send(m, 120)
	x.await(m.PaymentID, "processing")
	x.call(http.StatusOK, http.MethodGet, own+"/status", "", m.with())
	x.Chain.Mine(webtest.Confirmations)
	x.await(m.PaymentID, "completed")
	x.call(http.StatusOK, http.MethodPost, own+"/refresh-status", `{"chainId":900008453}`, m.with())
	x.call(http.StatusOK, http.MethodGet, own, "", m.with())
	x.call(http.StatusOK, http.MethodGet, backend+"/"+m.PaymentID, "", key)
	x.call(http.StatusOK, http.MethodGet, backend+"?limit=10", "", key)
	x.call(http.StatusOK, http.MethodPost, backend+"/"+x.create(order).PaymentID+"/cancel", "", key)
	x.call(http.StatusOK, http.MethodGet, "/v1/external/chains", "")
	x.call(http.StatusOK, http.MethodGet, "/v1/external/chains/900008453", "")
	x.call(http.StatusOK, http.MethodGet, "/v1/external/tokens", "")
	x.call(http.StatusOK, http.MethodGet, "/v1/external/tokens/"+m.Payment.Quotes[0].Token.ID, "")
	x.call(http.StatusOK, http.MethodGet, "/v1", "")
}

func (x *exchange) refusals() {
	x.t.Helper()
	key, m := secretKey(x.SpacePayKey), x.create(order)
	for _, r := range routes(m) {
		body, who := "", key
		if r.path == backend && r.method == http.MethodPost {
			body = order
		}
		if r.secret {
			who = m.with()
		}
		x.call(http.StatusUnauthorized, r.method, r.path, body)
		// With a key that nobody has used: others may be known without the database.
		fresh := secretKey(x.AddSpacePayKey(x.Merchant))
		if r.secret {
			fresh = who
		}
		x.hurried(r.method, r.path, body, fresh)
		if strings.Contains(r.path, m.PaymentID) {
			x.call(http.StatusNotFound, r.method, strings.Replace(r.path, m.PaymentID, unknown, 1), body, who)
		}
		if r.method == http.MethodPost && (r.secret || r.path == backend) {
			x.call(http.StatusBadRequest, r.method, r.path, `[]`, who)
			x.call(http.StatusUnsupportedMediaType, r.method, r.path, `{}`, who, "Content-Type: text/plain")
			x.call(http.StatusRequestEntityTooLarge, r.method, r.path, `"`+strings.Repeat("x", 70<<10)+`"`, who)
		}
	}
	x.SpacePay(http.MethodPost, backend+"/"+m.PaymentID+"/cancel", "").Want(http.StatusOK)
	n := x.create(order)
	x.send(n, 10)
	x.await(n.PaymentID, "processing")
	x.call(http.StatusBadRequest, http.MethodPost, backend+"/"+n.PaymentID+"/cancel", "", key)
	x.call(http.StatusConflict, http.MethodPost, backend, cents("101"), key, "Idempotency-Key: unique-key-for-request")
	x.call(http.StatusBadRequest, http.MethodGet, backend+"?limit=0", "", key)
	x.call(http.StatusBadRequest, http.MethodGet, "/v1/external/chains?limit=0", "")
	x.call(http.StatusBadRequest, http.MethodGet, "/v1/external/tokens?offset=-1", "")
	x.call(http.StatusNotFound, http.MethodGet, "/v1/external/chains/1", "")
	x.call(http.StatusNotFound, http.MethodGet, "/v1/external/tokens/"+unknown, "")
}

// messages waits for a message of each kind. What takes days to happen is worded without
// its days.
func (x *exchange) messages(hook *webhooktest.Receiver) {
	x.t.Helper()
	hear := func(header http.Header, body []byte) {
		x.t.Helper()
		m := read[told](x.t, body)
		if err := x.contract.Webhook(m.Type, header, body); err != nil {
			x.t.Error(err)
		}
		// The most telling one is the example.
		if !x.heard[m.Type] || m.Data.Transfer != nil && m.Data.Transfer.Kind == "paid" {
			x.record("webhook-"+m.Type, body)
		}
		x.heard[m.Type] = true
	}
	var got []webhooktest.Received
	x.Await("a payment's end", func() bool {
		got = hook.Received()
		return slices.ContainsFunc(got, func(d webhooktest.Received) bool { return bytes.Contains(d.Body, []byte(`"kind":"paid"`)) })
	})
	for _, d := range got {
		hear(d.Header, d.Body)
	}
	now := time.Now().UTC()
	m, err := spacepay.Encoder{}.Disabled(merchant.Endpoint{
		ID: payment.NewULID(now), URL: "https://shop.example.com/hooks", FailingSince: now.Add(-webhook.DisableAfter), DisabledAt: now, DisabledWhy: "It only failed.",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	hear(got[0].Header, m.Body)
}

// limits uses up what every operation may be called on a server with narrow limits.
func (x *exchange) limits() {
	x.t.Helper()
	none := ratelimit.Rate{PerMinute: 1, Burst: 1}
	x.World = webtest.NewWith(x.t, webtest.Options{Deposits: &webtest.Deposits{}, Limits: web.Limits{Keys: none, Clients: none}})
	m := x.create(order) // the key's one call
	for _, r := range routes(m) {
		body, who := "", secretKey(x.SpacePayKey)
		if r.secret {
			x.Do(r.method, r.path, body, m.with())
			who = m.with()
		}
		x.call(http.StatusTooManyRequests, r.method, r.path, body, who)
	}
	for _, path := range []string{"/v1/external/chains", "/v1/external/chains/1", "/v1/external/tokens", "/v1/external/tokens/" + unknown} {
		x.Get(path)
		x.call(http.StatusTooManyRequests, http.MethodGet, path, "")
	}
}
