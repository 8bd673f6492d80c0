package pay_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"quittance/internal/app"
	"quittance/web/webtest"
)

// screened runs a server that knows one wallet nobody may deal with.
func screened(t *testing.T, refused string) *webtest.World {
	t.Helper()
	path := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(path, []byte(refused+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return webtest.NewWith(t, webtest.Options{Screening: app.ScreeningSetup{List: path}})
}

func TestScreenedPayer(t *testing.T) {
	w := screened(t, other)
	token := restrict(w, `{"mode":"kyt_all_wallets"}`)
	d := page(t, w.Get("/?token="+token).Want(http.StatusOK))
	if got := d.Find("#access strong").Text(); got != "Wallets are screened before they can pay this." {
		t.Errorf("before a wallet is connected: %q", got)
	}
	if got := ask(w, token, other).Want(http.StatusOK).JSON(); got["status"] != "rejected" || got["reasonCode"] != "screening_rejected" {
		t.Errorf("a refused wallet: %v", got)
	}
	if got := w.Get("/checkout/" + token + "/pay?wallet=" + other).Want(http.StatusForbidden).JSON(); got["code"] != "screening_rejected" || got["transactions"] != nil {
		t.Errorf("calldata for a refused wallet: %v", got)
	}
	if got := ask(w, token, allowed).Want(http.StatusOK).JSON(); got["status"] != "approved" {
		t.Errorf("another wallet: %v", got)
	}
	w.Get("/?token=" + token).Want(http.StatusOK)
}

func TestRefusedPayeeEndsThePayment(t *testing.T) {
	w := screened(t, webtest.Payee)
	token := restrict(w, `{"mode":"kyt_all_wallets"}`)
	if got := ask(w, token, allowed).Want(http.StatusOK).JSON(); got["status"] != "rejected" || got["reasonCode"] != "payee_rejected" {
		t.Errorf("a payment to a refused payee: %v", got)
	}
	r := w.Get("/?token=" + token).Want(http.StatusForbidden)
	d := page(t, r)
	if got := d.Find("#qt").AttrOr("data-state", ""); got != "blocked" {
		t.Errorf("state: %q", got)
	}
	if got := d.Find(".ending-blocked h2").Text(); got != "This payment cannot be made" {
		t.Errorf("words: %q", got)
	}
	if n := d.Find("#go, #wallet-list, .ending-failed, .ending-expired").Length(); n != 0 {
		t.Errorf("%d other ways on or endings", n)
	}
	if got := w.Get("/checkout/" + token + "/status").Want(http.StatusOK).JSON(); got["state"] != "blocked" || got["payable"] != false {
		t.Errorf("status: %v", got)
	}
	w.Get("/checkout/" + token + "/pay?wallet=" + allowed).Want(http.StatusForbidden)
}
