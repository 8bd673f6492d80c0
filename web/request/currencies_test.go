package request_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	for _, query := range []string{"?firstOnly=yes", "?firstOnly=true", "?firstOnly=true&network=base", "?id=USDC-base&firstOnly=maybe"} {
		got := w.API(http.MethodGet, "/v2/currencies"+query, "").Want(http.StatusBadRequest).JSON()
		issues, _ := got["message"].([]any)
		if len(issues) != 1 || got["field"] != "firstOnly" {
			t.Errorf("%s: %v", query, got)
		}
	}
	w.Get("/v2/currencies").Want(http.StatusUnauthorized)
}

// The documented error bodies, word for word; code and field are ours.
func TestCurrenciesErrors(t *testing.T) {
	w := webtest.New(t)
	for query, want := range map[string]string{
		"?firstOnly=perhaps": `{"statusCode":400,"message":[{"code":"custom","message":"firstOnly must be 'true' or 'false' if provided","path":["firstOnly"]}],"error":"Bad Request","code":"invalid_first_only","field":"firstOnly"}`,
		"?id=NONE-mainnet":   `{"statusCode":404,"message":"Token not found","error":"Not Found","code":"not_found"}`,
	} {
		if got := strings.TrimSpace(string(w.API(http.MethodGet, "/v2/currencies"+query, "").Body)); got != want {
			t.Errorf("%s: got %s\nwant %s", query, got, want)
		}
	}
}

func TestConversionRoutes(t *testing.T) {
	w := webtest.New(t)
	const path = "/v2/currencies/%s/conversion-routes%s"
	for query, want := range map[string]string{
		"": `{"currencyId":"USDC-base","network":null,"conversionRoutes":[]}`, "?network=BASE": `{"currencyId":"USDC-base","network":"base","conversionRoutes":[]}`,
		"?networks=base,%20BASE": `{"currencyId":"USDC-base","networks":["base"],"conversionRoutes":[]}`,
	} {
		got := w.API(http.MethodGet, fmt.Sprintf(path, "usdc-base", query), "").Want(http.StatusOK)
		if strings.TrimSpace(string(got.Body)) != want {
			t.Errorf("%q: got %s, want %s", query, got.Body, want)
		}
	}
	for _, id := range []string{"EUR", "USDC-mars", "%00", "..%2f"} {
		refuses(t, id, w.API(http.MethodGet, fmt.Sprintf(path, id, ""), ""), http.StatusNotFound, "Token not found", "")
	}
	for query, field := range map[string]string{"?network=mars": "network", "?networks=base,mars": "networks", "?networks=,": "networks", "?network=base&networks=base": "networks"} {
		refuses(t, query, w.API(http.MethodGet, fmt.Sprintf(path, "USDC-base", query), ""), http.StatusBadRequest, "", field)
	}
	w.Get(fmt.Sprintf(path, "USDC-base", "")).Want(http.StatusUnauthorized)
}
