//go:build !nosandbox

package sandbox_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/safe"
	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
)

type proposed struct {
	SafeTxHash, State, TxHash, Error string
	SafeTx                           json.RawMessage
	Confirmations                    []struct{ Owner, Signature string }
}

type multisig struct {
	Address, Error string
	Owners         []string
	Threshold      int
	Nonce          uint64
	Balances       map[string]string
	Transactions   []proposed
}

// safeApp asks the Safe app's server as its page does.
func safeApp(t *testing.T, s *sandbox.Chains, method, path string, body, out any) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(compact(t, body)))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	s.SafeHandler().ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
		t.Fatalf("%s %s: %v %s", method, path, err, w.Body)
	}
	return w.Code
}

type call struct {
	To    string `json:"to"`
	Value string `json:"value"`
	Data  string `json:"data"`
}

func transfer(to string, amount int64) call {
	return call{contracts.Address(contracts.USDC).Hex(), "0", hexutil.Encode(contracts.Call(contracts.USDC, "transfer", common.HexToAddress(to), big.NewInt(amount)))}
}

func propose(t *testing.T, s *sandbox.Chains, calls []call, safeTxGas int) proposed {
	t.Helper()
	var p proposed
	body := map[string]any{"calls": calls, "owner": 1, "safeTxGas": safeTxGas}
	if status := safeApp(t, s, http.MethodPost, "/base/transactions", body, &p); status != http.StatusOK {
		t.Fatalf("proposing: status %d %s", status, p.Error)
	}
	return p
}

func (p proposed) do(t *testing.T, s *sandbox.Chains, action string, body map[string]any) (proposed, int) {
	t.Helper()
	var out proposed
	status := safeApp(t, s, http.MethodPost, "/base/transactions/"+p.SafeTxHash+"/"+action, body, &out)
	return out, status
}

func (p proposed) must(t *testing.T, s *sandbox.Chains, action string, body map[string]any) proposed {
	t.Helper()
	out, status := p.do(t, s, action, body)
	if status != http.StatusOK {
		t.Fatalf("%s: status %d %s", action, status, out.Error)
	}
	return out
}

func (p proposed) ends(t *testing.T, s *sandbox.Chains, state string) proposed {
	t.Helper()
	var out proposed
	if safeApp(t, s, http.MethodGet, "/base/transactions/"+strings.ToUpper(p.SafeTxHash[2:]), nil, &out) != http.StatusNotFound {
		t.Error("a hash without its 0x is found")
	}
	if safeApp(t, s, http.MethodGet, "/base/transactions/"+p.SafeTxHash, nil, &out); out.State != state {
		t.Fatalf("the transaction is %s: want %s", out.State, state)
	}
	return out
}

