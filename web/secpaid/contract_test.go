package secpaid_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/ratelimit"
	"quittance/internal/webhook/webhooktest"
	"quittance/web"
	"quittance/web/apidoc/apidoctest"
	"quittance/web/webtest"
)

// examples is where answers are written to that the document then shows:
// go test ./web/secpaid -run TestContract -examples ../apidoc/source/examples
var examples = flag.String("examples", "", "write the answers of TestContract into this folder")

// secrets are what looks like a token in an example.
var secrets = regexp.MustCompile(`sp_test_[a-z2-7]{32}`)

func record(t *testing.T, name string, body []byte) {
	t.Helper()
	if *examples == "" || name == "" {
		return
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, secrets.ReplaceAll(body, []byte("sp_live_exampleexampleexampleexampleexam")), "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if err := os.WriteFile(filepath.Join(*examples, name+".json"), pretty.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestContract has every answer of the document given, and every webhook: the world holds
// each of them against it, and what is documented and never answered fails here.
func TestContract(t *testing.T) {
	d := open(t, webtest.Options{Deposits: &webtest.Deposits{}})
	answered := func(want int, operation, body string, headers ...string) webtest.Response {
		t.Helper()
		r := d.call(operation, body, headers...).Want(want)
		pair := apidoctest.Pair{Operation: d.contract.Find(http.MethodPost, api+operation), Status: want}
		if want != http.StatusOK || bytes.Contains(r.Body, []byte(`"ResponseCode":1`)) {
			record(t, d.contract.Example(pair), r.Body)
		} else {
			t.Errorf("%s: %s", operation, r.Body)
		}
		return r
	}
	hook := webhooktest.New(t, secret)
	d.set(func(s *merchant.LinkSettings) {
		s.Endpoints, s.Default, s.ServiceFee, s.TellCancel = []string{hook.URL}, "0", 100, true
	})
	friend, token := d.another("Friend")
	d.wallet(d.Merchant, asset.SandboxBase, ownWallet)
	d.wallet(friend, asset.SandboxBase, friendWallet)
	m := fine[made](t, answered(http.StatusOK, "createLink", `{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https://yoursite.com/payment/done","payment_endpoint":"https://yoursite.com/webhooks","cancellable":true}`))
	answered(http.StatusOK, "createSplitLink", `{"amount":100,"recipients":[{"token":"`+token+`","share":10}],"recipient_note":"Invoice #1235","payment_endpoint":"https://yoursite.com/webhooks"}`)
	answered(http.StatusOK, "getMyUnusedLinks", `{"limit":10}`)
	answered(http.StatusOK, "confirmBankTransfer", fmt.Sprintf(`{"link_id":%d,"amount":49.99}`, m.ID), "Idempotency-Key: transfer-1")
	answered(http.StatusOK, "getMyUsedLinks", `{"limit":10}`)
	answered(http.StatusOK, "getPayInTransactions", fmt.Sprintf(`{"pay_id":%d}`, m.ID))
	answered(http.StatusOK, "deleteLink", fmt.Sprintf(`{"link_id":%d}`, d.create(`{"amount":1}`).ID))
	for operation, body := range operations {
		d.send(operation, body)
		answered(http.StatusRequestEntityTooLarge, operation, `{"x":"`+strings.Repeat("x", 64<<10)+`"}`)
		record(t, "SecPaidUnavailable", hurried(d, operation, body).Body)
	}
	d.messages(t, hook)
	d.World = webtest.NewWith(t, webtest.Options{Links: &webtest.Links{}, Limits: web.Limits{Links: ratelimit.Rate{PerMinute: 1, Burst: 1}}})
	d.token = d.SecPaidToken
	d.call("getMyUsedLinks", ``)
	for operation, body := range operations {
		answered(http.StatusTooManyRequests, operation, body)
	}
	for _, p := range d.contract.Pairs("/api/v2/") {
		if !d.seen[p] {
			t.Errorf("documented and never answered: %s %d", p.Operation, p.Status)
		}
	}
}

// messages has every webhook of the document sent.
func (d *desk) messages(t *testing.T, hook *webhooktest.Receiver) {
	t.Helper()
	d.pay(d.create(`{"amount":49.99,"recipient_note":"Invoice #1234"}`))
	off := d.create(`{"amount":49.99,"recipient_note":"Invoice #1236"}`)
	if err := d.App.Checkout.CancelByPayer(t.Context(), d.stored(off.ID).ID); err != nil {
		t.Fatal(err)
	}
	heard := map[string]bool{}
	for _, got := range hook.Wait(t, 2) {
		name := "link.success"
		if bytes.Contains(got.Body, []byte(`"Cancel"`)) {
			name = "link.cancel"
		}
		if err := d.contract.Webhook(name, got.Header, got.Body); err != nil {
			t.Error(err)
		}
		heard[name] = true
		record(t, "webhook-"+name, got.Body)
	}
	for _, name := range d.contract.Webhooks("X-SecPaid-Signature") {
		if !heard[name] {
			t.Errorf("documented and never sent: %s", name)
		}
	}
}
