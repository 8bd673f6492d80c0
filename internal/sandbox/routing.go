//go:build !nosandbox

package sandbox

import (
	"fmt"
	"log/slog"
	"net/http"

	"quittance/internal/lifi"
	"quittance/internal/lifi/lifitest"
)

// Routing is LI.FI for the sandbox's chains: a router that quotes over HTTP, and the bridge that carries
// out what it quotes.
type Routing struct {
	URL    string // the router's base URL, on loopback
	Table  *lifi.Table
	Router *lifitest.Router
	Bridge *Bridge

	server *lifitest.Server
}

// RoutingOptions of StartRouting.
type RoutingOptions struct {
	Behaviour BridgeBehaviour
	Logger    *slog.Logger // gets what goes wrong in the background; nil drops it
}

// StartRouting starts router and bridge. Close the routing before the chains.
func (s *Chains) StartRouting(o RoutingOptions) (*Routing, error) {
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Routing{Table: lifi.Sandbox(), Bridge: startBridge(s.All(), o.Behaviour, log)}
	r.Router = lifitest.New(lifitest.Options{Table: r.Table, Status: r.Bridge.Status})
	server, err := lifitest.Serve(r.Router)
	if err != nil {
		r.Bridge.close()
		return nil, fmt.Errorf("sandbox router: %w", err)
	}
	r.server, r.URL = server, server.URL
	return r, nil
}

// Close stops both and waits until they have.
func (r *Routing) Close() error {
	err := r.server.Close()
	r.Bridge.close()
	return err
}

// RouterControl tells the router how to behave: see lifitest.Router.Control. Serve it only where
// whoever reaches it may play; the same holds for the other controls.
func (r *Routing) RouterControl() http.Handler {
	// It is asked under any path.
	control := r.Router.Control()
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req = req.Clone(req.Context())
		req.URL.Path = "/"
		control.ServeHTTP(w, req)
	})
}
