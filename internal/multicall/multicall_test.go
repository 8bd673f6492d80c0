package multicall

import (
	"bytes"
	"encoding/hex"
	"testing"

	"quittance/internal/asset"
)

// The calldata is what the contract's ABI says, by hand.
func TestEncode(t *testing.T) {
	var b Bundle
	first := b.Add(asset.Address{19: 1}, []byte{1, 2, 3, 4})
	second := b.Add(asset.Address{19: 2}, bytes.Repeat([]byte{9}, 33))
	if again := b.Add(asset.Address{19: 1}, []byte{1, 2, 3, 4}); first != 0 || second != 1 || again != 0 {
		t.Errorf("places %d, %d, %d", first, second, again)
	}
	const want = "82ad56cb" +
		"0000000000000000000000000000000000000000000000000000000000000020" +
		"0000000000000000000000000000000000000000000000000000000000000002" +
		"0000000000000000000000000000000000000000000000000000000000000040" +
		"00000000000000000000000000000000000000000000000000000000000000e0" +
		"0000000000000000000000000000000000000000000000000000000000000001" +
		"0000000000000000000000000000000000000000000000000000000000000001" +
		"0000000000000000000000000000000000000000000000000000000000000060" +
		"0000000000000000000000000000000000000000000000000000000000000004" +
		"0102030400000000000000000000000000000000000000000000000000000000" +
		"0000000000000000000000000000000000000000000000000000000000000002" +
		"0000000000000000000000000000000000000000000000000000000000000001" +
		"0000000000000000000000000000000000000000000000000000000000000060" +
		"0000000000000000000000000000000000000000000000000000000000000021" +
		"0909090909090909090909090909090909090909090909090909090909090909" +
		"0900000000000000000000000000000000000000000000000000000000000000"
	if got := hex.EncodeToString(b.Encode()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// encodeAnswers is what the contract returns.
func encodeAnswers(answers []Answer) []byte {
	out := appendNumber(appendNumber(nil, word), len(answers))
	at := len(answers) * word
	for _, a := range answers {
		out = appendNumber(out, at)
		at += 3*word + padded(len(a.Data))
	}
	for _, a := range answers {
		flag := 0
		if a.Success {
			flag = 1
		}
		out = appendNumber(appendNumber(appendNumber(out, flag), 2*word), len(a.Data))
		out = append(append(out, a.Data...), make([]byte, padded(len(a.Data))-len(a.Data))...)
	}
	return out
}

// FuzzDecode: what is decoded is exactly what was there.
func FuzzDecode(f *testing.F) {
	one := bytes.Repeat([]byte{0xff}, word)
	f.Add(encodeAnswers(nil), 0)
	f.Add(encodeAnswers([]Answer{{true, one}}), 1)
	f.Add(encodeAnswers([]Answer{{true, one}, {false, []byte("reverted")}, {true, nil}}), 3)
	f.Add(encodeAnswers([]Answer{{true, one}, {true, one}}), 1)
	f.Add([]byte{}, 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n < 0 || n > 64 {
			return
		}
		answers, err := Decode(data, n)
		if err != nil {
			return
		}
		if len(answers) != n {
			t.Fatalf("%d answers, want %d", len(answers), n)
		}
		if got := encodeAnswers(answers); !bytes.Equal(got, data) {
			t.Fatalf("got  %x\nfrom %x", got, data)
		}
	})
}
