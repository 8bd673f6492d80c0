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
		{contracts.Diamond, "startBridgeTokensViaAcrossV4", "0xa1f1ce43"},
		{contracts.Diamond, "swapAndStartBridgeTokensViaAcrossV4", "0x1794958f"},
		{contracts.Diamond, "swapTokensSingleV3ERC20ToERC20", "0x4666fc80"},
		{contracts.Diamond, "swapTokensMultipleV3ERC20ToERC20", "0x5fd9ae2e"},
		{contracts.FeeForwarder, "forwardERC20Fees", "0x332d746b"},
		{contracts.Exchange, "processRoute", "0x2646478b"},
		{contracts.SpokePool, "deposit", "0xad5425c6"},
		{contracts.SpokePool, "fillRelay", "0xdeff4b24"},
		{contracts.ReceiverAcross, "handleV3AcrossMessage", "0x3a5be8cb"},
		{contracts.Executor, "swapAndCompleteBridgeTokens", "0x4f91bc2b"},
	} {
		if got := hexutil.Encode(contracts.Get(tt.name).ABI.Methods[tt.method].ID); got != tt.selector {
			t.Errorf("%s.%s: %s, want %s", tt.name, tt.method, got, tt.selector)
		}
	}
	for _, tt := range []struct{ name, event, topic string }{
		{contracts.ERC20FeeProxy, "TransferWithReferenceAndFee", "0x9f16cbcc523c67a60c450e5ffe4f3b7b6dbe772e7abcadb2686ce029a9a0a2b6"},
		{contracts.Diamond, "LiFiTransferStarted", "0xcba69f43792f9f399347222505213b55af8e0b0b54b893085c2e27ecbe1644f1"},
		{contracts.Diamond, "LiFiGenericSwapCompleted", "0x38eee76fd911eabac79da7af16053e809be0e12c8637f156e77e1af309b99537"},
		{contracts.Diamond, "AssetSwapped", "0x7bfdfdb5e3a3776976e53cb0607060f54c5312701c8cba1155cc4d5394440b38"},
		{contracts.Executor, "AssetSwapped", "0x7bfdfdb5e3a3776976e53cb0607060f54c5312701c8cba1155cc4d5394440b38"},
		{contracts.Executor, "LiFiTransferCompleted", "0xb8c86983f929c6b770461983d1bbde1870408120f07123e9c12d49f35a0b4c4b"},
		{contracts.ReceiverAcross, "LiFiTransferRecovered", "0x1fbfa988fd46deed0de12c94c7b5dcb537d51b804246d0083f245f7a8997d170"},
		{contracts.SpokePool, "FundsDeposited", "0x32ed1a409ef04c7b0227189c3a103dc5ac10e775a15b785dcc510201f7c25ad3"},
		{contracts.SpokePool, "FilledRelay", "0x44b559f101f8fbcc8a0ea43fa91a05a729a5ea6e14a7c75aa750374690137208"},
	} {
		if got := contracts.Get(tt.name).ABI.Events[tt.event].ID.Hex(); got != tt.topic {
			t.Errorf("%s.%s: %s, want %s", tt.name, tt.event, got, tt.topic)
		}
	}
	if names := contracts.Names(); len(slices.Compact(slices.Sorted(slices.Values(names)))) != 13 {
		t.Errorf("names %v", names)
	}
}
