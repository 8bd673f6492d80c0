package request_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/checkout"
	"quittance/internal/job"
	"quittance/internal/payment"
	"quittance/internal/pgtest"
	"quittance/internal/webhook"
	"quittance/internal/webhook/webhooktest"
	"quittance/web/webtest"
)

// Whoever asks for the network's own finality must not be content with a few
// confirmations.
func TestFinalizedTagWaitsForTheNetwork(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{FinalizedTag: true})
	token := w.CreatePayment("10")
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	head := w.Chain.Mine(3 * webtest.Confirmations)
	w.AwaitState(token, payment.Seen)
	w.Await("the blocks above to be read", func() bool {
		c, err := w.App.Checkout.Cursor(t.Context(), 900008453)
		return err == nil && c.Blocks[0].Number == head
	})
	w.Chain.Mine(1) // and one more look, at which a number of confirmations would count
	w.Await("one more look", func() bool {
		c, err := w.App.Checkout.Cursor(t.Context(), 900008453)
		return err == nil && c.Blocks[0].Number == head+1
	})
	if got := w.Load(token).Standing.State; got != payment.Seen {
		t.Fatalf("got %s before the network called the block final", got)
	}
	w.Chain.Finalize()
	w.AwaitState(token, payment.Paid)
}

// Whoever sends a transaction decides how long its receipt is: one that is too
// long to read must not keep the chain from being watched.
func TestUnreadableReceiptDoesNotStopTheWatch(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	w.Chain.Lie("eth_getTransactionReceipt", func([]json.RawMessage, json.RawMessage) any {
		return map[string]string{"logs": strings.Repeat("0", 17<<20)}
	})
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	p := w.AwaitState(token, payment.Paid)
	if p.Transfers[0].Evidence.Payer != "" {
		t.Errorf("payer: %q", p.Transfers[0].Evidence.Payer)
	}
	w.Await("the webhooks' words without a payer", func() bool {
		got := w.API(http.MethodGet, route+"?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
		return got["payerAddress"] == nil && got["status"] == "completed"
	})
}

// Money that a stranger adds says nothing of who paid: a refund would go astray.
func TestDustDoesNotChangeWhoPaid(t *testing.T) {
	w := webtest.New(t)
	token := w.CreatePayment("10")
	tx := w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	p := w.AwaitState(token, payment.Paid)
	w.PayOnChain(w.Chain.Other, token, 1)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.Await("the stranger's unit", func() bool { return w.Load(token).Standing.Oddity == payment.Over })
	got := w.API(http.MethodGet, route+"?requestId="+p.Terms.Requests[0].ID, "").Want(http.StatusOK).JSON()
	if got["payerAddress"] != w.Chain.Wallet.Address() {
		t.Errorf("payer: got %v, want %s", got["payerAddress"], w.Chain.Wallet.Address())
	}
	statuses, _ := got["requestStatuses"].([]any)
	if first, _ := statuses[0].(map[string]any); first["txHash"] != tx {
		t.Errorf("txHash: got %v, want %s", first["txHash"], tx)
	}
	status := w.Get("/checkout/" + token + "/status").JSON()
	if status["txHash"] != tx || status["payer"] != w.Chain.Wallet.Address() {
		t.Errorf("the page shows %v by %v", status["txHash"], status["payer"])
	}
}

func TestOldAnswersAreForgotten(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	first := webtest.NewWith(t, webtest.Options{Database: dsn})
	old := checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: "old"}
	young := checkout.IdempotencyKey{Merchant: "m", Route: "r", Key: "young"}
	err := first.App.Store.Write(t.Context(), func(tx checkout.Tx) error {
		if err := tx.PutAnswer(t.Context(), young, checkout.Answer{Status: 201, At: time.Now().Add(-29 * 24 * time.Hour)}); err != nil {
			return err
		}
		return tx.PutAnswer(t.Context(), old, checkout.Answer{Status: 201, At: time.Now().Add(-31 * 24 * time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()
	w := webtest.NewWith(t, webtest.Options{Database: dsn})
	w.Await("the old answer to be deleted", func() bool {
		a, err := w.App.Store.Answer(t.Context(), old)
		return err == nil && a == nil
	})
	if a, err := w.App.Store.Answer(t.Context(), young); err != nil || a == nil {
		t.Errorf("the young answer: %v, %v", a, err)
	}
}

// confirmations counts deliveries of payment.confirmed by payment and collects
// their ids.
func confirmations(t *testing.T, hooks *webhooktest.Receiver) map[string]map[string]bool {
	t.Helper()
	ids := map[string]map[string]bool{}
	for _, d := range hooks.Received() {
		var body struct {
			Event string `json:"event"`
			Token string `json:"securePaymentToken"`
		}
		if err := json.Unmarshal(d.Body, &body); err != nil {
			t.Fatal(err)
		}
		if body.Event == "payment.confirmed" {
			if ids[body.Token] == nil {
				ids[body.Token] = map[string]bool{}
			}
			ids[body.Token][d.ID] = true
		}
	}
	return ids
}

// Two servers on one database read one chain: each payment is found once,
// announced once, and an idempotency key counts on both.
func TestTwoServersOneDatabase(t *testing.T) {
	dsn := pgtest.DSN(t)
	a := webtest.NewWith(t, webtest.Options{Database: dsn})
	b := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: a.Chain})
	hooks := receiver(t, a)

	var mu sync.Mutex
	answers := map[string]int{}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			node := []*webtest.World{a, b}[i%2]
			got := node.Do(http.MethodPost, route, usdc("5"), "X-Api-Key: "+a.APIKey, "Idempotency-Key: both")
			mu.Lock()
			defer mu.Unlock()
			answers[fmt.Sprint(got.Status, string(got.Body))]++
		})
	}
	wg.Wait()
	if len(answers) != 1 {
		t.Errorf("%d different answers for one key on two servers: %v", len(answers), answers)
	}

	var tokens []string
	for range 6 {
		tokens = append(tokens, a.CreatePayment("10"))
	}
	for i, token := range tokens {
		a.PayOnChain(a.Chain.Wallet, token, 10_000_000)
		a.Chain.Mine(1)
		if i == 3 {
			a.AwaitState(token, payment.Seen)
			b.AwaitState(token, payment.Seen)
			a.Chain.Reorg(1)
			a.PayOnChain(a.Chain.Wallet, token, 10_000_000)
			a.Chain.Mine(1)
		}
	}
	a.Chain.Mine(webtest.Confirmations)
	for _, token := range tokens {
		a.AwaitState(token, payment.Paid)
		p := b.AwaitState(token, payment.Paid)
		if p.Standing.Oddity != payment.None {
			t.Errorf("counted twice: %s", p.Standing.Oddity)
		}
	}
	a.Await("all webhooks", func() bool { return len(confirmations(t, hooks)) == len(tokens) })
	for token, ids := range confirmations(t, hooks) {
		if len(ids) != 1 {
			t.Errorf("payment %s is confirmed under %d ids", token, len(ids))
		}
	}
	// Both go on.
	for _, node := range []*webtest.World{a, b} {
		node.Await("the server to be ready", func() bool { return node.Get("/readyz").Status == http.StatusOK })
	}
	token := b.CreatePayment("1")
	a.Stop()
	b.PayOnChain(b.Chain.Other, token, 1_000_000)
	b.Chain.Mine(webtest.Confirmations + 1)
	b.AwaitState(token, payment.Paid)
}

