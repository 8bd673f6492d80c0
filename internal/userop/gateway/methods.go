package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/asset"
	"quittance/internal/official"
	"quittance/internal/siwe"
	"quittance/internal/userop"
	"quittance/internal/userop/artifacts"
)

// What the Gateway takes operations to need: ample for every kind's first one, and for a
// Safe's that goes over a bridge.
const (
	callGas         = 800_000
	verificationGas = 200_000
	deployGas       = 700_000
	preGas          = 60_000
	paymasterGas    = 100_000
	bundleGas       = 4_000_000
)

var (
	maxFee = big.NewInt(3e9)
	tip    = big.NewInt(1e9)
)

func (g *Gateway) answer(ctx context.Context, q request, b Behaviour) (any, error) {
	if needsChain := q.Method == "eth_sendUserOperation" || q.Method == "pm_getPaymasterData" || q.Method == "alchemy_requestGasAndPaymasterAndData"; needsChain && g.cfg.Client == nil {
		return nil, errors.New("there is no chain behind this gateway")
	}
	if b.forwards(q.Method) {
		return forward(ctx, b.Forward, q.Method, q.Params)
	}
	switch q.Method {
	case "eth_chainId":
		return hexutil.Uint64(g.cfg.Chain), nil
	case "eth_supportedEntryPoints":
		return []string{userop.EntryPoint.String()}, nil
	case "pimlico_getUserOperationGasPrice":
		fees := map[string]any{"maxFeePerGas": (*hexutil.Big)(maxFee), "maxPriorityFeePerGas": (*hexutil.Big)(tip)}
		return map[string]any{"slow": fees, "standard": fees, "fast": fees}, nil
	case "rundler_maxPriorityFeePerGas":
		return (*hexutil.Big)(tip), nil
	case "eth_getUserOperationReceipt", "eth_getUserOperationByHash":
		return g.find(ctx, q)
	case "alchemy_requestGasAndPaymasterAndData":
		return g.alchemy(ctx, q, b)
	case "eth_estimateUserOperationGas", "eth_sendUserOperation", "pm_getPaymasterStubData", "pm_getPaymasterData":
		o, err := g.op(q)
		if err != nil {
			return nil, err
		}
		switch q.Method {
		case "eth_estimateUserOperationGas":
			return gasOf(o, b), nil
		case "eth_sendUserOperation":
			return g.bundle(ctx, o, b)
		}
		return g.sponsor(ctx, q, o, b)
	}
	return nil, &Refusal{-32601, "the method " + q.Method + " does not exist/is not available"}
}

// op reads the operation and the EntryPoint, the first two parameters of most.
func (g *Gateway) op(q request) (userop.Op, error) {
	var point string
	if len(q.Params) < 2 || json.Unmarshal(q.Params[1], &point) != nil || !strings.EqualFold(point, userop.EntryPoint.String()) {
		return userop.Op{}, &Refusal{-32602, "unsupported entry point"}
	}
	o, err := userop.Parse(q.Params[0])
	if err != nil {
		return userop.Op{}, &Refusal{-32602, err.Error()}
	}
	return o, nil
}

func gasOf(o userop.Op, b Behaviour) map[string]any {
	gas := map[string]any{"callGasLimit": hexutil.Uint64(callGas), "verificationGasLimit": hexutil.Uint64(verificationGas), "preVerificationGas": hexutil.Uint64(preGas)}
	if b.CallGas != 0 {
		gas["callGasLimit"] = hexutil.Uint64(b.CallGas)
	}
	if !o.Factory.IsZero() {
		gas["verificationGasLimit"] = hexutil.Uint64(deployGas)
	}
	if !o.Paymaster.IsZero() {
		gas["paymasterVerificationGasLimit"] = hexutil.Uint64(paymasterGas)
	}
	return gas
}

