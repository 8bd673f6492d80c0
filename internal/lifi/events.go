package lifi

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"time"

	"quittance/internal/asset"
)

// TopicRecovery is LiFiTransferRecovered(bytes32,address,address,uint256,uint256)
// of LI.FI's receivers: the money arrived, the payment's call failed, and the
// fallback address has it. Source: ILiFi, lifinance/contracts @ef00558.
const TopicRecovery = "0x1fbfa988fd46deed0de12c94c7b5dcb537d51b804246d0083f245f7a8997d170"

// Recovery is what the event says.
type Recovery struct {
	TransactionID [32]byte // of the Message
	Token, To     asset.Address
	Amount        *big.Int // base units
	At            time.Time
}

// DecodeRecovery reads the event's topics and data. It does not look at the
// emitter, which must be a pinned receiver: anyone can emit such an event.
func DecodeRecovery(topics []string, data []byte) (Recovery, error) {
	if len(topics) != 2 || !strings.EqualFold(topics[0], TopicRecovery) {
		return Recovery{}, fmt.Errorf("event with %d topics is no recovery", len(topics))
	}
	id, err := hex.DecodeString(strings.TrimPrefix(topics[1], "0x"))
	if err != nil || len(id) != word {
		return Recovery{}, fmt.Errorf("transaction id %q of a recovery: not 32 bytes", clean(topics[1]))
	}
	f := newFrame(data, 4)
	r := Recovery{TransactionID: [32]byte(id), Token: f.address("token"), To: f.address("receiver"), Amount: f.uint(256, "amount")}
	at := f.small(40, "timestamp") // a year that has four digits
	if err := f.end(); err != nil {
		return Recovery{}, fmt.Errorf("recovery: %w", err)
	}
	r.At = time.Unix(int64(at), 0).UTC()
	return r, nil
}