func mined(t *testing.T, s *sandbox.Chains, p proposed) {
	t.Helper()
	if err := s.Chain("base").Mine(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if p.TxHash == "" {
		t.Error("an execution without its transaction's hash")
	}
}

func TestTheSafeIsTheSameOnBothChainsAndHoldsMoney(t *testing.T) {
	dir := t.TempDir()
	o := sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction}
	s := start(t, o)
	first := s.Safe()
	payer, _ := s.Payer()
	if len(first.Owners) != 3 || first.Owners[0] != payer || first.Threshold() != 2 {
		t.Errorf("the Safe has the owners %v and threshold %d", first.Owners, first.Threshold())
	}
	for _, network := range []string{"base", "arbitrum-one"} {
		var said multisig
		if status := safeApp(t, s, http.MethodGet, "/"+network, nil, &said); status != http.StatusOK {
			t.Fatalf("%s: status %d %s", network, status, said.Error)
		}
		if said.Address != first.Address || said.Balances["USDC"] != "10000000000" || said.Balances["USDT"] != "10000000000" || said.Balances["native"] != "10000000000000000000" {
			t.Errorf("%s: %+v", network, said)
		}
		// The contract itself must say the same.
		var owners hexutil.Bytes
		ask(t, s.Chain(network), &owners, "eth_call", map[string]any{"to": first.Address, "data": "0xa0e67e2b"}, "latest")
		for _, owner := range first.Owners {
			if !strings.Contains(owners.String(), strings.ToLower(owner[2:])) {
				t.Errorf("%s: %s is not an owner", network, owner)
			}
		}
		for _, kind := range []safe.Kind{safe.Singleton, safe.SingletonL2, safe.MultiSendCallOnly, safe.FallbackHandler} {
			id := asset.ChainID(s.Chain(network).ChainID)
			for _, c := range safe.At(id).Contracts(id, kind) {
				var code hexutil.Bytes
				ask(t, s.Chain(network), &code, "eth_getCode", c.Address.String(), "latest")
				if official.CodeHash(code) != c.CodeHash {
					t.Errorf("%s: %s %s at %s is not the pinned code", network, kind, c.Version, c.Address)
				}
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, o)
	if again.Safe().Address != first.Address {
		t.Errorf("the Safe moved from %s to %s", first.Address, again.Safe().Address)
	}
}

func TestASafesOwnersSignAndExecute(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	p := propose(t, s, []call{transfer(payee, 1_000_000), transfer(payee, 2_000_000), {To: payee, Value: "5"}}, 0)

	tx, err := safe.ParseTx(p.SafeTx)
	if err != nil {
		t.Fatal(err)
	}
	at, err := asset.ParseAddress(s.Safe().Address)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := tx.Hash(asset.SandboxBase, at)
	if err != nil || hash.String() != p.SafeTxHash || tx.Operation != safe.OpDelegateCall {
		t.Fatalf("%+v hashes to %s, not to %s (%v)", tx, hash, p.SafeTxHash, err)
	}
	if _, status := p.do(t, s, "execute", map[string]any{"owner": 1}); status != http.StatusConflict {
		t.Errorf("executed with one signature: status %d", status)
	}
	p = p.must(t, s, "sign", map[string]any{"owner": 3})
	if len(p.Confirmations) != 2 {
		t.Fatalf("%d confirmations", len(p.Confirmations))
	}
	for _, c := range p.Confirmations {
		signer, ok := safe.Signer(hash, common.FromHex(c.Signature))
		if !ok || !strings.EqualFold(signer.String(), c.Owner) {
			t.Errorf("the signature of %s is %s's", c.Owner, signer)
		}
	}
	mined(t, s, p.must(t, s, "execute", map[string]any{"owner": 2}))
	if end := p.ends(t, s, "executed"); end.TxHash == "" {
		t.Error("no hash of the transaction")
	}
	if got := balance(t, s.Chain("base"), s.Chain("base").Tokens["USDC"].Address, payee); got.Int64() != 3_000_000 {
		t.Errorf("paid %s", got)
	}
	if got := balance(t, s.Chain("base"), "", payee); got.Int64() != 5 {
		t.Errorf("paid %s wei", got)
	}
}

func TestASafesTransactionIsReplacedOrFails(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	unlucky := propose(t, s, []call{transfer(payee, 1)}, 0)
	rejection := unlucky.must(t, s, "reject", map[string]any{"owner": 2})
	later := propose(t, s, []call{transfer(payee, 1)}, 1)
	rejection.must(t, s, "sign", map[string]any{"owner": 1})
	mined(t, s, rejection.must(t, s, "execute", map[string]any{"owner": 1}))
	unlucky.ends(t, s, "replaced")
	rejection.ends(t, s, "executed")
	later.ends(t, s, "queued")

	later.must(t, s, "sign", map[string]any{"owner": 2})
	mined(t, s, later.must(t, s, "execute", map[string]any{"owner": 1, "fail": true}))
	later.ends(t, s, "failed")
	if got := balance(t, s.Chain("base"), s.Chain("base").Tokens["USDC"].Address, payee); got.Sign() != 0 {
		t.Errorf("paid %s", got)
	}

	plain := propose(t, s, []call{transfer(payee, 1)}, 0)
	plain.must(t, s, "sign", map[string]any{"owner": 2})
	if said, status := plain.do(t, s, "execute", map[string]any{"owner": 1, "fail": true}); status != http.StatusConflict {
		t.Errorf("a transaction without safeTxGas fails: %d %+v", status, said)
	}
	// With safeTxGas and enough gas for it, it is executed as any other.
	lucky := propose(t, s, []call{transfer(payee, 7)}, 1)
	mined(t, s, plain.must(t, s, "execute", map[string]any{"owner": 1}))
	lucky.must(t, s, "sign", map[string]any{"owner": 3})
	mined(t, s, lucky.must(t, s, "execute", map[string]any{"owner": 1}))
	lucky.ends(t, s, "executed")
	if got := balance(t, s.Chain("base"), s.Chain("base").Tokens["USDC"].Address, payee); got.Int64() != 8 {
		t.Errorf("paid %s", got)
	}
}

func TestTheSafeRefusesWhatIsNoProposal(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	p := propose(t, s, []call{transfer(payee, 1)}, 0)
	one := transfer(payee, 2)
	for name, c := range map[string]struct {
		path   string
		body   any
		status int
	}{
		"no calls":          {"/base/transactions", map[string]any{"owner": 1}, http.StatusConflict},
		"too many calls":    {"/base/transactions", map[string]any{"owner": 1, "calls": make([]call, 51)}, http.StatusConflict},
		"an unknown owner":  {"/base/transactions", map[string]any{"owner": 4, "calls": []call{one}}, http.StatusConflict},
		"no address":        {"/base/transactions", map[string]any{"owner": 1, "calls": []call{{To: "0x12"}}}, http.StatusConflict},
		"a negative value":  {"/base/transactions", map[string]any{"owner": 1, "calls": []call{{To: payee, Value: "-1"}}}, http.StatusConflict},
		"odd data":          {"/base/transactions", map[string]any{"owner": 1, "calls": []call{{To: payee, Data: "0x1"}}}, http.StatusConflict},
		"an unknown member": {"/base/transactions", map[string]any{"owner": 1, "call": one}, http.StatusConflict},
		"an unknown chain":  {"/optimism/transactions", map[string]any{"owner": 1, "calls": []call{one}}, http.StatusNotFound},
		"an unknown hash":   {"/base/transactions/0x" + strings.Repeat("0", 64) + "/sign", map[string]any{"owner": 1}, http.StatusNotFound},
		"an unknown action": {"/base/transactions/" + p.SafeTxHash + "/burn", map[string]any{"owner": 1}, http.StatusNotFound},
		"an unknown signer": {"/base/transactions/" + p.SafeTxHash + "/sign", map[string]any{"owner": 0}, http.StatusConflict},
	} {
		var said struct{ Error string }
		if status := safeApp(t, s, http.MethodPost, c.path, c.body, &said); status != c.status || said.Error == "" {
			t.Errorf("%s: status %d %q", name, status, said.Error)
		}
	}
	for header, value := range map[string]string{"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site", "Content-Type": "text/plain"} {
		body := fmt.Sprintf(`{"owner":2,"calls":[{"to":%q}]}`, payee)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/base/transactions", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set(header, value)
		w := httptest.NewRecorder()
		s.SafeHandler().ServeHTTP(w, r)
		if w.Code != http.StatusForbidden && w.Code != http.StatusConflict {
			t.Errorf("%s %s: status %d", header, value, w.Code)
		}
	}
	var said multisig
	if safeApp(t, s, http.MethodGet, "/base", nil, &said); len(said.Transactions) != 1 {
		t.Errorf("%d transactions are proposed", len(said.Transactions))
	}
}

// The keys of a demo from before there was a Safe are kept.
func TestOlderKeysGetPartners(t *testing.T) {
	dir := t.TempDir()
	key := func(b byte) string {
		k, err := crypto.ToECDSA(common.LeftPadBytes([]byte{b}, 32))
		if err != nil {
			t.Fatal(err)
		}
		return common.Bytes2Hex(crypto.FromECDSA(k))
	}
	writeFile(t, dir, "keys.json", fmt.Sprintf(`{"payer":%q,"treasury":%q}`, key(1), key(2)))
	o := sandbox.Options{DataDir: dir, BlockPeriod: sandbox.MineOnTransaction}
	s := start(t, o)
	if payer, _ := s.Payer(); payer != crypto.PubkeyToAddress(mustKey(t, key(1)).PublicKey).Hex() {
		t.Errorf("the payer is %s", payer)
	}
	owners := s.Safe().Owners
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := start(t, o).Safe().Owners; fmt.Sprint(again) != fmt.Sprint(owners) {
		t.Errorf("owners %v became %v", owners, again)
	}
}

func writeFile(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustKey(t *testing.T, text string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := crypto.HexToECDSA(text)
	if err != nil {
		t.Fatal(err)
	}
	return k
}
