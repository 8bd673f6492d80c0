package lifi_test

import (
	"net/http"
	"testing"

	"quittance/internal/fault"
	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

func TestCheckKey(t *testing.T) {
	router := lifitest.New(lifitest.Options{Key: "right"})
	ask := func(key string) (bool, error) {
		c, err := lifi.NewClient(lifi.Config{APIKey: key, Transport: lifitest.Transport{Router: router}})
		if err != nil {
			t.Fatal(err)
		}
		return c.CheckKey(t.Context())
	}
	for key, want := range map[string]bool{"right": true, "wrong": false, "": false} {
		if got, err := ask(key); got != want || err != nil {
			t.Errorf("key %q: %t, %v", key, got, err)
		}
	}
	router.Behave(lifitest.Behaviour{Fail: lifitest.Failure{Status: http.StatusBadGateway}})
	if got, err := ask("right"); got || !fault.Is(err, fault.Unavailable) {
		t.Errorf("down: %t, %v", got, err)
	}
}
