package devchain

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/filters"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/rpc"
)

const (
	maxBody   = 1 << 20 // bytes of a request: a contract deployment fits, little more
	maxBatch  = 100     // calls in one batch
	maxAnswer = 10 << 20
)

// versionAPI answers web3_clientVersion, which wallets ask for.
type versionAPI string

// ClientVersion returns the name of the node software.
func (v versionAPI) ClientVersion() string { return string(v) }

// submitAPI answers eth_sendRawTransaction once the pool has digested the transaction. The node's own
// method answers sooner, and a block made right then could lack it.
type submitAPI struct{ eth *eth.Ethereum }

// SendRawTransaction adds a signed transaction to the pool and returns its hash.
func (a submitAPI) SendRawTransaction(_ context.Context, raw hexutil.Bytes) (common.Hash, error) {
	tx := new(types.Transaction)
	if err := tx.UnmarshalBinary(raw); err != nil {
		return common.Hash{}, err
	}
	if !tx.Protected() {
		return common.Hash{}, errors.New("only replay-protected (EIP-155) transactions allowed over RPC")
	}
	return tx.Hash(), submit(a.eth, tx)
}

func serve(stack *node.Node, backend *eth.Ethereum) (*rpc.Server, error) {
	s := rpc.NewServer()
	s.SetHTTPBodyLimit(maxBody)
	s.SetWebsocketReadLimit(maxBody)
	s.SetBatchLimits(maxBatch, maxAnswer)
	system := filters.NewFilterSystem(backend.APIBackend, filters.Config{})
	apis := append(backend.APIs(),
		rpc.API{Namespace: "eth", Service: filters.NewFilterAPI(system)},
		rpc.API{Namespace: "eth", Service: submitAPI{backend}}, // replaces the method of the same name above
		rpc.API{Namespace: "web3", Service: versionAPI(stack.Config().NodeName())})
	for _, api := range apis {
		// The rest (admin, debug, miner, txpool) can stop or rewind the node.
		if api.Authenticated || (api.Namespace != "eth" && api.Namespace != "net" && api.Namespace != "web3") {
			continue
		}
		if err := s.RegisterName(api.Namespace, api.Service); err != nil {
			return nil, fmt.Errorf("registering the %s calls: %w", api.Namespace, err)
		}
	}
	return s, nil
}

// Handler serves JSON-RPC by POST, batches included, and by WebSocket, to pages of every origin: the
// chain is public and holds nothing of value. Only the eth, net and web3 calls exist.
func (n *Node) Handler() http.Handler {
	ws := n.rpc.WebsocketHandler([]string{"*"})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.AwaitHead()
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
