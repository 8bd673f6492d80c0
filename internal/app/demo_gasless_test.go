//go:build !nosandbox

package app_test

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"quittance/internal/app"
	"quittance/internal/gasless"
)

// The demo pays for the gas of a payer who has none, from the first page on, and its
// bundler does as it is told.
func TestTheDemoPaysForGas(t *testing.T) {
	for _, kind := range gasless.Accounts {
		t.Run(kind, func(t *testing.T) {
			d := startDemoOf(t, "", kind)
			if d.Saver.Kind != kind || d.Saver.Address == "" || d.Saver.Account == "" || d.Saver.Account == d.Saver.Address || !strings.HasPrefix(d.Saver.PrivateKey, "0x") {
				t.Errorf("the saver: %+v", d.Saver)
			}
			for _, network := range []string{"base", "arbitrum-one"} {
				var said struct{ Result []string }
				d.ask(http.MethodPost, d.Sandbox.SaverURL+"/"+network, object{"jsonrpc": "2.0", "id": 1, "method": "eth_accounts", "params": []any{}}, &said)
				if !slices.Equal(said.Result, []string{d.Saver.Address}) {
					t.Errorf("its wallet on %s: %v", network, said.Result)
				}
				var shown struct {
					Asked map[string]int
					Lies  []string
				}
				if status := d.ask(http.MethodGet, d.Sandbox.BundlerURL+"/"+network, nil, &shown); status != http.StatusOK || shown.Asked["pm_getPaymasterStubData"] == 0 || len(shown.Lies) == 0 {
					t.Errorf("the bundler of %s: %d, %+v", network, status, shown)
				}
				d.command(d.Sandbox.BundlerURL+"/"+network, object{"hold": true})
				d.command(d.Sandbox.BundlerURL+"/"+network, object{})
			}
			if status := d.ask(http.MethodPut, d.Sandbox.BundlerURL+"/base", object{"nonsense": 1}, nil); status != http.StatusBadRequest {
				t.Errorf("nonsense is taken: %d", status)
			}
		})
	}
	err := app.Demo(t.Context(), app.DemoConfig{Listen: "127.0.0.1:0", Account: "simple", JSON: true, Out: io.Discard, Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), gasless.Accounts[0]) {
		t.Errorf("another kind: %v", err)
	}
}
