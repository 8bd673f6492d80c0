package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"quittance/internal/asset"
	"quittance/internal/checkout"
	"quittance/internal/fault"
	"quittance/internal/merchant"
	"quittance/internal/money"
	"quittance/internal/payment"
	"quittance/internal/webhook"
	"quittance/web"
)

// playedEncoder words creations, and nothing else.
type playedEncoder struct {
	book   *asset.Book
	worded chan string // payments
}

func (playedEncoder) Tells(k payment.EventKind) bool { return k == payment.EventCreated }

func (e playedEncoder) Encode(_ context.Context, _ payment.Event, p *payment.Payment) ([]webhook.Message, error) {
	e.worded <- p.Terms.Alias
	return nil, nil
}

func (playedEncoder) Disabled(merchant.Endpoint) (webhook.Message, error) {
	return webhook.Message{}, nil
}

func (playedEncoder) Headers(webhook.Delivery, []string, time.Time) map[string]string { return nil }

// playedDialect is a dialect with all that a dialect can have. It says on wired what it was
// mounted with.
func playedDialect(worded chan string, wired *web.Wiring) web.Dialect {
	link := func(alias string) string { return "/played/" + alias }
	return web.Dialect{
		Name:    "played",
		Encoder: func(w web.Wiring) webhook.Encoder { return playedEncoder{w.Book, worded} },
		Mount: func(w web.Wiring) {
			*wired = w
			w.Server.Echo.GET("/api/played", func(c echo.Context) error { return c.String(http.StatusOK, "spoken") })
		},
		Pages: &web.Pages{Link: link, Return: func(*payment.Payment) (string, error) { return "", nil }},
		Typed: func(text string) (string, bool) { return strings.CutPrefix(text, "played ") },
	}
}

// A dialect in the list needs nothing else: its routes and its payments' pages are there, its
// merchants are told what its encoder words, and operators can name its payments.
func TestADialectIsOneLine(t *testing.T) {
	s, _ := smallSetup(t)
	worded, wired := make(chan string, 4), web.Wiring{}
	a, err := compose(t.Context(), s, rails, append(dialects(), playedDialect(worded, &wired)))
	if err != nil {
		t.Fatal(err)
	}
	run(t, a)
	ctx := t.Context()
	if err := a.Store.InsertMerchant(ctx, merchant.Merchant{ID: "01M", Name: "Shop", CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	var made payment.ID
	_, _, err = a.Checkout.Create(ctx, checkout.Draft{
		Merchant: "01M", Dialect: "played", Alias: "one", Window: time.Hour,
		Requests: []checkout.DraftRequest{{Fiat: asset.EUR, Amount: money.Cents(500), Bank: &payment.BankTransfer{Holder: "Shop GmbH", Account: "DE89370400440532013000"}}},
	}, nil, func(p *payment.Payment) (checkout.Answer, error) {
		made = p.ID
		return checkout.Answer{Status: http.StatusCreated}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := comes(t, "an event to word", worded); got != "one" {
		t.Errorf("worded %q", got)
	}
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		a.Server.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil))
		return w
	}
	if w := get("/api/played"); w.Code != http.StatusOK || w.Body.String() != "spoken" {
		t.Errorf("its route: %d %s", w.Code, w.Body)
	}
	if w := get("/played/one"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Shop") {
		t.Errorf("its page: %d %s", w.Code, w.Body)
	}
	if wired.Checkout != a.Checkout || wired.Store == nil || wired.Webhooks == nil || wired.Limits == nil || wired.Restamp != nil || wired.Prices != nil {
		t.Errorf("mounted with %+v", wired)
	}
	found, err := typed(ctx, a.Checkout, a.dialects, "played one")
	if err != nil || found.ID != made {
		t.Errorf("named by an operator: %v, %v", found, err)
	}
	for _, text := range []string{"played two", "one", ""} {
		if _, err := typed(ctx, a.Checkout, a.dialects, text); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Each dialect's merchants are told of what its encoder tells of, and of no other kind.
func TestDialectsTell(t *testing.T) {
	tells := tells(append(dialects(), playedDialect(nil, nil)))
	for _, c := range []struct {
		dialect string
		kind    payment.EventKind
		want    bool
	}{
		{"spacepay", payment.EventCreated, true}, {"spacepay", payment.EventSeen, true}, {"spacepay", payment.EventAnnounced, false},
		{"secpaid", payment.EventPaid, true}, {"secpaid", payment.EventCanceled, true}, {"secpaid", payment.EventCreated, false}, {"secpaid", payment.EventLate, false},
		{"played", payment.EventCreated, true}, {"played", payment.EventPaid, false},
		{"request", payment.EventCreated, payment.EventCreated.Announced()}, {"request", payment.EventPaid, true}, {"", payment.EventPaid, true},
	} {
		if got := tells(c.dialect, c.kind); got != c.want {
			t.Errorf("%s of %s: %t", c.dialect, c.kind, got)
		}
	}
}
