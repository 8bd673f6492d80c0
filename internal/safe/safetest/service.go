package safetest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/safe"
)

// Agreement is an owner's confirmation as the service keeps it.
type Agreement struct {
	Owner     asset.Address
	Signature []byte // none for an approval on chain
}

// Entry is what the service knows of a transaction.
type Entry struct {
	Chain      asset.ChainID
	Safe       asset.Address
	Tx         safe.Tx
	Agreements []Agreement
	Required   int
	ExecutedBy official.Hash // zero until executed
	Successful bool
}

// Behaviour is how the service answers. The zero value is honest and quick.
type Behaviour struct {
	Delay      time.Duration
	Status     int    // answered instead, with Body
	Body       string // with Status 200 in place of an answer
	RetryAfter string
	Redirect   string // answered instead, with 302
	Cut        bool   // the connection breaks in the middle of an answer
	// Lie changes an answer before it is sent.
	Lie func(answer map[string]any)
}

// Service plays the Transaction Service of one chain, in both versions of its
// endpoint. It is safe for concurrent use.
type Service struct {
	mu      sync.Mutex
	entries map[string]Entry
	b       Behaviour
	asked   int
	keys    []string
}

// NewService returns a service that knows nothing.
func NewService() *Service { return &Service{entries: map[string]Entry{}} }

// Serve answers on this machine until the test ends, and returns where.
func (s *Service) Serve(t testing.TB) (url string) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Put has the service know a transaction, and returns its hash.
func (s *Service) Put(e Entry) (official.Hash, error) {
	hash, err := e.Tx.Hash(e.Chain, e.Safe)
	if err != nil {
		return official.Hash{}, fmt.Errorf("safetest: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries[hash.String()] = e
	return hash, nil
}

// Behave changes how the service answers from now on.
func (s *Service) Behave(b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = b
}

// Asked returns how many requests there were.
func (s *Service) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// Keys returns what the Authorization headers said, one for each request.
func (s *Service) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.keys...)
}

// ServeHTTP answers a request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	s.keys = append(s.keys, r.Header.Get("Authorization"))
	b := s.b
	version, hash := endpoint(r.URL.Path)
	e, known := s.entries[hash]
	s.mu.Unlock()
	if b.Delay > 0 {
		select {
		case <-time.After(b.Delay):
		case <-r.Context().Done():
			return
		}
	}
	if b.RetryAfter != "" {
		w.Header().Set("Retry-After", b.RetryAfter)
	}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case b.Redirect != "":
		http.Redirect(w, r, b.Redirect, http.StatusFound)
	case b.Status != 0:
		w.WriteHeader(b.Status)
		_, _ = w.Write([]byte(b.Body))
	case r.Method != http.MethodGet || version == "":
		http.NotFound(w, r) // a page, as for any address that is none
	case !known:
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"detail":"No MultisigTransaction matches the given query."}`))
	default:
		s.answer(w, e, version, b)
	}
}

// endpoint takes .../api/v2/multisig-transactions/{hash}/ apart.
func endpoint(path string) (version, hash string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) < 3 || parts[len(parts)-2] != "multisig-transactions" {
		return "", ""
	}
	if v := parts[len(parts)-3]; v == "v1" || v == "v2" {
		return v, parts[len(parts)-1]
	}
	return "", ""
}

func (s *Service) answer(w http.ResponseWriter, e Entry, version string, b Behaviour) {
	body := Answer(e, version)
	if b.Lie != nil {
		b.Lie(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if b.Cut {
		w.Header().Set("Content-Length", fmt.Sprint(len(text)))
		text = text[:len(text)/2]
	}
	_, _ = w.Write(text)
}

// Answer is what an honest service says of a transaction. The first version has
// numbers where the second has strings.
func Answer(e Entry, version string) map[string]any {
	hash, _ := e.Tx.Hash(e.Chain, e.Safe) // Put has seen that there is one
	number := func(v fmt.Stringer) any {
		if version == "v1" {
			return json.Number(v.String())
		}
		return v.String()
	}
	a := map[string]any{
		"safe": e.Safe.String(), "to": e.Tx.To.String(), "value": orZero(e.Tx.Value).String(), "data": nil,
		"operation": int(e.Tx.Operation), "gasToken": e.Tx.GasToken.String(), "safeTxGas": number(orZero(e.Tx.SafeTxGas)),
		"baseGas": number(orZero(e.Tx.BaseGas)), "gasPrice": orZero(e.Tx.GasPrice).String(), "refundReceiver": e.Tx.RefundReceiver.String(),
		"nonce": fmt.Sprint(e.Tx.Nonce), "safeTxHash": hash.String(), "submissionDate": "2026-03-01T12:00:00.123456Z",
		"executionDate": nil, "transactionHash": nil, "isExecuted": false, "isSuccessful": nil, "blockNumber": nil,
		"confirmationsRequired": e.Required, "trusted": true, "origin": "{}", "dataDecoded": nil, "signatures": nil,
	}
	if version == "v1" {
		a["nonce"] = e.Tx.Nonce
	}
	if len(e.Tx.Data) > 0 {
		a["data"] = "0x" + hex.EncodeToString(e.Tx.Data)
	}
	if !e.ExecutedBy.IsZero() {
		a["isExecuted"], a["isSuccessful"], a["transactionHash"] = true, e.Successful, e.ExecutedBy.String()
		a["executionDate"], a["blockNumber"] = "2026-03-01T12:05:00Z", 123
	}
	confirmations := []any{}
	for _, c := range e.Agreements {
		kind, signature := "EOA", any("0x"+hex.EncodeToString(c.Signature))
		if c.Signature == nil {
			kind, signature = "APPROVED_HASH", nil
		}
		confirmations = append(confirmations, map[string]any{
			"owner": c.Owner.String(), "submissionDate": "2026-03-01T12:01:00Z", "transactionHash": nil, "signature": signature, "signatureType": kind,
		})
	}
	a["confirmations"] = confirmations
	return a
}
