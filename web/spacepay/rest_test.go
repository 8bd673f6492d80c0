package spacepay_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"quittance/web/webtest"
)

// Who reads the database, or a backup of it, opens no payment and lists no addresses: the secret is nowhere in it, nor the xpub.
func TestSecretsAreNotAtRest(t *testing.T) {
	dir := t.TempDir()
	w := webtest.NewWith(t, webtest.Options{Database: "sqlite:" + filepath.Join(dir, "kept.db"), Deposits: &webtest.Deposits{}})
	s := shop{w, t}
	m := s.create(order, "Idempotency-Key: kept")
	s.Do(http.MethodPost, client+m.PaymentID+"/quotes", "{}", m.with()).Want(http.StatusCreated)
	w.Stop()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	found := false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(b, []byte(m.PaymentID))
		for what, text := range map[string]string{"the payment's secret": m.Secret, "the merchant's xpub": webtest.XPub} {
			if bytes.Contains(b, []byte(text)) {
				t.Errorf("%s holds %s", filepath.Base(name), what)
			}
		}
	}
	if !found {
		t.Error("the payment is in none of the files: the test looks in the wrong place")
	}
}