// What was committed before a stop is told after the next start, also under a
// new key: secrets sealed with the old one can still be opened.
func TestRelayGoesOnAfterARestartWithANewKey(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	first, second := bytes.Repeat([]byte{7}, 32), bytes.Repeat([]byte{8}, 32)
	w := webtest.NewWith(t, webtest.Options{Database: dsn, Keys: [][]byte{first}})
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	api := "/checkout/" + token
	intent := fmt.Sprintf(`{"txHash":"0x%064x","wallet":%q}`, 5, w.Chain.Wallet.Address())
	cookie := strings.Split(w.Do(http.MethodPost, api+"/intent", intent).Want(http.StatusOK).Header.Get("Set-Cookie"), ";")[0]
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(1)
	w.AwaitState(token, payment.Seen)
	w.Stop()
	w.Chain.Mine(webtest.Confirmations)

	again := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain, Keys: [][]byte{second, first}})
	again.AwaitState(token, payment.Paid)
	again.Await("the webhook", func() bool { return len(confirmations(t, hooks)[token]) == 1 })
	if got := again.Get(api+"/status", "Cookie: "+cookie).JSON(); got["announcedTx"] != fmt.Sprintf("0x%064x", 5) {
		t.Errorf("a cookie of the old key: %v", got["announcedTx"])
	}
	again.Stop()
	// Without the old key nothing sealed can be opened: said, and not a crash.
	last := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: w.Chain, Keys: [][]byte{second}})
	if got := last.Get(api+"/status", "Cookie: "+cookie).Want(http.StatusOK).JSON(); got["announcedTx"] != "" {
		t.Errorf("a cookie of a forgotten key is believed: %v", got["announcedTx"])
	}
}

