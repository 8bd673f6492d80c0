//go:build !nosandbox

package sandbox_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain"
	"quittance/internal/sandbox"
	"quittance/internal/sandbox/contracts"
	"quittance/internal/userop"
)

// What the payer signs to pay without gas: an operation's hash, and a permit.
func TestTheWalletSigns(t *testing.T) {
	s := start(t, sandbox.Options{BlockPeriod: sandbox.MineOnTransaction})
	c := s.Chain("base")
	server := httptest.NewServer(c.Wallet)
	t.Cleanup(server.Close)
	page := walletPage{t, server.URL, []string{"Origin", server.URL}}
	payer, _ := s.Payer()
	signer := func(reply walletReply, digest []byte) string {
		t.Helper()
		var signature hexutil.Bytes
		if reply.Error != nil || json.Unmarshal(reply.Result, &signature) != nil || len(signature) != 65 || signature[64] < 27 {
			t.Fatalf("signed: %+v %s", reply.Error, reply.Result)
		}
		signature[64] -= 27
		key, err := crypto.SigToPub(digest, signature)
		if err != nil {
			t.Fatal(err)
		}
		return crypto.PubkeyToAddress(*key).Hex()
	}
	hash := keccak([]byte("operation"))
	if got := signer(page.call("personal_sign", hexutil.Encode(hash), payer), keccak(append([]byte("\x19Ethereum Signed Message:\n32"), hash...))); got != payer {
		t.Errorf("the hash is signed by %s", got)
	}
	if got := signer(page.call("personal_sign", "text", payer), keccak([]byte("\x19Ethereum Signed Message:\n4text"))); got != payer {
		t.Errorf("the text is signed by %s", got)
	}

	rpc := httptest.NewServer(c.RPC)
	t.Cleanup(rpc.Close)
	id := asset.ChainID(c.ChainID)
	node, err := chain.NewClient(chain.Config{Chain: id, Endpoints: []chain.Endpoint{{URL: rpc.URL}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(node.Close)
	owner, token := asset.Address(common.HexToAddress(payer)), asset.Address(contracts.Address(contracts.USDC))
	terms, err := userop.ReadPermit(t.Context(), node, id, token, owner)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Hour).Unix()
	permit := userop.Permit{Owner: owner, Spender: asset.Address{9}, Value: big.NewInt(5), Deadline: big.NewInt(deadline)}
	typed := permitData(t, c, payer, permit.Spender.String(), deadline)
	digest := terms.Digest(permit)
	for _, form := range []any{json.RawMessage(typed), typed} {
		if got := signer(page.call("eth_signTypedData_v4", payer, form), digest[:]); got != payer {
			t.Errorf("the permit is signed by %s", got)
		}
	}
	for what, call := range map[string]struct {
		method string
		params []any
		code   int
	}{
		"another's message":  {"personal_sign", []any{"0x01", payee}, 4100},
		"no account":         {"personal_sign", []any{"0x01"}, -32602},
		"another's permit":   {"eth_signTypedData_v4", []any{payee, typed}, 4100},
		"another chain":      {"eth_signTypedData_v4", []any{payer, strings.Replace(typed, fmt.Sprint(c.ChainID), "1", 1)}, 4901},
		"no typed data":      {"eth_signTypedData_v4", []any{payer, "{"}, -32602},
		"a type that is not": {"eth_signTypedData_v4", []any{payer, strings.Replace(typed, `"primaryType":"Permit"`, `"primaryType":"Other"`, 1)}, -32602},
		"nothing":            {"eth_signTypedData_v4", nil, -32602},
	} {
		if r := page.call(call.method, call.params...); r.Error == nil || r.Error.Code != call.code {
			t.Errorf("%s: %+v %s, want the code %d", what, r.Error, r.Result, call.code)
		}
	}
}

// permitData is a permit of 5 base units of USDC as a page asks for it.
func permitData(t *testing.T, c *sandbox.Chain, owner, spender string, deadline int64) string {
	t.Helper()
	read := func(method string) string {
		var out hexutil.Bytes
		ask(t, c, &out, "eth_call", map[string]any{"to": c.Tokens["USDC"].Address, "data": hexutil.Bytes(keccak([]byte(method + "()"))[:4])}, "latest")
		n := new(big.Int).SetBytes(out[32:64]).Int64()
		return string(out[64 : 64+n])
	}
	return fmt.Sprintf(`{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],`+
		`"Permit":[{"name":"owner","type":"address"},{"name":"spender","type":"address"},{"name":"value","type":"uint256"},{"name":"nonce","type":"uint256"},{"name":"deadline","type":"uint256"}]},`+
		`"primaryType":"Permit","domain":{"name":%q,"version":%q,"chainId":%d,"verifyingContract":%q},`+
		`"message":{"owner":%q,"spender":%q,"value":"5","nonce":"0","deadline":"%d"}}`,
		read("name"), read("version"), c.ChainID, c.Tokens["USDC"].Address, owner, spender, deadline)
}
