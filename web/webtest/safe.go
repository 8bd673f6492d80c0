package webtest

import (
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"

	"quittance/internal/app"
	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/safe"
	"quittance/internal/safe/safetest"
	"quittance/internal/userop/useroptest"
)

func (o Options) contracts(t testing.TB, id asset.ChainID) []chaintest.Option {
	switch {
	case o.Gasless != nil: // Safe's own among them
		return useroptest.Contracts(t, id)
	case o.Safes:
		return safetest.Contracts(t, id)
	}
	return nil
}

func (o Options) safes() *app.SafeSetup {
	if !o.Safes {
		return nil
	}
	s := &app.SafeSetup{Table: safe.At(asset.SandboxBase, asset.SandboxArbitrum)}
	if o.SafeService != nil {
		s.Service = &safe.ServiceConfig{
			BaseURLs:  map[asset.ChainID]string{asset.SandboxBase: "https://safes.example/base/api", asset.SandboxArbitrum: "https://safes.example/arb/api"},
			Transport: inProcess{o.SafeService},
		}
	}
	return s
}

// inProcess carries requests to a handler without a socket.
type inProcess struct{ http.Handler }

// RoundTrip implements http.RoundTripper.
func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec.Result(), r.Context().Err()
}

// Safe makes a Safe of three owners, two of whom must sign, on the first chain and
// with Routing on the second too, at the same address. On each it holds units (base
// units) of USDC, and of native currency as many wei. Its owners are the chain's
// wallets.
func (w *World) Safe(v safe.Version, units int64) (first, second *safetest.Safe) {
	w.t.Helper()
	salt := w.Chain.Head()
	first = w.deploy(w.Chain, v, salt, units)
	if w.Second == nil {
		return first, nil
	}
	if second = w.deploy(w.Second, v, salt, units); second.Address != first.Address {
		w.t.Fatalf("Safes at %s and %s", first.Address, second.Address)
	}
	return first, second
}

func (w *World) deploy(c *chaintest.Chain, v safe.Version, salt uint64, units int64) *safetest.Safe {
	w.t.Helper()
	s := safetest.Deploy(w.t, c, safetest.Options{Version: v, Salt: salt})
	c.Transfer(c.USDC(), s.Address.String(), big.NewInt(units))
	c.Send(s.Address.String(), big.NewInt(units), nil)
	c.Mine(1)
	return s
}
