package contracts_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/chain/chaintest"
	"quittance/internal/sandbox/contracts"
)

// official is a contract of the npm package @requestnetwork/smart-contracts, as official.mjs took it.
type official struct {
	abi      abi.ABI
	creation []byte
}

func readOfficial(t testing.TB) map[string]official {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "official.json"))
	if err != nil {
		t.Fatal(err)
	}
	var in struct {
		Contracts map[string]struct {
			ABI      json.RawMessage
			Creation hexutil.Bytes
		}
	}
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	out := map[string]official{}
	for name, c := range in.Contracts {
		parsed, err := abi.JSON(bytes.NewReader(c.ABI))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = official{parsed, c.Creation}
	}
	return out
}

// world is one chain with one set of contracts, the official ones or ours.
type world struct {
	*chaintest.Chain
	t                  testing.TB
	erc20, eth, batch  string
	names              map[string]string // lower-case address without 0x to the part it plays
	falseToken, longTk string
	refuser, spender   string
	reentrant          string
	roster             []string // whose balances are compared
}

// Hand-assembled code for the parts no ordinary contract would play.
var (
	returnsFalse = common.FromHex("60006000526020" + "6000f3") // answers one zero word
	returnsLong  = common.FromHex("60406000f3")                // answers two words
	alwaysRevert = common.FromHex("60006000fd")
	storesOne    = common.FromHex("600160005500") // needs more than 2300 gas
)

// reenters calls back whoever pays it, with the given input and no value, and fails if that fails. It
// takes calls without value, such as the inner call's refund, in silence: without a guard all succeeds.
func reenters(input []byte) []byte {
	words := (len(input) + 31) / 32
	end := 6 + 37*words + 14 + 9                                      // where the JUMPDEST is
	code := []byte{0x34, 0x15, 0x61, byte(end >> 8), byte(end), 0x57} // CALLVALUE ISZERO PUSH2 end JUMPI
	for i := 0; i < len(input); i += 32 {
		code = append(code, 0x7f) // PUSH32
		code = append(code, common.RightPadBytes(input[i:min(i+32, len(input))], 32)...)
		code = append(code, 0x61, byte(i>>8), byte(i), 0x52) // PUSH2 i MSTORE
	}
	// CALL(gas, caller, 0, 0, len(input), 0, 0); jump over the revert if it succeeded
	code = append(code, 0x60, 0, 0x60, 0, 0x61, byte(len(input)>>8), byte(len(input)), 0x60, 0, 0x60, 0, 0x33, 0x5a, 0xf1)
	return append(code, 0x61, byte(end>>8), byte(end), 0x57, 0x60, 0, 0x60, 0, 0xfd, 0x5b, 0x00)
}

const (
	payee = "0x1111111111111111111111111111111111111111"
	feeTo = "0x2222222222222222222222222222222222222222"
	third = "0x3333333333333333333333333333333333333333"
	empty = "0x4444444444444444444444444444444444444444"
)

var reference = []byte{1, 2, 3, 4, 5, 6, 7, 8}

func newWorld(t testing.TB, theirs map[string]official) *world {
	t.Helper()
	w := &world{
		t: t, falseToken: "0x00000000000000000000000000000000000fa15e", longTk: "0x0000000000000000000000000000000000010266",
		refuser: "0x0000000000000000000000000000000000002ef5", spender: "0x0000000000000000000000000000000000005704",
		reentrant: "0x00000000000000000000000000000000000ee272",
	}
	again := contracts.Call(contracts.EthereumFeeProxy, "transferWithReferenceAndFee",
		common.HexToAddress(third), reference, new(big.Int), common.HexToAddress(feeTo))
	w.Chain = chaintest.New(t,
		chaintest.WithCode(w.falseToken, returnsFalse, nil), chaintest.WithCode(w.longTk, returnsLong, nil),
		chaintest.WithCode(w.refuser, alwaysRevert, nil), chaintest.WithCode(w.spender, storesOne, nil),
		chaintest.WithCode(w.reentrant, reenters(again), nil))
	w.erc20, w.eth, w.batch = w.ERC20FeeProxy(), w.EthFeeProxy(), w.BatchPayments()
	if theirs != nil {
		var deployed [3]string
		w.erc20, deployed[0] = w.Deploy(theirs["ERC20FeeProxy"].creation)
		w.eth, deployed[1] = w.Deploy(theirs["EthereumFeeProxy"].creation)
		batch := theirs["BatchConversionPayments"]
		args, err := batch.abi.Pack("", common.HexToAddress(w.erc20), common.HexToAddress(w.eth),
			common.Address{}, common.Address{}, common.Address{}, common.HexToAddress(w.Address()))
		if err != nil {
			t.Fatal(err)
		}
		w.batch, deployed[2] = w.Deploy(append(bytes.Clone(batch.creation), args...))
		w.Mine(1)
		for _, tx := range deployed {
			if r := w.Receipt(tx); r == nil || r.Status != 1 {
				t.Fatalf("deploying the official contracts: %+v", r)
			}
		}
	}
	w.names = map[string]string{}
	for addr, part := range map[string]string{w.erc20: "erc20FeeProxy", w.eth: "ethFeeProxy", w.batch: "batchPayments"} {
		w.names[strings.ToLower(addr[2:])] = part
	}
	w.roster = []string{w.Address(), payee, feeTo, third, w.refuser, w.spender, w.reentrant, w.erc20, w.eth, w.batch}
	return w
}

// part replaces the addresses that differ between two worlds by the parts they play.
func (w *world) part(hex string) string {
	hex = strings.ToLower(hex)
	for addr, name := range w.names {
		hex = strings.ReplaceAll(hex, addr, "<"+name+">")
	}
	return hex
}

