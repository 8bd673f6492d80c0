package deposittest

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/rpc"

	"quittance/internal/chain"
)

// Node is a node in the same process: it answers some questions at once, each with what
// becomes JSON.
type Node func(ctx context.Context, calls []chain.Call) ([]any, error)

var _ chain.Transport = Node(nil)

// BatchCallContext implements chain.Transport.
func (n Node) BatchCallContext(ctx context.Context, batch []rpc.BatchElem) error {
	calls := make([]chain.Call, len(batch))
	for i, b := range batch {
		calls[i] = chain.Call{Method: b.Method, Params: b.Args}
	}
	answers, err := n(ctx, calls)
	if err != nil {
		return err
	}
	for i, v := range answers {
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("deposittest: answer to %s: %w", calls[i].Method, err)
		}
		if err := json.Unmarshal(raw, batch[i].Result); err != nil {
			return fmt.Errorf("deposittest: answer to %s: %w", calls[i].Method, err)
		}
	}
	return nil
}