// bundle has the EntryPoint try an operation, and sends it if it would be taken.
func (g *Gateway) bundle(ctx context.Context, o userop.Op, b Behaviour) (any, error) {
	g.send.Lock()
	defer g.send.Unlock()
	hash, err := o.Hash(g.cfg.Chain)
	if err != nil {
		return nil, &Refusal{-32602, err.Error()}
	}
	if err := g.free(ctx, hash, o, b); err != nil {
		return nil, err
	}
	p, err := o.Pack()
	if err != nil {
		return nil, &Refusal{-32602, err.Error()}
	}
	from := crypto.PubkeyToAddress(g.cfg.Bundler.PublicKey)
	data, err := userop.EncodeHandleOps([]userop.Packed{p}, asset.Address(from))
	if err != nil {
		return nil, &Refusal{-32602, err.Error()}
	}
	to := common.Address(userop.EntryPoint)
	if _, err := g.eth.CallContract(ctx, ethereum.CallMsg{From: from, To: &to, Data: data, Gas: bundleGas}, nil); err != nil {
		return nil, refusal(err)
	}
	e := &entry{op: o}
	if !b.Hold {
		if e.tx, err = g.sent(ctx, from, to, data); err != nil {
			return nil, err
		}
	}
	g.mu.Lock()
	g.known[hash] = e
	g.mu.Unlock()
	return hash.String(), nil
}

// free refuses an operation that is under way or done, and one whose sender has
// another under way: it would be tried against a state that is about to change. What
// a reorganisation has taken away is not under way.
func (g *Gateway) free(ctx context.Context, hash official.Hash, o userop.Op, b Behaviour) error {
	g.mu.Lock()
	same := g.known[hash]
	var others []common.Hash
	for _, e := range g.known {
		if e != same && e.op.Sender == o.Sender && e.tx != (common.Hash{}) {
			others = append(others, e.tx)
		}
	}
	g.mu.Unlock()
	already := &Refusal{-32602, "Already known"}
	if same != nil && same.tx == (common.Hash{}) && b.Hold {
		return already
	}
	if same != nil && same.tx != (common.Hash{}) {
		_, _, err := g.eth.TransactionByHash(ctx, same.tx)
		if err == nil {
			return already
		} else if !errors.Is(err, ethereum.NotFound) {
			return err
		}
	}
	for _, tx := range others {
		if _, pending, err := g.eth.TransactionByHash(ctx, tx); err == nil && pending {
			return &Refusal{-32602, "replacement underpriced: the sender has an operation under way"}
		}
	}
	return nil
}

// sent sends a bundle and returns its transaction without waiting for a block.
func (g *Gateway) sent(ctx context.Context, from, to common.Address, data []byte) (common.Hash, error) {
	nonce, err := g.eth.PendingNonceAt(ctx, from)
	if err != nil {
		return common.Hash{}, err
	}
	id := new(big.Int).SetUint64(uint64(g.cfg.Chain))
	tx, err := types.SignNewTx(g.cfg.Bundler, types.LatestSignerForChainID(id), &types.DynamicFeeTx{
		ChainID: id, Nonce: nonce, To: &to, Data: data, Gas: bundleGas, GasTipCap: tip, GasFeeCap: new(big.Int).Mul(maxFee, big.NewInt(4)),
	})
	if err != nil {
		return common.Hash{}, err
	}
	if err := g.eth.SendTransaction(ctx, tx); err != nil {
		return common.Hash{}, err
	}
	if g.cfg.Mine != nil {
		g.cfg.Mine()
	}
	return tx.Hash(), nil
}

// refusal reads the EntryPoint's FailedOp, as bundlers repeat it.
func refusal(err error) error {
	var data rpc.DataError
	parsed, missing := artifacts.Interface(artifacts.EntryPoint)
	if missing != nil || !errors.As(err, &data) {
		return err
	}
	raw, ok := data.ErrorData().(string)
	for _, name := range []string{"FailedOp", "FailedOpWithRevert"} {
		e := parsed.Errors[name]
		if !ok || !bytes.HasPrefix(common.FromHex(raw), e.ID[:4]) {
			continue
		}
		values, err := e.Inputs.Unpack(common.FromHex(raw)[4:])
		if err != nil || len(values) < 2 {
			continue
		}
		reason := fmt.Sprint(values[1])
		if strings.HasPrefix(reason, "AA3") {
			return &Refusal{-32501, reason}
		}
		return &Refusal{-32500, reason}
	}
	return err
}

