package secpaid

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"quittance/internal/fault"
	"quittance/internal/money"
	"quittance/internal/payment"
)

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	return compact.String()
}

// documented is the link of the documentation's example.
func documented(t *testing.T) link {
	t.Helper()
	return link{
		ID: 99290, Status: statusUnused, CreatedAt: instant(t, "2026-05-20T11:19:48Z"), Owner: account{Merchant: "M", ServiceFee: 100},
		Order: order{Cents: 2500, Note: "Test regular link", Callbacks: []string{"https://google.com"}, Endpoints: []string{"https://google.com"}, Cancellable: true, Transfer: true},
	}
}

// The documented answer, member by member in its order. The merchant's id and the picture's
// address are ours.
func TestTheDocumentedAnswer(t *testing.T) {
	l := documented(t)
	const base = "https://app.secpaid.com"
	w := l.created(base)
	if w.UserID != userID("M") || w.QRImg != base+"/payment/qr?link_id=OTkyOTA=&size=300" {
		t.Errorf("%+v", w)
	}
	w.UserID, w.QRImg = "b44c4429-4a7b-4e27-85af-c1c2f43f4ffe", "https://quickchart.io/chart?chl="+w.PayLink+"&chs=300x300&cht=qr"
	got, err := encode(succeeded(w, saidCreated, l.CreatedAt))
	if want := golden(t, "created.200.json"); err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	got, err = encode(refused(fault.From(errNoAmount), l.CreatedAt))
	if want := golden(t, "error.200.json"); err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
}

