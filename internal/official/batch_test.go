package official_test

import (
	"encoding/json"
	"testing"

	"quittance/internal/asset"
	"quittance/internal/official"
)

// The official package's batches without a limit in US dollars are built byte
// for byte.
func TestBatchVectors(t *testing.T) {
	file := load[struct {
		Vectors []struct {
			Name    string
			TX      struct{ To, Value, Data string }
			Decoded struct {
				Selector string
				Args     []json.RawMessage
			}
		}
	}](t, "calldata-vectors.json")
	seen := 0
	for _, v := range file.Vectors {
		if v.Decoded.Selector != hexData(official.SelectorBatch[:]) {
			continue
		}
		seen++
		var p official.BatchPayment
		var fee string
		if err := json.Unmarshal(v.Decoded.Args[2], &fee); err != nil {
			t.Fatal(err)
		}
		p.FeeAddress = addr(t, fee)
		var metas [][2]json.RawMessage
		if err := json.Unmarshal(v.Decoded.Args[0], &metas); err != nil {
			t.Fatal(err)
		}
		for _, m := range metas {
			var id string
			var items [][7]json.RawMessage
			if err := json.Unmarshal(m[0], &id); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(m[1], &items); err != nil {
				t.Fatal(err)
			}
			for _, i := range items {
				text := func(raw json.RawMessage) (s string) {
					if err := json.Unmarshal(raw, &s); err != nil {
						t.Fatal(err)
					}
					return s
				}
				var path []string
				if err := json.Unmarshal(i[2], &path); err != nil {
					t.Fatal(err)
				}
				item := official.BatchItem{
					Payee: addr(t, text(i[0])), Amount: units(t, text(i[1])), Reference: ref(t, text(i[3])), Fee: units(t, text(i[4])),
				}
				if id == "2" {
					item.Token = addr(t, path[0])
				} else if addr(t, path[0]) != official.NativePath {
					t.Errorf("%s: native path %s", v.Name, path[0])
				}
				p.Items = append(p.Items, item)
			}
		}
		data, err := p.Encode()
		if err != nil || hexData(data) != v.TX.Data {
			t.Errorf("%s: got %s %v, want %s", v.Name, hexData(data), err, v.TX.Data)
		}
		back, err := official.DecodeBatchPayment(data)
		if err != nil || len(back.Items) != len(p.Items) || back.FeeAddress != p.FeeAddress {
			t.Errorf("%s: decoded %+v %v", v.Name, back, err)
		}
		batch, _ := official.Default().Contract(asset.Mainnet, official.BatchPayments)
		if batch.Address != addr(t, v.TX.To) {
			t.Errorf("%s: to %s, want %s", v.Name, v.TX.To, batch.Address)
		}
	}
	if seen < 2 {
		t.Errorf("only %d batches", seen)
	}
}