func (g *Gateway) find(ctx context.Context, q request) (any, error) {
	var text string
	if len(q.Params) != 1 || json.Unmarshal(q.Params[0], &text) != nil {
		return nil, &Refusal{-32602, "not a hash"}
	}
	hash, err := official.ParseHash(text)
	if err != nil {
		return nil, &Refusal{-32602, err.Error()}
	}
	g.mu.Lock()
	e := g.known[hash]
	g.mu.Unlock()
	if e == nil {
		return nil, nil
	}
	receipt, err := g.receipt(ctx, e)
	if err != nil {
		return nil, err
	}
	switch {
	case q.Method == "eth_getUserOperationByHash":
		out := map[string]any{"userOperation": e.op, "entryPoint": userop.EntryPoint.String(), "transactionHash": nil}
		if receipt != nil {
			out["transactionHash"], out["blockNumber"], out["blockHash"] = receipt.TxHash, (*hexutil.Big)(receipt.BlockNumber), receipt.BlockHash
		}
		return out, nil
	case receipt == nil:
		return nil, nil
	}
	success := false
	for _, l := range receipt.Logs {
		if l.Topics[0].Hex() == userop.TopicOperation && l.Topics[1].Hex() == hash.String() {
			success = new(big.Int).SetBytes(l.Data[32:64]).Sign() != 0
		}
	}
	return map[string]any{"userOpHash": hash.String(), "success": success, "sender": e.op.Sender.String(), "receipt": receipt}, nil
}

// receipt is that of an operation's bundle, nil while it waits.
func (g *Gateway) receipt(ctx context.Context, e *entry) (*types.Receipt, error) {
	if e.tx == (common.Hash{}) {
		return nil, nil
	}
	r, err := g.eth.TransactionReceipt(ctx, e.tx)
	if errors.Is(err, ethereum.NotFound) {
		return nil, nil
	}
	return r, err
}

// sponsor answers as ERC-7677 wants it.
func (g *Gateway) sponsor(ctx context.Context, q request, o userop.Op, b Behaviour) (any, error) {
	var id hexutil.Uint64
	var policy struct {
		ID string `json:"policyId"`
	}
	if len(q.Params) != 4 || json.Unmarshal(q.Params[2], &id) != nil || uint64(id) != uint64(g.cfg.Chain) {
		return nil, &Refusal{-32602, "another chain"}
	}
	if json.Unmarshal(q.Params[3], &policy) != nil || policy.ID != Policy {
		return nil, &Refusal{-32602, "no such policy"}
	}
	if q.Method == "pm_getPaymasterStubData" && !b.Final {
		return map[string]any{
			"paymaster": g.cfg.Paymaster.String(), "paymasterData": hexutil.Bytes(append(make([]byte, 64), dummy...)),
			"paymasterVerificationGasLimit": hexutil.Uint64(paymasterGas), "paymasterPostOpGasLimit": hexutil.Uint64(0), "isFinal": false,
		}, nil
	}
	if b.Final {
		for _, f := range []**big.Int{&o.CallGasLimit, &o.VerificationGasLimit, &o.PreVerificationGas} {
			*f = new(big.Int) // such a paymaster does not sign what is estimated later
		}
	}
	o.Paymaster, o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit = g.cfg.Paymaster, big.NewInt(paymasterGas), new(big.Int)
	data, err := g.signed(ctx, o)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"paymaster": g.cfg.Paymaster.String(), "paymasterData": hexutil.Bytes(data),
		"paymasterVerificationGasLimit": hexutil.Uint64(paymasterGas), "paymasterPostOpGasLimit": hexutil.Uint64(0), "isFinal": b.Final,
	}, nil
}

