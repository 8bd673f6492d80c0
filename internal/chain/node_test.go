package chain

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/asset"
	"quittance/internal/chain/chaintest"
	"quittance/internal/fault"
)

// transferTopic is keccak256 of Transfer(address,address,uint256), ERC-20.
const transferTopic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"

func addr(t *testing.T, text string) asset.Address {
	t.Helper()
	a, err := asset.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func selector(signature string, words ...[]byte) []byte {
	out := crypto.Keccak256([]byte(signature))[:4]
	for _, w := range words {
		out = append(out, make([]byte, 32-len(w))...)
		out = append(out, w...)
	}
	return out
}

// every asks a real node all there is to ask, over HTTP and in the process.
func every(t *testing.T, run func(t *testing.T, node *chaintest.Chain, c *Client)) {
	for _, how := range []string{"http", "in-process"} {
		t.Run(how, func(t *testing.T) {
			node := chaintest.New(t, chaintest.WithID(uint64(testChain)))
			e := Endpoint{URL: node.URL()}
			if how == "in-process" {
				e = Endpoint{Transport: node.Client()}
			}
			c, err := NewClient(Config{Chain: testChain, Endpoints: []Endpoint{e}, Log: quiet()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			run(t, node, c)
		})
	}
}

func TestAnswersOfARealNode(t *testing.T) {
	every(t, func(t *testing.T, node *chaintest.Chain, c *Client) {
		payer, other, usdc := addr(t, node.Address()), addr(t, node.Other.Address()), addr(t, node.USDC())
		tx := node.PayERC20([]byte{1, 2, 3, 4, 5, 6, 7, 8}, node.USDC(), node.Other.Address(), big.NewInt(100), nil, "")
		node.Mine(1)
		pending := node.Transfer(node.USDC(), node.Other.Address(), big.NewInt(1))
		ctx := t.Context()

		rs, err := c.Batch(ctx, []Call{
			ChainIDCall(), BalanceCall(payer, Latest), CodeCall(usdc, Latest), CodeCall(payer, Latest), GasPriceCall(),
			ContractCall(Msg{From: payer, To: usdc, Data: selector("balanceOf(address)", other[:])}, Latest),
			ContractCall(Msg{From: payer, To: usdc, Data: selector("transfer(address,uint256)", other[:], big.NewInt(1e18).Bytes())}, Latest),
			EstimateGasCall(Msg{From: payer, To: other, Value: big.NewInt(1)}),
			HeaderCall(Latest), HeaderCall(AtBlock(99)), HeaderCall(Finalized),
			LogsCall(Filter{Addresses: []asset.Address{usdc}, Topics0: []string{transferTopic}}, 0, 2),
			ReceiptCall(tx), ReceiptCall(pending), TransactionCall(tx), TransactionCall(pending), TransactionCall(digest("no such")),
		})
		if err != nil {
			t.Fatal(err)
		}
		if id, err := rs[0].Uint(); err != nil || id != uint64(testChain) {
			t.Errorf("chain id %d, %v", id, err)
		}
		if wei, err := rs[1].Big(); err != nil || wei.Cmp(node.Balance("", node.Address())) != 0 {
			t.Errorf("balance %v, %v", wei, err)
		}
		if code, err := rs[2].Bytes(); err != nil || len(code) < 100 {
			t.Errorf("%d bytes of code, %v", len(code), err)
		}
		if code, err := rs[3].Bytes(); err != nil || len(code) != 0 {
			t.Errorf("an account has %d bytes of code, %v", len(code), err)
		}
		if price, err := rs[4].Big(); err != nil || price.Sign() <= 0 {
			t.Errorf("gas price %v, %v", price, err)
		}
		if word, err := rs[5].Bytes(); err != nil || new(big.Int).SetBytes(word).Cmp(node.Balance(node.USDC(), node.Other.Address())) != 0 {
			t.Errorf("token balance %x, %v", word, err)
		}
		if _, err := rs[6].Bytes(); err == nil {
			t.Error("a transfer of more than there is did not revert")
		} else if e, ok := AsRPC(err); !ok {
			t.Errorf("revert %v is not the node's refusal", err)
		} else if _, reverted := e.Reverted(); !reverted {
			t.Errorf("%v is not seen as a revert", e)
		}
		if gas, err := rs[7].Uint(); err != nil || gas != 21000 {
			t.Errorf("gas %d, %v", gas, err)
		}
		head, err := rs[8].Header()
		if err != nil || head.Number != 2 || head.Hash != node.HeadHash() || head.BaseFee == nil || head.Time.IsZero() {
			t.Errorf("head %+v, %v", head, err)
		}
		if h, err := rs[9].Header(); h != nil || err != nil {
			t.Errorf("a block that is not there: %v, %v", h, err)
		}
		if h, err := rs[10].Header(); err != nil || h == nil || h.Number != 0 {
			t.Errorf("finalized block %v, %v", h, err)
		}
		logs, err := rs[11].Logs()
		if err != nil || len(logs) != 1 || logs[0].Tx != tx || logs[0].Block.Hash != head.Hash || logs[0].Address != usdc ||
			len(logs[0].Topics) != 3 || new(big.Int).SetBytes(logs[0].Data).Int64() != 100 {
			t.Errorf("logs %+v, %v", logs, err)
		}
		receipt, err := rs[12].Receipt()
		if err != nil || !receipt.Succeeded || receipt.Tx != tx || receipt.From != payer ||
			receipt.To != addr(t, node.ERC20FeeProxy()) || receipt.Block.Hash != head.Hash || len(receipt.Logs) != 2 || receipt.GasUsed == 0 {
			t.Errorf("receipt %+v, %v", receipt, err)
		}
		if r, err := rs[13].Receipt(); r != nil || err != nil {
			t.Errorf("receipt of a pending transaction: %v, %v", r, err)
		}
		mined, err := rs[14].Transaction()
		if err != nil || mined.Hash != tx || mined.Block == nil || mined.Block.Number != 2 || mined.Value.Sign() != 0 || len(mined.Data) < 4 {
			t.Errorf("transaction %+v, %v", mined, err)
		}
		if x, err := rs[15].Transaction(); err != nil || x == nil || x.Block != nil || x.From != payer || x.To != usdc || x.Nonce != 2 {
			t.Errorf("pending transaction %+v, %v", x, err)
		}
		if x, err := rs[16].Transaction(); x != nil || err != nil {
			t.Errorf("unknown transaction: %v, %v", x, err)
		}
		if _, err := Ask(ctx, c, Call{Method: "eth_noSuchMethod", Params: []any{}}, Result.Uint); err == nil {
			t.Error("a method nobody has was answered")
		} else if e, ok := AsRPC(err); !ok || !e.Unsupported() {
			t.Errorf("error %v, want one that says it is unsupported", err)
		}
	})
}

func TestSimulationOnARealNode(t *testing.T) {
	every(t, func(t *testing.T, node *chaintest.Chain, c *Client) {
		payer, other, usdc := addr(t, node.Address()), addr(t, node.Other.Address()), addr(t, node.USDC())
		out, err := Ask(t.Context(), c, SimulateCall([]Msg{
			{From: payer, To: other, Value: big.NewInt(7)},
			{From: payer, To: usdc, Data: selector("transfer(address,uint256)", other[:], []byte{9})},
			{From: payer, To: usdc, Data: selector("transfer(address,uint256)", other[:], big.NewInt(1e18).Bytes())},
		}, Latest), Result.Simulated)
		if err != nil || len(out) != 3 {
			t.Fatalf("%+v, %v", out, err)
		}
		for i, want := range []struct {
			token  asset.Address
			amount int64
		}{{TransferTracer, 7}, {usdc, 9}} {
			s := out[i]
			if !s.Succeeded || s.Err != nil || s.GasUsed < 21000 || len(s.Logs) != 1 || s.Logs[0].Address != want.token ||
				s.Logs[0].Topics[0] != transferTopic || new(big.Int).SetBytes(s.Logs[0].Data).Int64() != want.amount {
				t.Errorf("call %d: %+v", i, s)
			}
		}
		if s := out[2]; s.Succeeded || s.Err == nil || len(s.Logs) != 0 {
			t.Errorf("a transfer of more than there is: %+v", s)
		}
	})
}

func TestScanningARealChain(t *testing.T) {
	every(t, func(t *testing.T, node *chaintest.Chain, c *Client) {
		fees := addr(t, node.ERC20FeeProxy())
		sink := newMemory(t)
		s, err := NewScanner(ScannerConfig{
			Client: c, Sink: sink, Filter: func() Filter { return Filter{Addresses: []asset.Address{fees}} },
			Finality: Finality{Tag: true}, StartBlock: 1, Log: quiet(),
		})
		if err != nil {
			t.Fatal(err)
		}
		look := func() {
			t.Helper()
			for again := true; again; {
				if again, err = s.look(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		want := func(n, final int) {
			t.Helper()
			if got := len(sink.keys()); got != n || sink.finals() != final {
				t.Fatalf("%d payments, %d final; want %d and %d", got, sink.finals(), n, final)
			}
		}
		pay := func(n byte) {
			node.PayERC20([]byte{n, 2, 3, 4, 5, 6, 7, 8}, node.USDC(), node.Other.Address(), big.NewInt(int64(n)), nil, "")
		}
		pay(1)
		pay(2)
		node.Mine(1)
		look()
		want(2, 0)
		node.Mine(2)
		look()
		node.Reorg(3)
		look()
		want(0, 0)
		pay(3)
		node.Mine(1)
		look()
		want(1, 0)
		node.Finalize()
		look()
		want(1, 1)
		pay(4)
		node.Mine(3)
		look()
		want(2, 1)
	})
}

func TestAStalledEndpointCostsItsDeadlineAndNoMore(t *testing.T) {
	node := chaintest.New(t, chaintest.WithID(uint64(testChain)))
	c := clientOf(t, func(cfg *Config) { cfg.Timeout = 50 * time.Millisecond }, node.URL())
	release := node.Stall()
	begun := time.Now()
	if _, err := c.Batch(t.Context(), three); !fault.Is(err, fault.Unavailable) {
		t.Errorf("error %v, want Unavailable", err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	release()
	c = clientOf(t, nil, node.URL())
	node.FailMethod("eth_gasPrice", -32603, "internal error")
	rs, err := c.Batch(t.Context(), three)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rs[1].Big(); err == nil {
		t.Error("the node's refusal of one call was lost")
	}
	node.Behave()
	node.Lie("eth_gasPrice", func([]json.RawMessage, json.RawMessage) any { return "0x" + hex.EncodeToString(make([]byte, 33)) })
	if v, err := Ask(t.Context(), c, GasPriceCall(), Result.Big); err == nil {
		t.Errorf("a price of 264 bits is accepted: %v", v)
	}
}

func TestDecodersRefuseWhatWasNotAskedFor(t *testing.T) {
	ok := func(_ any, err error) error { return err }
	h := digest("h")
	for name, c := range map[string]struct {
		raw    string
		decode func(Result) error
	}{
		"a number for a quantity":    {`5`, func(r Result) error { return ok(r.Big()) }},
		"no prefix":                  {`"5"`, func(r Result) error { return ok(r.Uint()) }},
		"no digits":                  {`"0x"`, func(r Result) error { return ok(r.Uint()) }},
		"a sign":                     {`"0x-5"`, func(r Result) error { return ok(r.Big()) }},
		"an underscore":              {`"0x1_0"`, func(r Result) error { return ok(r.Big()) }},
		"65 bits":                    {`"0x10000000000000000"`, func(r Result) error { return ok(r.Uint()) }},
		"257 bits":                   {`"0x1` + h[2:] + `"`, func(r Result) error { return ok(r.Big()) }},
		"null for a quantity":        {`null`, func(r Result) error { return ok(r.Big()) }},
		"null for bytes":             {`null`, func(r Result) error { return ok(r.Bytes()) }},
		"odd digits":                 {`"0x123"`, func(r Result) error { return ok(r.Bytes()) }},
		"not hexadecimal":            {`"0xzz"`, func(r Result) error { return ok(r.Bytes()) }},
		"a list for a header":        {`[]`, func(r Result) error { return ok(r.Header()) }},
		"an empty header":            {`{}`, func(r Result) error { return ok(r.Header()) }},
		"an empty receipt":           {`{}`, func(r Result) error { return ok(r.Receipt()) }},
		"an empty transaction":       {`{}`, func(r Result) error { return ok(r.Transaction()) }},
		"no simulated block":         {`[]`, func(r Result) error { return ok(r.Simulated()) }},
		"two simulated blocks":       {`[{"calls":[]},{"calls":[]}]`, func(r Result) error { return ok(r.Simulated()) }},
		"a simulation without state": {`[{"calls":[{"returnData":"0x","gasUsed":"0x1"}]}]`, func(r Result) error { return ok(r.Simulated()) }},
		"an address with a wrong checksum": {`[{"address":"0xFb6916095ca1df60bB79Ce92cE3Ea74c37c5d359","topics":[],"data":"0x","blockNumber":"0x1","blockHash":"` + h +
			`","transactionHash":"` + h + `","transactionIndex":"0x0","logIndex":"0x0"}]`, func(r Result) error { return ok(r.Logs()) }},
	} {
		if err := c.decode(Result{Raw: json.RawMessage(c.raw)}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	both := Result{Raw: json.RawMessage(`[{"calls":[{"status":"0x1","returnData":"0x","gasUsed":"0x1","error":{"code":-32015,"message":"reverted"}}]}]`)}
	if out, err := both.Simulated(); err != nil || out[0].Succeeded || out[0].Err == nil {
		t.Errorf("success and error at once: %+v, %v", out, err)
	}
}

func TestRefusalsAreToldApart(t *testing.T) {
	for _, c := range []struct {
		e                 RPCError
		limited, too, uns bool
	}{
		{RPCError{Code: 429, Message: "Your app has exceeded its compute units per second capacity"}, true, false, false},
		{RPCError{Code: -32005, Message: "daily request count exceeded, request rate limited"}, true, false, false},
		{RPCError{Code: -32005, Message: "query returned more than 10000 results"}, false, true, false},
		{RPCError{Code: -32602, Message: "requested too many blocks from 1 to 9999, maximum is set to 2048"}, false, true, false},
		{RPCError{Code: -32601, Message: "the method eth_simulateV1 does not exist/is not available"}, false, false, true},
		{RPCError{Code: -32000, Message: "header not found"}, false, false, false},
	} {
		if got := []bool{c.e.limited(), c.e.tooMuch(), c.e.Unsupported()}; !slices.Equal(got, []bool{c.limited, c.too, c.uns}) {
			t.Errorf("%v: limited, too much, unsupported are %v", fmt.Sprint(c.e.Code, " ", c.e.Message), got)
		}
	}
}
