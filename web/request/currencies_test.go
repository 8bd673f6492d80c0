package request_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"quittance/web/webtest"
)

func TestCurrencies(t *testing.T) {
	w := webtest.New(t)
	list := func(query string) []string {
		t.Helper()
		var all []struct{ ID string }
		if err := json.Unmarshal(w.API(http.MethodGet, "/v2/currencies"+query, "").Want(http.StatusOK).Body, &all); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, c := range all {
			ids = append(ids, c.ID)
		}
		slices.Sort(ids)
		return ids
	}
	for query, want := range map[string][]string{
		"":                             {"ETH-base", "USDC-base", "USDT-base"},
		"?network=BASE":                {"ETH-base", "USDC-base", "USDT-base"},
		"?symbol=usdc":                 {"USDC-base"},
		"?network=base&symbol=USDT":    {"USDT-base"},
		"?symbol=USDC&firstOnly=false": {"USDC-base"},
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"?id=usdc-base", "?network=base&symbol=USDC&firstOnly=true"} {
		got := w.API(http.MethodGet, "/v2/currencies"+query, "").Want(http.StatusOK).JSON()
		for name, want := range map[string]any{"id": "USDC-base", "symbol": "USDC", "decimals": 6.0, "address": w.Chain.USDC(), "network": "base", "type": "ERC20", "hash": w.Chain.USDC(), "chainId": 900008453.0} {
			if got[name] != want {
				t.Errorf("%s %s: got %v, want %v", query, name, got[name], want)
			}
		}
	}
	for _, query := range []string{"?id=EUR", "?symbol=EURC", "?network=mars"} {
		got := w.API(http.MethodGet, "/v2/currencies"+query, "").Want(http.StatusNotFound).JSON()
		if got["message"] != "Token not found" || got["error"] != "Not Found" {
			t.Errorf("%s: %v", query, got)
		}
	}
	for _, query := range []string{"?firstOnly=yes", "?firstOnly=true", "?firstOnly=true&network=base"} {
		got := w.API(http.MethodGet, "/v2/currencies"+query, "").Want(http.StatusBadRequest).JSON()
		issues, _ := got["message"].([]any)
		if len(issues) != 1 || got["field"] != "firstOnly" {
			t.Errorf("%s: %v", query, got)
		}
	}
	w.Get("/v2/currencies").Want(http.StatusUnauthorized)
}
