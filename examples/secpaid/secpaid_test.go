package secpaid_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/bank"
	"quittance/internal/bank/camt"
	"quittance/internal/bank/sample"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/secpaid"
	"quittance/web/webtest"
)

const iban = "DE89370400440532013000"

// world is a server whose merchant has a bank account and a token for links.
type world struct {
	*webtest.World
	url, token, secret string
}

func start(t *testing.T) world {
	t.Helper()
	w := world{World: webtest.New(t), token: merchant.NewSecret(merchant.SecPaidToken, true)}
	server := httptest.NewServer(w.App.Server)
	t.Cleanup(server.Close)
	w.url = server.URL
	now := time.Now().UTC()
	err := w.App.Store.InsertCredential(t.Context(), merchant.Credential{
		ID: payment.NewULID(now), Merchant: w.Merchant, Kind: merchant.SecPaidToken, Hash: merchant.HashSecret(w.token), Hint: merchant.Hint(w.token), CreatedAt: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	account := merchant.BankAccount{Merchant: w.Merchant, IBAN: iban, Holder: "My shop", Active: true, CreatedAt: now}
	if err := w.App.Store.SetBankAccount(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	set, err := w.App.Store.LinkSettings(t.Context(), w.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	w.secret = set.Secret
	return w
}

// post sends a body as a client does.
func (w world) post(t *testing.T, kind, body string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url+"/api/v2/createLink", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("token", w.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", answer.StatusCode, err, text)
	}
	return text
}

// members are the names of an object's members in their order, and of those of its data.
func members(t *testing.T, body []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	var names []string
	depth, name := 0, true
	for {
		token, err := d.Token()
		if err != nil {
			return names
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			name = true
			continue
		case string:
			if name {
				names = append(names, fmt.Sprint(depth, " ", v))
				name = false
				continue
			}
		}
		name = true
	}
}

// documented is the order of the members in the documentation's example.
var documented = []string{
	"1 data", "2 is_cancellation", "2 user_id", "2 amount", "2 recipient_note", "2 status", "2 paymentEndpoint", "2 callback_url", "2 servicefee", "2 recipients",
	"2 is_split_link", "2 split_type", "2 bank_transfer", "2 is_qr_link", "2 payment_config", "2 bank_statement_description", "2 created_at", "2 id", "2 pay_link",
	"2 qr_img", "2 transaction_type", "1 ResponseCode", "1 ResponseMsg", "1 Result", "1 ServerTime",
}

type answer struct {
	Data struct {
		ID             int64       `json:"id"`
		Amount         json.Number `json:"amount"`
		RecipientNote  string      `json:"recipient_note"`
		CallbackURL    string      `json:"callback_url"`
		IsCancellation string      `json:"is_cancellation"`
		BankTransfer   string      `json:"bank_transfer"`
		Status         string      `json:"status"`
		PayLink        string      `json:"pay_link"`
		QRImg          string      `json:"qr_img"`
	} `json:"data"`
	ResponseCode int
	ResponseMsg  string
}

// right says what is wrong with the answer to the documentation's request, whoever sent it.
func right(t *testing.T, who string, body []byte) answer {
	t.Helper()
	if got := members(t, body); !slices.Equal(got, documented) {
		t.Errorf("%s: the members come as %v", who, got)
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("%s: %v: %s", who, err, body)
	}
	d := a.Data
	link := "/payment?link_id=" + secpaid.Link(fmt.Sprint(d.ID))[len("/payment?link_id="):]
	if a.ResponseCode != 1 || a.ResponseMsg != "Link has been created successfully" || d.Amount != "49.99" || d.RecipientNote != "Invoice #1234" || d.CallbackURL != "https://yoursite.com/payment/done" ||
		d.IsCancellation != "No" || d.BankTransfer != "true" || d.Status != "Unused" || !strings.HasSuffix(d.PayLink, link) || !strings.Contains(d.QRImg, link[len("/payment"):]+"&size=300") {
		t.Errorf("%s: %s", who, body)
	}
	return a
}

// What the documentation's three clients send, byte for byte.
func TestDocumentedRequests(t *testing.T) {
	w := start(t)
	for who, c := range map[string]struct{ kind, body string }{
		"curl": {"application/json", "{\n    \"amount\": 49.99,\n    \"recipient_note\": \"Invoice #1234\",\n    \"callback_url\": \"https://yoursite.com/payment/done\",\n    \"cancellable\": true\n  }"},
		// JSON.stringify
		"fetch": {"application/json", `{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https://yoursite.com/payment/done","cancellable":true}`},
		// Guzzle's RequestOptions::JSON is json_encode, which writes a slash as \/.
		"Http::post": {"application/json", `{"amount":49.99,"recipient_note":"Invoice #1234","callback_url":"https:\/\/yoursite.com\/payment\/done","cancellable":true}`},
		// Http::asForm, and http_build_query: true is 1, blanks are +.
		"Http::asForm": {"application/x-www-form-urlencoded", "amount=49.99&recipient_note=Invoice+%231234&callback_url=https%3A%2F%2Fyoursite.com%2Fpayment%2Fdone&cancellable=1"},
	} {
		right(t, who, w.post(t, c.kind, c.body))
	}
}

func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on this machine", name)
	}
	return path
}

// run runs one of the examples and returns what it prints.
func run(t *testing.T, env []string, in []byte, name string, args ...string) ([]byte, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Env, c.Stdin = append(c.Environ(), env...), bytes.NewReader(in)
	return c.CombinedOutput()
}

func TestCurl(t *testing.T) {
	tool(t, "curl")
	w := start(t)
	out, err := run(t, []string{"API=" + w.url, "TOKEN=" + w.token}, nil, tool(t, "sh"), "create.sh")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	right(t, "curl", out)
	out, err = run(t, []string{"API=" + w.url, "TOKEN=sp_test_nobody"}, nil, tool(t, "sh"), "create.sh")
	var refused answer
	if err != nil || json.Unmarshal(out, &refused) != nil || refused.ResponseMsg != "No user found with the provided API key." {
		t.Errorf("an unknown token: %v: %s", err, out)
	}
}

func TestFetch(t *testing.T) {
	w := start(t)
	out, err := run(t, []string{"API=" + w.url, "TOKEN=" + w.token}, nil, tool(t, "node"), "create.mjs")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	u, err := url.Parse(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	alias, ok := secpaid.Alias(u.Query().Get("link_id"))
	if !ok {
		t.Fatalf("printed %s", out)
	}
	p, err := w.App.Store.PaymentByAlias(t.Context(), secpaid.Name, alias)
	if err != nil || p.Terms.Reference != "Invoice #1234" || p.Terms.RedirectURL != "https://yoursite.com/payment/done" || !p.Terms.PayerCancels {
		t.Errorf("made %+v, %v", p, err)
	}
	if out, err = run(t, []string{"API=" + w.url, "TOKEN="}, nil, tool(t, "node"), "create.mjs"); err == nil || !strings.Contains(string(out), "Please enter token") {
		t.Errorf("without a token: %v: %s", err, out)
	}
}

const key = "0123456789abcdef0123456789ABCDEF"

// order makes an encrypted link whose webhooks go to a URL.
func (w world) order(t *testing.T, note, hook string) int64 {
	t.Helper()
	sent, err := json.Marshal(map[string]any{"amount": 49.99, "recipient_note": note, "payment_endpoint": hook, "is_encryption": "true", "encryption_key": key})
	if err != nil {
		t.Fatal(err)
	}
	var made answer
	body := w.post(t, "application/json", string(sent))
	if err := json.Unmarshal(body, &made); err != nil || made.ResponseCode != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	return made.Data.ID
}

// pay has the bank tell of a transfer of all that the link is for.
func (w world) pay(t *testing.T, link int64) {
	t.Helper()
	p, err := w.App.Store.PaymentByAlias(t.Context(), secpaid.Name, fmt.Sprint(link))
	if err != nil {
		t.Fatal(err)
	}
	file, err := sample.Statement{
		Version: camt.V08, ID: payment.NewULID(time.Now()), Account: bank.IBAN(iban), Day: time.Now(),
		Bookings: []sample.Booking{{Reference: payment.NewULID(time.Now()), Transaction: sample.Transaction{Cents: 4999, Text: p.Terms.Requests[0].Bank.Text}}},
	}.XML()
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.App.ImportStatement(t.Context(), w.Merchant, bytes.NewReader(file), false)
	if err != nil || s.Left() != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
}

// A link is paid by bank, and the receiver in Node.js hears of it once: from the real server,
// encrypted, and again whatever else is sent to it.
func TestReceiver(t *testing.T) {
	node := tool(t, "node")
	w := start(t)
	c := exec.Command(node, "receive.mjs")
	c.Env = append(c.Environ(), "SECRET="+w.secret, "KEY="+key, "PORT=0")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		for range lines { // until its output ends
		}
		_ = c.Wait() // it was killed
	})
	next := func() string {
		t.Helper()
		select {
		case line := <-lines:
			return line
		case <-time.After(time.Minute):
			t.Fatal("the receiver says nothing")
			return ""
		}
	}
	hook, ok := strings.CutPrefix(next(), "taking webhooks at ")
	if !ok {
		t.Fatalf("printed %s", hook)
	}
	link := w.order(t, "Invoice #1", hook)
	w.pay(t, link)
	if got, want := next(), fmt.Sprintf("link %d is paid: 49.99 EUR for Invoice #1", link); got != want {
		t.Errorf("heard %q, want %q", got, want)
	}
	plain := fmt.Sprintf(`{"ResponseCode":1,"data":{"pay_id":%d,"note":"x","amount":49.99,"user_id":"u","status":"Success"}}`, link)
	other := strings.Replace(plain, fmt.Sprint(link), "7", 1)
	for _, x := range []struct {
		body, signature, header string
		status                  int
		says                    string
	}{
		{other, secpaid.Sign("whsec_other", []byte(other)), secpaid.HeaderSignature, http.StatusUnauthorized, "refused a webhook"},
		{other, "", secpaid.HeaderSignature, http.StatusUnauthorized, "refused a webhook"},
		{other, "zz", secpaid.HeaderSignature, http.StatusUnauthorized, "refused a webhook"},
		{plain, secpaid.Sign(w.secret, []byte(plain)), secpaid.HeaderSignature, http.StatusNoContent, ""}, // it is paid already
		{other, secpaid.Sign(w.secret, []byte(other)), secpaid.HeaderSignatureNext, http.StatusNoContent, "link 7 is paid: 49.99 EUR for x"},
		{"[", secpaid.Sign(w.secret, []byte("[")), secpaid.HeaderSignature, http.StatusBadRequest, "could not read a webhook"},
		{`{"data":"AAAA"}`, secpaid.Sign(w.secret, []byte(`{"data":"AAAA"}`)), secpaid.HeaderSignature, http.StatusBadRequest, "could not read a webhook"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hook, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(x.header, x.signature)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != x.status {
			t.Errorf("%s signed %q: status %d, want %d", x.body, x.signature, answer.StatusCode, x.status)
		}
		if x.says == "" {
			continue
		}
		if got := next(); !strings.HasPrefix(got, x.says) {
			t.Errorf("%s signed %q: said %q, want %q", x.body, x.signature, got, x.says)
		}
	}
}

// inbox keeps what it was sent.
type inbox struct {
	mu   sync.Mutex
	got  []byte
	sign string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got, i.sign = b, r.Header.Get(secpaid.HeaderSignature)
	w.WriteHeader(http.StatusNoContent)
}

func (i *inbox) last() ([]byte, string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.got, i.sign
}

// What the server has encrypted, openssl opens.
func TestOpenSSL(t *testing.T) {
	tool(t, "openssl")
	w := start(t)
	var box inbox
	server := httptest.NewServer(&box)
	t.Cleanup(server.Close)
	link := w.order(t, `"a", \b and {c}`, server.URL+"/hook")
	w.pay(t, link)
	w.Await("the webhook", func() bool { b, _ := box.last(); return b != nil })
	body, signature := box.last()
	env := []string{"SECRET=" + w.secret, "KEY=" + key, "SIGNATURE=" + signature}
	out, err := run(t, env, body, tool(t, "sh"), "open.sh")
	var event struct {
		ResponseCode int
		Data         struct {
			PayID  int64       `json:"pay_id"`
			Note   string      `json:"note"`
			Amount json.Number `json:"amount"`
			Status string      `json:"status"`
		} `json:"data"`
	}
	if err != nil || json.Unmarshal(out, &event) != nil || event.ResponseCode != 1 || event.Data.PayID != link || event.Data.Note != `"a", \b and {c}` || event.Data.Amount != "49.99" || event.Data.Status != "Success" {
		t.Errorf("%v: %s", err, out)
	}
	changed := bytes.Replace(body, []byte(`"}`), []byte(` "}`), 1)
	if out, err := run(t, env, changed, tool(t, "sh"), "open.sh"); err == nil || !strings.Contains(string(out), "signature is wrong") {
		t.Errorf("changed on its way: %v: %s", err, out)
	}
}
