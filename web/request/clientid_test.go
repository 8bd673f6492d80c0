package request_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/merchant"
	"quittance/internal/payment"
	"quittance/web/webtest"
)

const shop = "https://shop.example.com"

// addClientID makes a client id of the world's merchant.
func addClientID(t *testing.T, w *webtest.World, origins ...string) string {
	t.Helper()
	id := merchant.NewSecret(merchant.ClientID, true)
	err := w.App.Store.InsertCredential(t.Context(), merchant.Credential{
		ID: payment.NewULID(time.Now()), Merchant: w.Merchant, Kind: merchant.ClientID, Hash: merchant.HashSecret(id), Hint: merchant.Hint(id),
		Origins: origins, CreatedAt: time.Now().UTC(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return "X-Client-Id: " + id
}

// bindClientID makes a backend's client id that pays to a destination.
func bindClientID(t *testing.T, w *webtest.World, destination string) string {
	t.Helper()
	return clientIDWith(t, w, merchant.Credential{Destination: destination})
}

// clientIDWith makes a client id with settings.
func clientIDWith(t *testing.T, w *webtest.World, c merchant.Credential) string {
	t.Helper()
	c.Public = merchant.NewSecret(merchant.ClientID, true)
	c.ID, c.Merchant, c.Kind, c.CreatedAt = payment.NewULID(time.Now()), w.Merchant, merchant.ClientID, time.Now().UTC()
	c.Hash, c.Hint = merchant.HashSecret(c.Public), merchant.Hint(c.Public)
	if err := w.App.Store.InsertCredential(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return "X-Client-Id: " + c.Public
}

func addDestination(t *testing.T, w *webtest.World) string {
	t.Helper()
	wallet, err := asset.ParseAddress(payee)
	if err != nil {
		t.Fatal(err)
	}
	usdc, _ := w.App.Checkout.Book().Token("USDC-base")
	to := asset.Destination{Wallet: wallet, Chain: usdc.Chain, Token: usdc.Address}
	d := merchant.Destination{ID: payment.NewULID(time.Now()), Merchant: w.Merchant, To: to, Active: true, CreatedAt: time.Now().UTC()}
	if err := w.App.Store.InsertDestination(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return to.String()
}

func TestClientIDFromItsPage(t *testing.T) {
	w := webtest.New(t)
	destination := addDestination(t, w)
	id := addClientID(t, w, shop)
	from := "Origin: " + shop
	body := `{"requests":[{"amount":"5"}]}`

	made := w.Do(http.MethodPost, route, body, id, from).Want(http.StatusCreated)
	if got := made.Header.Get("Access-Control-Allow-Origin"); got != shop {
		t.Errorf("allowed origin: %q", got)
	}
	token, _ := made.JSON()["token"].(string)
	p := w.Load(token)
	if p.Terms.ClientID != strings.TrimPrefix(id, "X-Client-Id: ") || p.Terms.Origin != shop {
		t.Errorf("made by %q from %q", p.Terms.ClientID, p.Terms.Origin)
	}
	w.Do(http.MethodPost, route, fmt.Sprintf(`{"requests":[{"destinationId":%q,"amount":"5"}]}`, destination), id, from).Want(http.StatusCreated)
	for _, path := range []string{"", "/pay"} {
		w.Do(http.MethodGet, route+"/"+token+path, "", id, from).Want(http.StatusOK)
		w.Do(http.MethodGet, route+"/"+token+path, "", id).Want(http.StatusOK) // browsers leave Origin out of same-origin reads
	}
	w.Do(http.MethodGet, "/v2/currencies", "", id, from).Want(http.StatusOK)
}

func TestClientIDFromElsewhere(t *testing.T) {
	w := webtest.New(t)
	addDestination(t, w)
	id := addClientID(t, w, shop)
	token := w.CreatePayment("1")
	body := `{"requests":[{"amount":"5"}]}`
	got := w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden).JSON()
	if got["message"] != "Origin header is required" {
		t.Errorf("without an origin: %v", got["message"])
	}
	for _, origin := range []string{"https://shop.example.com.evil.example", "https://evilshop.example.com", "http://shop.example.com", "https://shop.example.com:8443",
		"https://example.com", "null", "https://SHOP.example.com", "https://shop.example.com/"} {
		for _, r := range []webtest.Response{
			w.Do(http.MethodPost, route, body, id, "Origin: "+origin), w.Do(http.MethodGet, route+"/"+token, "", id, "Origin: "+origin),
		} {
			if r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("from %s: got %d, allowed %q", origin, r.Status, r.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
	w.Do(http.MethodPost, route, body, "X-Client-Id: cli_nobody", "Origin: "+shop).Want(http.StatusUnauthorized)
	w.Do(http.MethodPost, route, body, id, id, "Origin: "+shop).Want(http.StatusUnauthorized)
	// A client id is public: it names no other payee, takes no fee, looks nothing up.
	stranger := strings.Replace(usdc("5"), payee, "0x00000000000000000000000000000000000000aa", 1)
	got = w.Do(http.MethodPost, route, stranger, id, "Origin: "+shop).Want(http.StatusForbidden).JSON()
	if got["message"] != "Destination does not match the configured payment destination." {
		t.Errorf("another payee: %v", got["message"])
	}
	w.Do(http.MethodPost, route, `{"requests":[{"amount":"5"}],"feePercentage":"50","feeAddress":"0x00000000000000000000000000000000000000aa"}`, id, "Origin: "+shop).Want(http.StatusForbidden)
	w.Do(http.MethodGet, route+"?requestId="+w.Load(token).Terms.Requests[0].ID, "", id).Want(http.StatusForbidden)
}

func TestBackendClientID(t *testing.T) {
	w := webtest.New(t)
	body := `{"requests":[{"amount":"5"}]}`
	id := addClientID(t, w)
	w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden) // no destination to pay to
	addDestination(t, w)
	w.Do(http.MethodPost, route, body, id).Want(http.StatusForbidden) // nothing holds it to one
	active, err := w.App.Directory.Destinations(t.Context(), w.Merchant)
	if err != nil {
		t.Fatal(err)
	}
	bound := bindClientID(t, w, active[0].ID)
	w.Do(http.MethodPost, route, body, bound).Want(http.StatusCreated)
	w.Do(http.MethodPost, route, usdc("5"), bound).Want(http.StatusCreated)
	w.Do(http.MethodPost, route, strings.Replace(usdc("5"), payee, "0x00000000000000000000000000000000000000aa", 1), bound).Want(http.StatusForbidden)
}

func TestPreflight(t *testing.T) {
	w := webtest.New(t)
	for _, path := range []string{"", "/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/01ARZ3NDEKTSV4RRFFQ69G5FAV/pay", "/01ARZ3NDEKTSV4RRFFQ69G5FAV/intent"} {
		r := w.Do(http.MethodOptions, route+path, "", "Origin: "+shop, "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,x-client-id").Want(http.StatusNoContent)
		h := r.Header
		if h.Get("Access-Control-Allow-Origin") != shop || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-client-id") || h.Get("Vary") == "" {
			t.Errorf("%s: %v", path, h)
		}
		if strings.Contains(h.Get("Access-Control-Allow-Headers"), "x-api-key") || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s lets a browser send an API key or cookies: %v", path, h)
		}
	}
}
