package app_test

import (
	"encoding/json"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

// order makes a payment of so many cents and returns it as it is stored.
func order(t testing.TB, w *webtest.World, body string) *payment.Payment {
	t.Helper()
	r := w.SpacePay(http.MethodPost, "/v1/external/secretkey-auth/payments", body).Want(http.StatusCreated)
	var made struct {
		PaymentID string `json:"paymentId"`
	}
	if err := json.Unmarshal(r.Body, &made); err != nil {
		t.Fatal(err)
	}
	p, err := w.App.Store.PaymentByAlias(t.Context(), "spacepay", made.PaymentID)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const tenDollars = `{"orderId":"order_1","amount":1000,"currency":"USD"}`

// Money that reaches the address counts, whatever it is and whoever sends it.
func TestDepositsArePaid(t *testing.T) {
	w := webtest.NewWith(t, webtest.Options{Deposits: &webtest.Deposits{Two: true}})
	for name, send := range map[string]func(to string, p *payment.Payment){
		"native": func(to string, p *payment.Payment) { w.Chain.Send(to, p.Quotes[0].Units, nil); w.Chain.Mine(1) },
		"a token": func(to string, _ *payment.Payment) {
			w.Chain.Transfer(w.Chain.USDC(), to, big.NewInt(10_001_600))
			w.Chain.Mine(1)
		},
		"a token of the other chain": func(to string, _ *payment.Payment) {
			w.Second.Other.Transfer(w.Second.USDT(), to, big.NewInt(10_000_000))
			w.Second.Mine(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.For(t)
			p := order(t, w, tenDollars)
			if len(p.Quotes) != 1 || p.Quotes[0].Asset != "ETH-base" {
				t.Fatalf("quotes %+v", p.Quotes)
			}
			send(p.Terms.Requests[0].Payee.String(), p)
			w.AwaitState(string(p.ID), payment.Seen)
			w.Chain.Mine(webtest.Confirmations)
			w.Second.Mine(webtest.Confirmations)
			paid := w.AwaitState(string(p.ID), payment.Paid)
			if len(paid.Transfers) != 1 || paid.Standing.Oddity != payment.None {
				t.Errorf("paid %+v with %+v", paid.Standing, paid.Transfers)
			}
		})
	}
}

// A server that does not watch for what payers were asked for does not start: the blocks
// that it read, nobody would read again.
func TestServersWatchForWhatWasAskedFor(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	w := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	p := order(t, w, tenDollars)
	for what, deposits := range map[string]*webtest.Deposits{
		"without deposits":   nil,
		"without the asset":  {Assets: []asset.ID{"USDC-base"}},
		"with it alone":      {Assets: []asset.ID{"ETH-base"}},
		"as the one running": {},
	} {
		a, err := app.New(t.Context(), w.Setup(webtest.Options{Database: dsn, Deposits: deposits}))
		if watches := what == "with it alone" || what == "as the one running"; watches {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if err := a.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if until := p.Terms.ExpiresAt.Add(time.Minute).Format(time.RFC3339); err == nil || !strings.Contains(err.Error(), "ETH-base") || !strings.Contains(err.Error(), until) {
			t.Errorf("%s: %v; want it to say so, until %s", what, err, until)
		}
	}
}

// Nor does one that runs already read any more blocks once payers were asked: they are left
// to those that watch.
func TestServersLeaveBlocksToThoseThatWatch(t *testing.T) {
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "kept.db")
	one := webtest.NewWith(t, webtest.Options{Database: dsn, Deposits: &webtest.Deposits{}})
	var said said
	blind := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: one.Chain, Log: slog.New(slog.NewTextHandler(&said, nil))})
	p := order(t, one, tenDollars)
	one.Stop()
	blind.Await("it to leave the blocks", func() bool {
		one.Chain.Mine(1)
		return said.holds("does not watch for")
	})
	one.Chain.Transfer(one.Chain.USDC(), p.Terms.Requests[0].Payee.String(), big.NewInt(10_100_000))
	one.Chain.Mine(webtest.Confirmations)
	again := webtest.NewWith(t, webtest.Options{Database: dsn, Chain: one.Chain, Deposits: &webtest.Deposits{NoKey: true}})
	again.AwaitState(string(p.ID), payment.Paid)
}

// said is what was logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) holds(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), text)
}
