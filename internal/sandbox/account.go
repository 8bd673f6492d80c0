//go:build !nosandbox

package sandbox

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"sync"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"

	"quittance/internal/sandbox/devchain"
)

// account signs and submits transactions of one key on one chain.
type account struct {
	key     *ecdsa.PrivateKey
	chainID *big.Int
	node    *devchain.Node
	client  *ethclient.Client

	mu sync.Mutex // from the choice of a nonce to the submission
}

type call struct {
	to    common.Address
	value *big.Int // nil is zero
	data  []byte
	gas   uint64 // zero is estimated
	// accessed are accounts whose first use is paid for beforehand (EIP-2930).
	accessed types.AccessList
}

func newAccount(key *ecdsa.PrivateKey, chainID uint64, node *devchain.Node) *account {
	return &account{
		key: key, chainID: new(big.Int).SetUint64(chainID), node: node, client: ethclient.NewClient(node.Client()),
	}
}

// send submits a call and returns its hash without waiting for a block. A call that would revert is
// refused with the node's own error, which carries the revert data.
func (a *account) send(ctx context.Context, c call) (common.Hash, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	from := address(a.key)
	if c.gas == 0 {
		estimate, err := a.client.EstimateGas(ctx, ethereum.CallMsg{From: from, To: &c.to, Value: c.value, Data: c.data})
		if err != nil {
			return common.Hash{}, err
		}
		c.gas = estimate + estimate/5 // state may change before the call is mined
	}
	head, err := a.client.HeaderByNumber(ctx, nil)
	if err != nil {
		return common.Hash{}, fmt.Errorf("base fee: %w", err)
	}
	tip := big.NewInt(1e6)
	limit := new(big.Int).Mul(head.BaseFee, big.NewInt(2))
	tx, err := types.SignNewTx(a.key, types.LatestSignerForChainID(a.chainID), &types.DynamicFeeTx{
		ChainID: a.chainID, Nonce: a.node.NextNonce(from), To: &c.to, Value: c.value, Data: c.data, Gas: c.gas, AccessList: c.accessed,
		GasTipCap: tip, GasFeeCap: limit.Add(limit, tip),
	})
	if err != nil {
		return common.Hash{}, fmt.Errorf("signing: %w", err)
	}
	if err := a.node.Submit(tx); err != nil {
		return common.Hash{}, err
	}
	return tx.Hash(), nil
}