// effect is all that a transaction does as seen from outside, gas excepted.
type effect struct {
	Status   uint64
	Revert   string // revert data of the same call asked beforehand; "none" if it would succeed
	Logs     []string
	Balances []string // change of every account and asset that changed, gas returned to the payer
}

func (w *world) run(to string, value *big.Int, data []byte) effect {
	w.t.Helper()
	before := w.balances()
	out := effect{Revert: w.try(to, value, data)}
	tx := w.Send(to, value, data)
	w.Mine(1)
	r := w.Receipt(tx)
	if r == nil {
		w.t.Fatalf("no receipt of %s", tx)
	}
	out.Status = r.Status
	for _, l := range r.Logs {
		entry := w.part(l.Address.Hex()[2:])
		for _, topic := range l.Topics {
			entry += " " + w.part(hex.EncodeToString(topic[:]))
		}
		out.Logs = append(out.Logs, entry+" | "+w.part(hex.EncodeToString(l.Data)))
	}
	after := w.balances()
	paid := new(big.Int).Mul(r.EffectiveGasPrice, new(big.Int).SetUint64(r.GasUsed))
	after[0].Add(after[0], paid) // entry 0 is the payer's native balance
	for i := range after {
		if change := new(big.Int).Sub(after[i], before[i]); change.Sign() != 0 {
			out.Balances = append(out.Balances, fmt.Sprintf("%d: %v", i, change))
		}
	}
	return out
}

// balances are in the order of assets, then of the roster.
func (w *world) balances() []*big.Int {
	w.t.Helper()
	var out []*big.Int
	for _, token := range []string{"", w.USDC(), w.USDT()} {
		for _, account := range w.roster {
			out = append(out, w.Balance(token, account))
		}
	}
	return out
}

func (w *world) try(to string, value *big.Int, data []byte) (revert string) {
	w.t.Helper()
	if value == nil {
		value = new(big.Int)
	}
	var out hexutil.Bytes
	err := w.Client().Call(&out, "eth_call", map[string]any{
		"from": w.Address(), "to": to, "value": (*hexutil.Big)(value), "data": hexutil.Bytes(data),
	}, "latest")
	if err == nil {
		return "none"
	}
	var detailed rpc.DataError
	if !errors.As(err, &detailed) {
		w.t.Fatalf("calling %s: %v", to, err)
	}
	if detailed.ErrorData() == nil {
		return "empty: " + err.Error()
	}
	return fmt.Sprint(detailed.ErrorData())
}

// compare runs a scenario in both worlds. wantStatus guards against two worlds that agree only
// because both refuse.
func compare(t *testing.T, wantStatus uint64, scenario func(w *world) effect) {
	t.Helper()
	theirs, ours := scenario(newWorld(t, readOfficial(t))), scenario(newWorld(t, nil))
	if !reflect.DeepEqual(theirs, ours) {
		t.Errorf("official: %s\nsandbox:  %s", show(t, theirs), show(t, ours))
	}
	if theirs.Status != wantStatus || (theirs.Revert == "none") != (wantStatus == 1) {
		t.Errorf("the official contract ends with status %d, revert %s; the scenario expects %d", theirs.Status, theirs.Revert, wantStatus)
	}
	if wantStatus == 1 && (len(theirs.Logs) == 0 || len(theirs.Balances) == 0) {
		t.Errorf("a payment without logs or balance changes: %s", show(t, theirs))
	}
}

func show(t *testing.T, e effect) string {
	t.Helper()
	text, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestInterfacesAreOfficial(t *testing.T) {
	theirs := readOfficial(t)
	for ours, name := range map[string]string{
		contracts.ERC20FeeProxy: "ERC20FeeProxy", contracts.EthereumFeeProxy: "EthereumFeeProxy",
		contracts.BatchPayments: "BatchConversionPayments",
	} {
		mine, official := contracts.Get(ours).ABI, theirs[name].abi
		for _, m := range mine.Methods {
			o, ok := official.Methods[m.Name]
			if !ok || !bytes.Equal(o.ID, m.ID) || o.StateMutability != m.StateMutability || len(o.Outputs) != len(m.Outputs) {
				t.Errorf("%s: %v, officially %v", name, m, o)
				continue
			}
			for i := range o.Outputs {
				if o.Outputs[i].Type.String() != m.Outputs[i].Type.String() {
					t.Errorf("%s.%s returns %v, officially %v", name, m.Name, m.Outputs[i].Type, o.Outputs[i].Type)
				}
			}
		}
		for _, e := range mine.Events {
			o, ok := official.Events[e.Name]
			if !ok || o.ID != e.ID || len(o.Inputs) != len(e.Inputs) {
				t.Errorf("%s: event %v, officially %v", name, e, o)
				continue
			}
			for i := range o.Inputs {
				if o.Inputs[i].Indexed != e.Inputs[i].Indexed {
					t.Errorf("%s.%s: input %d is indexed differently", name, e.Name, i)
				}
			}
		}
		if mine.HasReceive() != official.HasReceive() || mine.HasFallback() != official.HasFallback() {
			t.Errorf("%s: receive or fallback differs", name)
		}
		// The proxies are complete; of the batch contract only a part is played.
		if ours != contracts.BatchPayments && (len(mine.Methods) != len(official.Methods) || len(mine.Events) != len(official.Events)) {
			t.Errorf("%s: %d methods and %d events, officially %d and %d", name,
				len(mine.Methods), len(mine.Events), len(official.Methods), len(official.Events))
		}
	}
}
