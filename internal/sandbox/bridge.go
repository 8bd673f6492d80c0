//go:build !nosandbox

package sandbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/lifi"
	"quittance/internal/sandbox/contracts"
)

// Outcome is how the bridge ends transfers.
type Outcome string

// The outcomes. Refund is also what becomes of a transfer that was not delivered before its deadline.
const (
	Deliver Outcome = "deliver"
	Stop    Outcome = "stop"   // never, until told otherwise
	Refund  Outcome = "refund" // the refund address gets the money back on the chain it came from
	// Fail delivers so that the call on arrival fails, and the fallback address has the money.
	Fail Outcome = "fail"
)

// Claim is what the service says of transfers whatever the truth is. The zero value is the truth.
type Claim struct {
	State    lifi.State
	Substate lifi.Substate
}

// BridgeBehaviour is how the bridge treats every transfer that has not ended.
type BridgeBehaviour struct {
	Delay   time.Duration // from when a deposit is seen
	Outcome Outcome       // Deliver if empty
	Says    Claim
}

// DefaultDelay lets a payer see that his money is under way.
const DefaultDelay = 3 * time.Second

// Bridge is Across between the sandbox's chains: a relayer who watches what goes into the SpokePools
// and delivers it on the other chain with the treasury's money, or gives it back. What it says of a
// transfer it reads from the chains.
type Bridge struct {
	chains []*Chain
	log    *slog.Logger
	stop   context.CancelFunc
	done   chan struct{}

	mu        sync.Mutex
	behaviour BridgeBehaviour
	transfers []*transfer // in the order they were seen
	byTx      map[common.Hash]*transfer
}

// bridgeTick is how often the bridge looks.
const bridgeTick = 100 * time.Millisecond

func startBridge(chains []*Chain, b BridgeBehaviour, log *slog.Logger) *Bridge {
	ctx, stop := context.WithCancel(context.Background())
	out := &Bridge{
		chains: chains, log: log, stop: stop, done: make(chan struct{}), behaviour: b, byTx: map[common.Hash]*transfer{},
	}
	go out.run(ctx)
	return out
}

// Behave changes how transfers go on from now on.
func (b *Bridge) Behave(how BridgeBehaviour) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.behaviour = how
}

func (b *Bridge) current() BridgeBehaviour {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.behaviour
}

// close stops the relayer and waits until it has.
func (b *Bridge) close() {
	b.stop()
	<-b.done
}