// An event whose relay was interrupted after the deliveries were saved is
// relayed again without a second delivery.
func TestRelayTwiceSavesOnce(t *testing.T) {
	w := webtest.New(t)
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.Await("the webhook", func() bool { return len(confirmations(t, hooks)[token]) == 1 })
	events, err := w.App.Store.Events(t.Context(), payment.ID(token))
	if err != nil {
		t.Fatal(err)
	}
	relay := w.App.Webhooks.Handlers()[webhook.RelayKind]
	for _, e := range events {
		if e.Kind == payment.EventPaid {
			job := jobOf(e.ID)
			for range 3 {
				if err := relay(t.Context(), job); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	ds, err := w.App.Webhooks.List(t.Context(), webhook.Filter{Payment: payment.ID(token)})
	if err != nil {
		t.Fatal(err)
	}
	if len(ds) != 2 {
		t.Errorf("%d deliveries of one event, want payment.confirmed and its variant", len(ds))
	}
}

// logged collects log lines of a server at its most talkative.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSecretsStayOutOfLogsAndAnswers(t *testing.T) {
	var log logged
	const rpcKey = "provider-key-5up3r53cr37"
	w := webtest.NewWith(t, webtest.Options{RPCKey: rpcKey, Log: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	hooks := receiver(t, w)
	token := w.CreatePayment("10")
	wallet := w.Chain.Wallet.Address()
	var answers strings.Builder
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/?token=" + token, ""}, {"GET", "/" + token, ""}, {"GET", "/" + token + "/x", ""}, {"GET", "/" + token + "%0aforged", ""},
		{"GET", "/checkout/" + token, ""}, {"GET", "/checkout/" + token + "/nothing", ""}, {"POST", "/checkout/" + token + "/pay", "{}"},
		{"GET", "/checkout/" + token + "/pay?wallet=" + wallet, ""}, {"POST", "/checkout/" + token + "/telemetry", `{"event":"wallet_connected"}`},
		{"POST", "/checkout/" + token + "/telemetry", `{"event":"unsafe_refused","check":"page_calldata","detail":"x"}`},
		{"POST", "/checkout/" + token + "/intent", fmt.Sprintf(`{"txHash":"0x%064x","wallet":%q}`, 9, wallet)},
		{"GET", route + "/" + token + "/pay?wallet=" + wallet, ""}, {"DELETE", route + "/" + token, ""}, {"GET", route + "/" + token + "/a/b", ""},
		{"OPTIONS", route + "/" + token, ""}, {"HEAD", "/" + token, ""}, {"GET", "/v2/" + token, ""}, {"GET", "/static/" + token, ""},
	} {
		answers.Write(w.API(c.method, c.path, c.body).Body)
	}
	w.PayOnChain(w.Chain.Wallet, token, 10_000_000)
	w.Chain.Mine(webtest.Confirmations + 1)
	w.AwaitState(token, payment.Paid)
	w.Await("the webhook", func() bool { return len(hooks.Received()) >= 2 })
	second := w.CreatePayment("10")
	for _, status := range []int{http.StatusBadGateway, http.StatusTooManyRequests, http.StatusMovedPermanently} {
		w.Chain.Fail(status)
		answers.Write(w.API("GET", route+"/"+second+"/pay?wallet="+wallet, "").Body)
		answers.Write(w.Get("/?token=" + second).Body)
		answers.Write(w.Get("/readyz").Body)
	}
	w.Await("the failures to be logged", func() bool { return strings.Contains(log.String(), "scanning failed") })
	for name, secret := range map[string]string{"token": token, "second token": second, "API key": w.APIKey, "RPC key": rpcKey} {
		if i := strings.Index(log.String(), secret); i >= 0 {
			from := max(0, i-200)
			t.Errorf("the %s is in the log: …%s", name, log.String()[from:i+len(secret)])
		}
	}
	if strings.Contains(answers.String(), rpcKey) || strings.Contains(answers.String(), "127.0.0.1") {
		t.Error("an answer names the RPC endpoint")
	}
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		if !json.Valid([]byte(line)) {
			t.Errorf("a forged log line: %s", line)
		}
	}
}

func jobOf(args string) job.Job {
	return job.Job{ID: "test", Kind: webhook.RelayKind, Args: args, Attempt: 1}
}
