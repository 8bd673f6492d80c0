package devchain

import (
	"net/http"
	"strings"
)

const (
	maxBody   = 1 << 20 // bytes of a request: a contract deployment fits, little more
	maxBatch  = 100     // calls in one batch
	maxAnswer = 10 << 20
)

// version answers web3_clientVersion, which wallets ask for.
type version string

// ClientVersion returns the name of the node software.
func (v version) ClientVersion() string { return string(v) }

// Handler serves JSON-RPC by POST, batches included, and by WebSocket, to pages of every origin: the
// chain is public and holds nothing of value. Only the eth, net and web3 calls exist.
func (n *Node) Handler() http.Handler {
	ws := n.rpc.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		switch {
		case r.Method == http.MethodOptions:
			h.Set("Access-Control-Allow-Methods", "POST")
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodPost:
			n.rpc.ServeHTTP(w, r)
		case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
			ws.ServeHTTP(w, r)
		default:
			h.Set("Allow", "POST, OPTIONS")
			http.Error(w, "JSON-RPC is sent by POST", http.StatusMethodNotAllowed)
		}
	})
}