func (b *Bridge) run(ctx context.Context) {
	defer close(b.done)
	tick := time.NewTicker(bridgeTick)
	defer tick.Stop()
	scanned, started := map[*Chain]uint64{}, map[*Chain]uint64{}
	for _, c := range b.chains {
		started[c], _ = c.node.Head()
	}
	for {
		for _, c := range b.chains {
			if err := b.scan(ctx, c, scanned, started[c]); err != nil && ctx.Err() == nil {
				b.log.ErrorContext(ctx, "the sandbox bridge cannot read a chain", "chain", c.Network, "err", err)
			}
		}
		b.advanceAll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// scan takes up the deposits of blocks that were not looked at yet. A reorganisation here leaves empty
// blocks behind, so that nothing new can be in old ones.
func (b *Bridge) scan(ctx context.Context, c *Chain, scanned map[*Chain]uint64, started uint64) error {
	c.node.AwaitHead()
	head, _ := c.node.Head()
	if head <= scanned[c] {
		return nil
	}
	logs, err := c.client.FilterLogs(ctx, ethereum.FilterQuery{
		FromBlock: new(big.Int).SetUint64(scanned[c] + 1), ToBlock: new(big.Int).SetUint64(head),
		Addresses: []common.Address{contracts.Address(contracts.SpokePool)},
		Topics:    [][]common.Hash{{spokePoolEvent("FundsDeposited")}},
	})
	if err != nil {
		return err
	}
	for i := range logs {
		d, ok := contracts.ReadDeposit(c.ChainID, &logs[i])
		to := b.chain(d.Destination)
		if !ok || to == nil {
			continue // anybody may put money into a bridge that leads nowhere
		}
		t := &transfer{deposit: d, from: c, to: to, tx: logs[i].TxHash, seen: time.Now()}
		if logs[i].BlockNumber <= started {
			if err := t.recall(ctx); err != nil {
				return fmt.Errorf("what became of %s: %w", t.tx, err)
			}
		}
		b.mu.Lock()
		b.transfers, b.byTx[t.tx] = append(b.transfers, t), t
		b.mu.Unlock()
	}
	scanned[c] = head
	return nil
}

func (b *Bridge) chain(id uint64) *Chain {
	for _, c := range b.chains {
		if c.ChainID == id {
			return c
		}
	}
	return nil
}

func (b *Bridge) advanceAll(ctx context.Context) {
	b.mu.Lock()
	how, list := b.behaviour, append([]*transfer(nil), b.transfers...)
	b.mu.Unlock()
	for _, t := range list {
		next, err := t.advance(ctx, how, time.Now())
		if err != nil && ctx.Err() == nil {
			b.log.ErrorContext(ctx, "the sandbox bridge cannot go on with a transfer", "chain", t.from.Network, "tx", t.tx.Hex(), "err", err)
			next.seen = time.Now() // not again at once
		}
		b.mu.Lock()
		*t = next
		if t.stage == gone {
			b.forget(t)
		}
		b.mu.Unlock()
	}
}

// forget drops a transfer whose deposit a reorganisation took back.
func (b *Bridge) forget(t *transfer) {
	if b.byTx[t.tx] == t {
		delete(b.byTx, t.tx)
	}
	for i, other := range b.transfers {
		if other == t {
			b.transfers = append(b.transfers[:i], b.transfers[i+1:]...)
			return
		}
	}
}

// stage is where a transfer is, as far as the relayer has looked.
type stage string

const (
	waiting    stage = "waiting"
	delivering stage = "delivering" // sent, not in a block yet
	delivered  stage = "delivered"
	recovered  stage = "recovered" // delivered, but the call on arrival failed
	refunding  stage = "refunding"
	refunded   stage = "refunded"
	gone       stage = "gone"
)

// transfer is one deposit and what has been done about it. advance works on a copy; the bridge's mutex
// guards the fields once it is listed.
type transfer struct {
	deposit  contracts.Deposit
	from, to *Chain
	tx       common.Hash // put the money in
	seen     time.Time
	stage    stage       // waiting if empty
	end      common.Hash // delivers it or gives it back
	settled  bool        // the SpokePool has let the money go
}

// advance does what is due and returns what the transfer is then.
func (t transfer) advance(ctx context.Context, how BridgeBehaviour, now time.Time) (transfer, error) {
	switch t.stage {
	case "", waiting:
		if now.Before(t.seen.Add(how.Delay)) || how.Outcome == Stop {
			return t, nil
		}
		return t.act(ctx, how.Outcome, now)
	case delivering, refunding:
		return t.follow(ctx)
	case delivered, recovered:
		if !t.settled {
			return t.settle(ctx)
		}
	}
	return t, nil
}

// act sends the transaction that ends the transfer.
func (t transfer) act(ctx context.Context, o Outcome, now time.Time) (transfer, error) {
	if r, err := t.from.receipt(ctx, t.tx); err != nil {
		return t, err
	} else if r == nil {
		t.stage = gone
		return t, nil
	}
	if o == Refund || now.After(time.Unix(int64(t.deposit.FillDeadline), 0)) {
		hash, err := t.from.treasury.send(ctx, call{
			to: contracts.Address(contracts.SpokePool), data: contracts.Call(contracts.SpokePool, "refund", t.deposit.DepositId),
		})
		if err != nil {
			return t, fmt.Errorf("refund: %w", err)
		}
		t.stage, t.end = refunding, hash
		return t, nil
	}
	d := t.deposit
	if o == Fail && len(d.Message) > 0 {
		var err error
		if d, err = d.CutShort(); err != nil {
			return t, err
		}
	}
	hash, err := t.to.treasury.send(ctx, call{to: contracts.Address(contracts.SpokePool), data: d.Fill(), gas: fillGas})
	if err != nil {
		return t, fmt.Errorf("delivery: %w", err)
	}
	t.stage, t.end = delivering, hash
	return t, nil
}

// fillGas is far above what a delivery with a payment takes, about 350,000. It is not estimated: a call
// on arrival that fails does not fail the delivery, and the least gas could be too little for it.
const fillGas = 1_500_000

// follow looks whether the transaction that ends the transfer is in a block.
func (t transfer) follow(ctx context.Context) (transfer, error) {
	at := t.to
	if t.stage == refunding {
		at = t.from
	}
	r, err := at.receipt(ctx, t.end)
	switch {
	case err != nil:
		return t, err
	case r == nil && at.forgot(ctx, t.end), r != nil && r.Status == 0:
		hash := t.end
		t.stage, t.end = waiting, common.Hash{}
		if r != nil {
			return t, fmt.Errorf("transaction %s on %s was reverted", hash, at.Network)
		}
	case r == nil:
	case t.stage == refunding:
		t.stage, t.settled = refunded, true
	default:
		t.stage = delivered
		for _, l := range r.Logs {
			if l.Address == contracts.Address(contracts.ReceiverAcross) && strings.EqualFold(l.Topics[0].Hex(), lifi.TopicRecovery) {
				t.stage = recovered
			}
		}
	}
	return t, nil
}

// settle has the SpokePool repay the relayer once nothing can take the delivery back.
func (t transfer) settle(ctx context.Context) (transfer, error) {
	r, err := t.to.receipt(ctx, t.end)
	if err != nil {
		return t, err
	}
	if r == nil {
		t.stage, t.end = waiting, common.Hash{}
		return t, nil
	}
	final, err := t.to.client.HeaderByNumber(ctx, big.NewInt(int64(rpc.FinalizedBlockNumber)))
	if err != nil || final.Number.Cmp(r.BlockNumber) < 0 {
		return t, err
	}
	t.settled = true // if it is refused, the deposit was taken back, and the loss is the relayer's
	_, err = t.from.treasury.send(ctx, call{
		to: contracts.Address(contracts.SpokePool), data: contracts.Call(contracts.SpokePool, "repay", t.deposit.DepositId),
	})
	if err != nil {
		return t, fmt.Errorf("repayment: %w", err)
	}
	return t, nil
}

// recall looks up how a transfer of an earlier run went on.
func (t *transfer) recall(ctx context.Context) error {
	id := common.BigToHash(t.deposit.DepositId)
	fills, err := t.to.events(ctx, "FilledRelay", common.BigToHash(t.deposit.OriginChainId), id)
	if err != nil {
		return err
	}
	released, err := t.from.events(ctx, "DepositReleased", id)
	if err != nil {
		return err
	}
	t.settled = len(released) > 0
	switch {
	case len(fills) > 0:
		t.stage, t.end = delivering, fills[0].TxHash
	case t.settled:
		t.stage, t.end = refunding, released[0].TxHash
	}
	return nil
}

func spokePoolEvent(name string) common.Hash {
	return contracts.Get(contracts.SpokePool).ABI.Events[name].ID
}

// events are those of the chain's SpokePool with these topics.
func (c *Chain) events(ctx context.Context, name string, topics ...common.Hash) ([]types.Log, error) {
	q := ethereum.FilterQuery{
		FromBlock: big.NewInt(1), Addresses: []common.Address{contracts.Address(contracts.SpokePool)},
		Topics: [][]common.Hash{{spokePoolEvent(name)}},
	}
	for _, t := range topics {
		q.Topics = append(q.Topics, []common.Hash{t})
	}
	return c.client.FilterLogs(ctx, q)
}

// receipt returns nil for a transaction that is in no block.
func (c *Chain) receipt(ctx context.Context, hash common.Hash) (*types.Receipt, error) {
	var r *types.Receipt
	if err := c.node.Client().CallContext(ctx, &r, "eth_getTransactionReceipt", hash); err != nil {
		return nil, fmt.Errorf("receipt of %s: %w", hash, err)
	}
	return r, nil
}

// forgot reports whether the chain does not know a transaction any more, not even as pending.
func (c *Chain) forgot(ctx context.Context, hash common.Hash) bool {
	_, _, err := c.client.TransactionByHash(ctx, hash)
	return errors.Is(err, ethereum.NotFound)
}