func TestSplitAnswer(t *testing.T) {
	l := documented(t)
	l.Order.Split, l.Recipients, l.Order.Transfer, l.Order.Cancellable = &split{Type: splitAbsolute}, `[{"token":"x","share":10}]`, false, false
	got, err := encode(l.created("https://p"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`"is_cancellation":"Yes"`, `"recipients":"[{\"token\":\"x\",\"share\":10}]"`, `"is_split_link":"true"`, `"split_type":"absolute"`, `"bank_transfer":"false"`, `"transaction_type":"Split"`,
	} {
		if !strings.Contains(string(got), part) {
			t.Errorf("no %s in %s", part, got)
		}
	}
}

func TestListEntries(t *testing.T) {
	l := documented(t)
	l.PaidAt, l.Order.Note = instant(t, "2026-05-21T00:00:01Z"), "a<b>&c"
	const u = `"user_id":"`
	for name, c := range map[string]struct {
		body any
		want string
	}{
		"unused": {l.unused("https://p"), `{"linktopay_id":"99290",` + u + userID("M") + `","recipient_note":"a<b>&c","amount":"25.00","is_cancelled":"No","recipients":null,"is_split_link":"false","pay_link":"https://p/payment?link_id=OTkyOTA=","qr_img":"https://p/payment/qr?link_id=OTkyOTA=&size=300","transaction_type":"Basic","status":"Unused"}`},
		"used":   {l.used(), `{"linktopay_id":"99290",` + u + userID("M") + `","recipient_note":"a<b>&c","amount":"25.00","is_cancelled":"No","recipients":null,"is_split_link":"false","paid_on":"2026-05-21 00:00:01","transaction_type":"Basic","status":"Unused"}`},
		"paid":   {l.transaction(userID("N"), 2500, "bank_transfer", "Success", l.PaidAt), `{"pay_id":"99290","creator_id":"` + userID("M") + `",` + u + userID("N") + `","amount":"25.00","net_amount":"25.00","service_fee":"0.00","service_fee_psp":"0.00","status":"Success","recipient_note":"a<b>&c","payout_status":"Approved","created_at":"2026-05-21 00:00:01","is_split_link":"false","is_dispute":"false","is_refund":"false","payment_method":"bank_transfer","transaction_type":"Basic"}`},
	} {
		if got, err := encode(c.body); err != nil || string(got) != c.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", name, err, got, c.want)
		}
	}
	l.Status, l.Order.QR = statusCancelled, true
	if w := l.unused(""); w.IsCancelled != "Yes" || w.TransactionType != typeQR {
		t.Errorf("%+v", w)
	}
	if w := l.refund(userID("M"), 2500, methodBank, l.PaidAt); w.Amount != "-25.00" || w.NetAmount != w.Amount || w.IsRefund != "true" || w.TransactionType != typeRefund || *w.PaymentMethod != "bank_transfer" {
		t.Errorf("%+v", w)
	}
	got, err := encode(succeeded([]unusedWire{}, saidListed, l.CreatedAt))
	if err != nil || string(got) != `{"data":[],"ResponseCode":1,"ResponseMsg":"List retrived successfully","Result":"True","ServerTime":"CEST"}` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = encode(said(saidDeleted, instant(t, "2026-01-01T00:00:00Z"))); err != nil || string(got) != `{"ResponseCode":1,"ResponseMsg":"Link has been deleted successfully","Result":"True","ServerTime":"CET"}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEveryFaultHasAStatus(t *testing.T) {
	for _, k := range fault.Kinds() {
		got := statusOf(fault.New(k, "c", "t"))
		want := http.StatusOK
		switch k {
		case fault.TooLarge:
			want = http.StatusRequestEntityTooLarge
		case fault.Limited:
			want = http.StatusTooManyRequests
		case fault.Unavailable:
			want = http.StatusServiceUnavailable
		case fault.Internal:
			want = http.StatusInternalServerError
		}
		if got != want {
			t.Errorf("%s: %d", k, got)
		}
	}
	for err, want := range map[error]string{
		errNoToken: "Please enter token", errToken: "No user found with the provided API key.", errNoLink: "Please enter link_id", errLink: "Invalid link ID", errLinkUsed: "This link is already used",
	} {
		if got := refused(fault.From(err), time.Time{}); got.ResponseMsg != want || got.ResponseCode != 0 || got.Result != "False" {
			t.Errorf("%+v", got)
		}
	}
}

// The documentation's own examples, and ids of ours.
func TestLinkIDs(t *testing.T) {
	for id, want := range map[int64]string{99290: "OTkyOTA=", 124: "MTI0", 12345: "MTIzNDU=", 1: "MQ=="} {
		if got := linkID(id); got != want {
			t.Errorf("%d: %s", id, got)
		}
		for _, text := range []string{want, strings.TrimRight(want, "=")} {
			if got, ok := parseLinkID(text); !ok || got != id {
				t.Errorf("%s: %d, %t", text, got, ok)
			}
		}
	}
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, text := range map[string]string{
		"nothing": "", "padding": "====", "no base64": "99290!", "digits": "99290", "zero": b64("0"), "negative": b64("-5"), "a sign": b64("+5"), "leading zeros": b64("007"), "a blank": b64(" 7"), "letters": b64("abc"),
		"too large": b64("9007199254740992"), "beyond": b64("99999999999999999999"), "a line": b64("7\n"), "bits behind": "MTJ=", "a long one": strings.Repeat("A", 40), "URL's alphabet": "_-8", "a break in it": "MTI\nzNDU=", "hexadecimal": b64("0x7"),
	} {
		if id, ok := parseLinkID(text); ok {
			t.Errorf("%s: %d", name, id)
		}
	}
	seen := map[int64]bool{}
	for range 1000 {
		id := newLink()
		if id < minLink || id > maxLink || seen[id] || len(strconv.FormatInt(id, 10)) != 16 {
			t.Fatalf("%d", id)
		}
		seen[id] = true
		if got, ok := parseLinkID(linkID(id)); !ok || got != id || len(linkID(id)) != 24 {
			t.Fatalf("%d: %s", id, linkID(id))
		}
		if float64(id) != float64(int64(float64(id))) || int64(float64(id)) != id {
			t.Fatalf("%d does not survive JavaScript", id)
		}
	}
}

func FuzzLinkID(f *testing.F) {
	for _, text := range []string{"OTkyOTA=", "MTI0", "MQ", "", "====", "OTAwNzE5OTI1NDc0MDk5MQ=="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := parseLinkID(text); ok && (id < 1 || id > maxLink || strings.TrimRight(linkID(id), "=") != strings.TrimRight(text, "=")) {
			t.Fatalf("%q: %d", text, id)
		}
	})
}

// Merchants keep what stands for them in their shops' databases: an id never changes.
func TestUserIDs(t *testing.T) {
	if got := userID("01JD0000000000000000000001"); got != "ec39ea98-15c9-53cf-866d-58fe10893e89" || got == userID("01JD0000000000000000000002") {
		t.Error(got)
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[payment.State][2]string{
		payment.Open: {statusUnused, statusUnused}, payment.Seen: {statusUnused, statusUnused}, payment.Paid: {statusUsed, statusRefunded}, payment.Canceled: {statusCancelled, statusDeleted},
		payment.Expired: {statusUnused, statusUnused}, payment.Failed: {statusUnused, statusUnused},
	} {
		if got := [2]string{linkStatus(s, false, false), linkStatus(s, true, true)}; got != want {
			t.Errorf("%s: %v", s, got)
		}
	}
	for _, s := range payment.States() {
		_ = linkStatus(s, false, false) // panics for one that was forgotten
	}
	for share, want := range map[money.BasisPoints]string{0: "0.0", 100: "1.0", 150: "1.5", 25: "0.25", 10_000: "100.0"} {
		if got := percent(share); got != want {
			t.Errorf("%d: %s", share, got)
		}
	}
	for at, want := range map[string]string{
		"2026-03-29T00:59:59Z": "CET", "2026-03-29T01:00:00Z": "CEST", "2026-10-25T00:59:59Z": "CEST", "2026-10-25T01:00:00Z": "CET", "2026-05-20T11:19:48Z": "CEST", "2026-12-31T23:59:59Z": "CET",
		"2024-03-31T01:00:00Z": "CEST", "2027-10-31T00:59:59Z": "CEST",
	} {
		if got := zone(instant(t, at)); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
}

func parsed(t *testing.T, body string) input {
	t.Helper()
	in, err := parseInput(jsonType, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestQueries(t *testing.T) {
	now := instant(t, "2026-05-20T11:19:48Z")
	for body, want := range map[string]linkQuery{`{}`: {Limit: 10}, `{"limit":25,"search":" x "}`: {25, "x"}, `{"limit":"1000"}`: {Limit: 1000}} {
		if got, err := parseLinkQuery(parsed(t, body)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	day := time.Date(2026, 5, 19, 0, 0, 0, 0, time.UTC)
	for body, want := range map[string]transactionQuery{
		`{}`: {Page: 1, Limit: 200}, `{"page":3,"limit":"7","search":"s"}`: {Page: 3, Limit: 7, Search: "s"}, `{"date":"2026-05-19","since":9}`: {Page: 1, Limit: 200, From: day, To: day.AddDate(0, 0, 1)},
		`{"since":"2"}`: {Page: 1, Limit: 200, From: now.AddDate(0, 0, -2)}, `{"pay_id":99290}`: {Page: 1, Limit: 200, Link: 99290}, `{"pay_id":"99290"}`: {Page: 1, Limit: 200, Link: 99290}, `{"pay_id":"OTkyOTA="}`: {Page: 1, Limit: 200, Link: 99290},
	} {
		if got, err := parseTransactionQuery(parsed(t, body), now); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
	for body, field := range map[string]string{
		`{"limit":0}`: "limit", `{"limit":1001}`: "limit", `{"limit":"ten"}`: "limit", `{"limit":true}`: "limit", `{"limit":1.5}`: "limit", `{"search":"\u0000"}`: "search", `{"page":0}`: "page", `{"page":9999999}`: "page",
		`{"date":"19.05.2026"}`: "date", `{"date":"2026-02-30"}`: "date", `{"date":"0001-01-01"}`: "date", `{"since":-1}`: "since", `{"since":99999}`: "since", `{"pay_id":"x"}`: "pay_id", `{"pay_id":0}`: "pay_id", `{"pay_id":true}`: "pay_id", `{"pay_id":1e3}`: "pay_id",
	} {
		_, err := parseTransactionQuery(parsed(t, body), now)
		if f := fault.From(err); f == nil || f.Field != field || f.Public != "Invalid "+field {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := parseLinkQuery(parsed(t, `{"limit":-1}`)); fault.From(err).Public != "Invalid limit" {
		t.Errorf("%v", err)
	}
	for body, want := range map[string]int64{`{"link_id":99290}`: 99290, `{"link_id":"99290"}`: 99290, `{"link_id":"OTkyOTA="}`: 99290} {
		if got, err := parseDeletion(parsed(t, body)); err != nil || got != want {
			t.Errorf("%s: %d, %v", body, got, err)
		}
	}
	for body, want := range map[string]error{`{}`: errNoLink, `{"link_id":null}`: errNoLink, `{"link_id":""}`: errNoLink, `{"link_id":-1}`: errLink, `{"link_id":"x"}`: errLink, `{"link_id":1.5}`: errLink, `{"link_id":[1]}`: errLink, `{"link_id":99999999999999999999}`: errLink} {
		if _, err := parseDeletion(parsed(t, body)); !errors.Is(err, want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

const (
	plainVector  = `{"ResponseCode":1,"data":{"pay_id":12345,"note":"n","amount":49.99,"user_id":"u","status":"Success"}}`
	sealedVector = "RBjx6dWbveSyx8eWySEqYh7/XcsQWC5bQQqPhv5iRk4E+LST5VrlF60BcWjkEGFuG1HNgn7jKKzdrKzPCFgKkOr33y+cfpGptXZk1b60u5XJlozn365TgAPyveGl2WjbBhDQVUrFw8F1nFSlrxEs+Q=="
)

func TestSeal(t *testing.T) {
	if got, err := seal([]byte(plainVector), key32); err != nil || got != sealedVector {
		t.Errorf("%s, %v", got, err)
	}
	for _, key := range []string{"", key32[1:], key32[:16], key32[:24], key32 + "x"} {
		if got, err := seal([]byte("x"), key); err == nil {
			t.Errorf("a key of %d bytes: %s", len(key), got)
		}
	}
}

func TestWebhooks(t *testing.T) {
	l := documented(t)
	got, err := l.eventBody(eventPaid)
	if want := `{"ResponseCode":1,"data":{"pay_id":99290,"note":"Test regular link","amount":25,"user_id":"` + userID("M") + `","status":"Success"}}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err = l.eventBody(eventCancelled); err != nil || !strings.HasSuffix(string(got), `"status":"Cancel"}}`) {
		t.Errorf("%s, %v", got, err)
	}
	const secret = "whsec_x"
	if h := headers([]byte("{}"), []string{secret}); len(h) != 2 || h["Accept"] != "application/json" || h[HeaderSignature] != Sign(secret, []byte("{}")) || len(h[HeaderSignature]) != 64 {
		t.Errorf("%v", h)
	}
	if h := headers([]byte("{}"), []string{"new", "old"}); h[HeaderSignature] != Sign("old", []byte("{}")) || h[HeaderSignatureNext] != Sign("new", []byte("{}")) {
		t.Errorf("%v", h)
	}
}

