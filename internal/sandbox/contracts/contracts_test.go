package contracts_test

import (
	"math/big"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/chain/chaintest"
	"quittance/internal/sandbox/contracts"
)

func TestCodeIsWhereTheAddressesSay(t *testing.T) {
	c := chaintest.New(t)
	for _, name := range contracts.Names() {
		var code hexutil.Bytes
		if err := c.Client().Call(&code, "eth_getCode", contracts.Address(name), "latest"); err != nil {
			t.Fatal(err)
		}
		if hash := crypto.Keccak256Hash(code); len(code) == 0 || hash != contracts.Get(name).RuntimeHash {
			t.Errorf("%s: %d bytes with hash %s, the artifact has %s", name, len(code), hash, contracts.Get(name).RuntimeHash)
		}
	}
}

// Genesis puts code in place that no constructor has run for: deploying must give the same.
func TestDeployingGivesTheSameCode(t *testing.T) {
	c := chaintest.New(t)
	for _, name := range contracts.Names() {
		addr, tx := c.Deploy(contracts.Get(name).Creation)
		c.Mine(1)
		var code hexutil.Bytes
		if err := c.Client().Call(&code, "eth_getCode", addr, "latest"); err != nil {
			t.Fatal(err)
		}
		if r := c.Receipt(tx); r.Status != 1 || crypto.Keccak256Hash(code) != contracts.Get(name).RuntimeHash {
			t.Errorf("%s: status %d, other code", name, r.Status)
		}
	}
}

func TestBatchContractKnowsTheProxies(t *testing.T) {
	c := chaintest.New(t)
	for method, want := range map[string]any{
		"paymentErc20Proxy": contracts.Address(contracts.ERC20FeeProxy), "paymentNativeProxy": contracts.Address(contracts.EthereumFeeProxy),
		"owner": common.HexToAddress(c.Address()), "batchFee": uint16(0), "batchFeeAmountUSDLimit": uint64(0),
	} {
		if got := view(t, c, contracts.BatchPayments, method); got != want {
			t.Errorf("%s: %v, want %v", method, got, want)
		}
	}
	for _, data := range [][]byte{
		contracts.Call(contracts.BatchPayments, "setBatchFee", uint16(1)),
		contracts.Call(contracts.BatchPayments, "setBatchFeeAmountUSDLimit", uint64(1)),
	} {
		if ok, _, reason := act(t, c, c.Other, c.BatchPayments(), data); ok || reason != "execution reverted: Ownable: caller is not the owner" {
			t.Errorf("a stranger sets the fee: %v %s", ok, reason)
		}
	}
}

func TestMulticallAnswersManyQuestionsAtOnce(t *testing.T) {
	type call3 struct {
		Target       common.Address
		AllowFailure bool
		CallData     []byte
	}
	c := chaintest.New(t)
	payer := common.HexToAddress(c.Address())
	self := contracts.Address(contracts.Multicall3)
	calls := []call3{
		{contracts.Address(contracts.USDC), false, contracts.Call(contracts.USDC, "balanceOf", payer)},
		{self, false, contracts.Call(contracts.Multicall3, "getEthBalance", payer)},
		{self, false, contracts.Call(contracts.Multicall3, "getChainId")},
		{self, false, contracts.Call(contracts.Multicall3, "getBlockNumber")},
		{contracts.Address(contracts.USDC), true, contracts.Call(contracts.USDC, "transfer", payer, contracts.MaxUint256())},
	}
	ask := func() (out hexutil.Bytes, err error) {
		err = c.Client().Call(&out, "eth_call", map[string]any{
			"to": self, "data": hexutil.Bytes(contracts.Call(contracts.Multicall3, "aggregate3", calls)),
		}, "latest")
		return out, err
	}
	out, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	var results []struct {
		Success    bool
		ReturnData []byte
	}
	if err := contracts.Get(contracts.Multicall3).ABI.UnpackIntoInterface(&results, "aggregate3", out); err != nil {
		t.Fatal(err)
	}
	want := []*big.Int{
		c.Balance(c.USDC(), c.Address()), c.Balance("", c.Address()),
		big.NewInt(chaintest.DefaultID), new(big.Int).SetUint64(c.Head()),
	}
	for i, w := range want {
		if got := new(big.Int).SetBytes(results[i].ReturnData); !results[i].Success || got.Cmp(w) != 0 {
			t.Errorf("answer %d: %v, want %v", i, got, w)
		}
	}
	if results[4].Success {
		t.Error("a failed call counts as a success")
	}
	// Any address answers balanceOf with nothing if it has no code: a success without data.
	calls[4] = call3{common.HexToAddress(payee), false, []byte{1, 2, 3, 4}}
	if _, err := ask(); err != nil {
		t.Errorf("a call of an account: %v", err)
	}
	calls[4] = call3{contracts.Address(contracts.USDC), false, contracts.Call(contracts.USDC, "transfer", payer, contracts.MaxUint256())}
	if _, err := ask(); err == nil || err.Error() != "execution reverted: Multicall3: call failed" {
		t.Errorf("a failure that is not allowed: %v", err)
	}
}

func TestSelectorsAreThePublishedOnes(t *testing.T) {
	for _, tt := range []struct{ name, method, selector string }{
		{contracts.ERC20FeeProxy, "transferFromWithReferenceAndFee", "0xc219a14d"},
		{contracts.EthereumFeeProxy, "transferWithReferenceAndFee", "0xb868980b"},
		{contracts.BatchPayments, "batchPayments", "0x92cddb91"},
		{contracts.Multicall3, "aggregate3", "0x82ad56cb"},
		{contracts.USDC, "permit", "0xd505accf"},
		{contracts.USDC, "approve", "0x095ea7b3"},
		{contracts.USDT, "transfer", "0xa9059cbb"},
	} {
		if got := hexutil.Encode(contracts.Get(tt.name).ABI.Methods[tt.method].ID); got != tt.selector {
			t.Errorf("%s.%s: %s, want %s", tt.name, tt.method, got, tt.selector)
		}
	}
	if names := contracts.Names(); len(slices.Compact(slices.Sorted(slices.Values(names)))) != 6 {
		t.Errorf("names %v", names)
	}
}