// signed is the paymaster's data for an operation: for ever, with its signer's word
// over the hash that the paymaster itself computes.
func (g *Gateway) signed(ctx context.Context, o userop.Op) ([]byte, error) {
	o.PaymasterData = make([]byte, 64)
	p, err := o.Pack()
	if err != nil {
		return nil, &Refusal{-32602, err.Error()}
	}
	parsed, err := artifacts.Interface(artifacts.VerifyingPaymaster)
	if err != nil {
		return nil, err
	}
	data, err := parsed.Pack("getHash", artifacts.Tuple(p), new(big.Int), new(big.Int))
	if err != nil {
		return nil, err
	}
	to := common.Address(g.cfg.Paymaster)
	hash, err := g.eth.CallContract(ctx, ethereum.CallMsg{To: &to, Data: data}, nil)
	if err != nil {
		return nil, err
	}
	digest := siwe.MessageDigest(string(hash))
	signature, err := crypto.Sign(digest[:], g.cfg.Signer)
	if err != nil {
		return nil, err
	}
	signature[64] += 27
	return append(o.PaymasterData, signature...), nil
}

// alchemy estimates, prices and sponsors in one answer.
func (g *Gateway) alchemy(ctx context.Context, q request, b Behaviour) (any, error) {
	var in struct {
		Policy     string          `json:"policyId"`
		EntryPoint string          `json:"entryPoint"`
		Op         json.RawMessage `json:"userOperation"`
		Signature  hexutil.Bytes   `json:"dummySignature"`
	}
	if len(q.Params) != 1 || json.Unmarshal(q.Params[0], &in) != nil || !strings.EqualFold(in.EntryPoint, userop.EntryPoint.String()) {
		return nil, &Refusal{-32602, "invalid parameters"}
	}
	if in.Policy != Policy {
		return nil, &Refusal{-32602, "policy not found"}
	}
	o, err := userop.Parse(in.Op)
	if err != nil || len(in.Signature) == 0 {
		return nil, &Refusal{-32602, fmt.Sprint("invalid operation: ", err)}
	}
	gas := gasOf(o, b)
	number := func(name string) *big.Int {
		return new(big.Int).SetUint64(uint64(gas[name].(hexutil.Uint64)))
	}
	o.CallGasLimit, o.VerificationGasLimit, o.PreVerificationGas = number("callGasLimit"), number("verificationGasLimit"), number("preVerificationGas")
	o.MaxFeePerGas, o.MaxPriorityFeePerGas = maxFee, tip
	o.Paymaster, o.PaymasterVerificationGasLimit, o.PaymasterPostOpGasLimit = g.cfg.Paymaster, big.NewInt(paymasterGas), new(big.Int)
	if b.Forward != "" {
		o.PaymasterData, o.Signature = append(make([]byte, 64), dummy...), in.Signature
		if o, err = estimated(ctx, b.Forward, o); err != nil {
			return nil, err
		}
	}
	data, err := g.signed(ctx, o)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"callGasLimit": (*hexutil.Big)(o.CallGasLimit), "verificationGasLimit": (*hexutil.Big)(o.VerificationGasLimit), "preVerificationGas": (*hexutil.Big)(o.PreVerificationGas),
		"maxFeePerGas": (*hexutil.Big)(o.MaxFeePerGas), "maxPriorityFeePerGas": (*hexutil.Big)(o.MaxPriorityFeePerGas),
		"paymaster": g.cfg.Paymaster.String(), "paymasterData": hexutil.Bytes(data),
		"paymasterVerificationGasLimit": (*hexutil.Big)(o.PaymasterVerificationGasLimit), "paymasterPostOpGasLimit": (*hexutil.Big)(o.PaymasterPostOpGasLimit),
	}, nil
}

// dummy has the form of a signature and is nobody's.
var dummy = common.FromHex("0xfffffffffffffffffffffffffffffff0000000000000000000000000000000007aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1c")