func openssl(t *testing.T, in string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is needed")
		}
		t.Skip("no openssl here")
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl: %v", err)
	}
	return string(out)
}

// What we encrypt and sign, somebody else's program opens and checks, as a merchant's would.
func TestOpenSSLOpensIt(t *testing.T) {
	for _, note := range []string{"", "Invoice #1234", strings.Repeat("x", 15), "Größe & <Maß> \"quoted\"", strings.Repeat("long ", 100)} {
		l := documented(t)
		l.Order.Note = note
		plain, err := l.eventBody(eventPaid)
		if err != nil {
			t.Fatal(err)
		}
		l.Order.Key = key32
		body, err := l.eventBody(eventPaid)
		if err != nil {
			t.Fatal(err)
		}
		var w struct{ Data string }
		if err := json.Unmarshal(body, &w); err != nil || !strings.HasPrefix(string(body), `{"data":"`) {
			t.Fatalf("%s, %v", body, err)
		}
		opened := openssl(t, w.Data, "enc", "-d", "-aes-256-cbc", "-K", hex.EncodeToString([]byte(key32)), "-iv", hex.EncodeToString([]byte(key32[:16])), "-base64", "-A")
		if opened != string(plain) {
			t.Errorf("opened as %s, not %s", opened, plain)
		}
		mac := openssl(t, string(body), "dgst", "-sha256", "-hmac", "whsec_secret", "-hex")
		if !strings.HasSuffix(strings.TrimSpace(mac), " "+headers(body, []string{"whsec_secret"})[HeaderSignature]) {
			t.Errorf("signed as %s", mac)
		}
	}
}
