package lifi_test

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"quittance/internal/lifi"
)

func TestRecoveriesAreRead(t *testing.T) {
	if want := fmt.Sprintf("0x%x", crypto.Keccak256([]byte("LiFiTransferRecovered(bytes32,address,address,uint256,uint256)"))); lifi.TopicRecovery != want {
		t.Errorf("topic %s, the signature's is %s", lifi.TopicRecovery, want)
	}
	id := "0x" + strings.Repeat("d3", 32)
	data := append(append(make([]byte, 12), payer[:]...), append(make([]byte, 12), fallback[:]...)...)
	data = append(data, big.NewInt(100546005).FillBytes(make([]byte, 32))...)
	data = append(data, big.NewInt(now.Unix()).FillBytes(make([]byte, 32))...)
	r, err := lifi.DecodeRecovery([]string{lifi.TopicRecovery, id}, data)
	if err != nil || fmt.Sprintf("0x%x", r.TransactionID) != id || r.Token != payer || r.To != fallback || r.Amount.Int64() != 100546005 || !r.At.Equal(now) || r.At.Location() != time.UTC {
		t.Errorf("%+v, %v", r, err)
	}
	for name, c := range map[string]struct {
		topics []string
		data   []byte
	}{
		"other event":  {[]string{id, id}, data},
		"no id":        {[]string{lifi.TopicRecovery}, data},
		"bad id":       {[]string{lifi.TopicRecovery, "0x12"}, data},
		"short":        {[]string{lifi.TopicRecovery, id}, data[:96]},
		"long":         {[]string{lifi.TopicRecovery, id}, append(data[:128:128], 0)},
		"dirty":        {[]string{lifi.TopicRecovery, id}, append([]byte{1}, data[1:]...)},
		"far too late": {[]string{lifi.TopicRecovery, id}, append(data[:96:96], []byte(strings.Repeat("\xff", 32))...)},
	} {
		if r, err := lifi.DecodeRecovery(c.topics, c.data); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
