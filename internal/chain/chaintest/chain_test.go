package chaintest_test

import (
	"context"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/chain/chaintest"
	"quittance/internal/sandbox/contracts"
)

const (
	payee = "0x1111111111111111111111111111111111111111"
	feeTo = "0x2222222222222222222222222222222222222222"
)

var ref = []byte{1, 2, 3, 4, 5, 6, 7, 8}

func dial(t *testing.T, c *chaintest.Chain) *rpc.Client {
	t.Helper()
	client, err := rpc.Dial(c.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func same(t *testing.T, what string, got, want *big.Int) {
	t.Helper()
	if got.Cmp(want) != 0 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestPaysTokensAndCoins(t *testing.T) {
	c := chaintest.New(t)
	for _, token := range []string{c.USDC(), c.USDT()} {
		first := c.PayERC20(ref, token, payee, big.NewInt(100), big.NewInt(7), feeTo)
		second := c.PayERC20(ref, token, payee, big.NewInt(50), nil, "")
		c.Mine(1)
		for _, tx := range []string{first, second} {
			r := c.Receipt(tx)
			if r == nil || r.Status != 1 {
				t.Fatalf("receipt of %s: %+v", tx, r)
			}
			log := r.Logs[len(r.Logs)-1]
			if log.Address != common.HexToAddress(c.ERC20FeeProxy()) || log.Topics[1] != crypto.Keccak256Hash(ref) {
				t.Errorf("the last log is not the proxy's with the reference: %+v", log)
			}
		}
		same(t, "payee", c.Balance(token, payee), big.NewInt(150))
		same(t, "fee", c.Balance(token, feeTo), big.NewInt(7))
		same(t, "allowance left", c.Allowance(token, c.Address(), c.ERC20FeeProxy()), new(big.Int))
	}
	c.Other.PayETH(ref, payee, big.NewInt(1000), big.NewInt(10), feeTo)
	c.Other.Transfer(c.USDC(), payee, big.NewInt(5))
	c.Mine(1)
	same(t, "payee's coins", c.Balance("", payee), big.NewInt(1000))
	same(t, "fee's coins", c.Balance("", feeTo), big.NewInt(10))
	same(t, "plain transfer", c.Balance(c.USDC(), payee), big.NewInt(155))
}

// A node digests transactions in the background: one that was just submitted could miss the block.
func TestWhatIsSentIsInTheNextBlock(t *testing.T) {
	c := chaintest.New(t)
	client := ethclient.NewClient(dial(t, c))
	key, err := crypto.HexToECDSA(strings.TrimPrefix(c.PrivateKey(), "0x"))
	if err != nil {
		t.Fatal(err)
	}
	id, to := new(big.Int).SetUint64(c.ID()), common.HexToAddress(payee)
	for nonce := uint64(0); nonce < 60; nonce += 3 {
		var sent []string
		for i := range uint64(2) {
			tx, err := types.SignNewTx(key, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
				ChainID: id, Nonce: nonce + i, To: &to, Gas: 21000, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(1e10),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := client.SendTransaction(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
			sent = append(sent, tx.Hash().Hex())
		}
		sent = append(sent, c.Transfer(c.USDC(), payee, big.NewInt(1)))
		c.Mine(1)
		for i, hash := range sent {
			if c.Receipt(hash) == nil {
				t.Fatalf("transaction %d sent before block %d is not in it", i, c.Head())
			}
		}
	}
}

func TestReorgDropsWhatHappened(t *testing.T) {
	c := chaintest.New(t)
	c.Mine(3)
	tx := c.PayERC20(ref, c.USDC(), payee, big.NewInt(100), nil, "")
	head := c.Mine(2)
	hash := c.HeadHash()
	logs := func() int {
		found, err := ethclient.NewClient(c.Client()).FilterLogs(t.Context(), ethereum.FilterQuery{
			Addresses: []common.Address{common.HexToAddress(c.ERC20FeeProxy())},
			Topics:    [][]common.Hash{nil, {crypto.Keccak256Hash(ref)}},
			FromBlock: big.NewInt(1),
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	if n := logs(); n != 1 {
		t.Errorf("%d logs with the reference before the reorg", n)
	}
	c.Transfer(c.USDC(), payee, big.NewInt(1)) // pending, dropped too
	c.Reorg(2)
	if n := logs(); n != 0 {
		t.Errorf("%d logs with the reference after the reorg", n)
	}
	if c.Head() != head || c.HeadHash() == hash {
		t.Errorf("head %d %s, want another block %d than %s", c.Head(), c.HeadHash(), head, hash)
	}
	c.Mine(2)
	if r := c.Receipt(tx); r != nil {
		t.Errorf("the dropped payment came back: %+v", r)
	}
	same(t, "payee", c.Balance(c.USDC(), payee), new(big.Int))

	again := c.PayERC20(ref, c.USDC(), payee, big.NewInt(100), nil, "")
	c.Mine(1)
	if r := c.Receipt(again); r == nil || r.Status != 1 {
		t.Fatalf("the wallet cannot pay after a reorg: %+v", r)
	}
	same(t, "payee", c.Balance(c.USDC(), payee), big.NewInt(100))
}

func TestFinalityAndClock(t *testing.T) {
	c := chaintest.New(t)
	tagged := func(tag string) (number, at string) {
		var b struct{ Number, Timestamp string }
		if err := c.Client().Call(&b, "eth_getBlockByNumber", tag, false); err != nil {
			t.Fatal(err)
		}
		return b.Number, b.Timestamp
	}
	if n, _ := tagged("finalized"); n != "0x0" {
		t.Errorf("finalized at the start: %s", n)
	}
	at := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	c.SetClock(func() time.Time { return at })
	c.Mine(2)
	if n, _ := tagged("finalized"); n != "0x0" {
		t.Errorf("finalized without Finalize: %s", n)
	}
	c.Finalize()
	n, got := tagged("finalized")
	if want := "0x" + big.NewInt(at.Unix()+1).Text(16); n != "0x3" || got != want {
		t.Errorf("finalized block %s at %s, want 0x3 at %s", n, got, want)
	}
}

func TestMisbehavesOnCommand(t *testing.T) {
	c := chaintest.New(t)
	client := dial(t, c)
	patience := 50 * time.Millisecond
	number := func() (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		var out string
		return out, client.CallContext(ctx, &out, "eth_blockNumber")
	}
	release := c.Stall()
	if _, err := number(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stalled: %v", err)
	}
	patience = time.Minute
	release()
	release()
	if _, err := number(); err != nil {
		t.Errorf("released: %v", err)
	}
	c.Fail(http.StatusTooManyRequests)
	var status rpc.HTTPError
	if _, err := number(); !errors.As(err, &status) || status.StatusCode != http.StatusTooManyRequests {
		t.Errorf("failing: %v", err)
	}
	c.Behave()
	c.FailMethod("eth_blockNumber", -32005, "limit exceeded")
	var coded rpc.Error
	if _, err := number(); !errors.As(err, &coded) || coded.ErrorCode() != -32005 {
		t.Errorf("failing method: %v", err)
	}
	c.Behave()
	c.Lie("eth_blockNumber", func(params []json.RawMessage, honest json.RawMessage) any {
		if string(honest) != `"0x1"` || len(params) != 0 {
			t.Errorf("honest answer %s to %s", honest, params)
		}
		return "0xffff"
	})
	var out string
	if err := client.Call(&out, "eth_blockNumber"); err != nil || out != "0xffff" {
		t.Errorf("lying: %q %v", out, err)
	}
	c.Behave()
	if err := client.Call(&out, "eth_blockNumber"); err != nil || out != "0x1" {
		t.Errorf("behaving: %q %v", out, err)
	}
}

func TestServesBatchesAndCounts(t *testing.T) {
	c := chaintest.New(t, chaintest.WithID(7))
	client := dial(t, c)
	var id, number string
	var none *struct{}
	batch := []rpc.BatchElem{
		{Method: "eth_chainId", Result: &id},
		{Method: "eth_blockNumber", Result: &number},
		{Method: "eth_getTransactionReceipt", Args: []any{common.Hash{1}}, Result: &none},
		{Method: "admin_nodeInfo", Result: &none},
	}
	if err := client.BatchCall(batch); err != nil {
		t.Fatal(err)
	}
	if id != "0x7" || number != "0x1" || none != nil || batch[2].Error != nil {
		t.Errorf("answers %q %q %v %v", id, number, none, batch[2].Error)
	}
	if err := batch[3].Error; err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("admin call: %v", err)
	}
	if c.Requests() != 1 || c.Calls("eth_chainId") != 1 || c.Calls("eth_getLogs") != 0 {
		t.Errorf("counted %d requests, %d eth_chainId", c.Requests(), c.Calls("eth_chainId"))
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		chaintest.New(b)
	}
}

func TestBridgesWhatAnotherChainPutIn(t *testing.T) {
	from, to := chaintest.New(t, chaintest.WithID(900042161)), chaintest.New(t)
	from.Mine(1) // what comes next is as new as its deadlines
	to.Mine(1)
	word := func(hex string) (w [32]byte) { copy(w[12:], common.FromHex(hex)); return w }
	pool := contracts.Address(contracts.SpokePool).Hex()
	from.Approve(from.USDT(), pool, big.NewInt(100))
	now := uint32(time.Now().Unix())
	tx := from.Send(pool, nil, contracts.Call(contracts.SpokePool, "deposit", word(from.Address()), word(payee), word(from.USDT()), word(to.USDT()),
		big.NewInt(100), big.NewInt(99), new(big.Int).SetUint64(to.ID()), [32]byte{}, now, now+3600, uint32(0), []byte{}))
	from.Mine(1)
	arrival := to.Bridge(from, tx, false)
	to.Mine(1)
	if r := to.Receipt(arrival); r.Status != 1 || to.Balance(to.USDT(), payee).Cmp(big.NewInt(99)) != 0 {
		t.Errorf("delivered with status %d, the payee has %v", r.Status, to.Balance(to.USDT(), payee))
	}
	if held := from.Balance(from.USDT(), pool); held.Cmp(big.NewInt(100)) != 0 {
		t.Errorf("the bridge holds %v", held)
	}
}
