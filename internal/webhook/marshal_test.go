package webhook_test

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/webhook"
)

// testdata/stringify.json was written by V8: want is JSON.stringify(JSON.parse(in)).
func TestMarshalGivesTheImageOfJavaScript(t *testing.T) {
	raw, err := os.ReadFile("testdata/stringify.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct{ In, Want string }
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		got, err := webhook.Marshal(json.RawMessage(c.In))
		if err != nil || string(got) != c.Want {
			t.Errorf("%s\n got %s, %v\nwant %s", c.In, got, err, c.Want)
		}
	}
}

func TestMarshalKeepsStructOrder(t *testing.T) {
	v := struct {
		Event     string  `json:"event"`
		Amount    string  `json:"amount"`
		TxHash    *string `json:"txHash"`
		Reference string  `json:"reference,omitempty"`
		Chain     uint64  `json:"chainId"`
		Again     string  `json:"again"`
	}{Event: "payment.confirmed", Amount: "0.10", Reference: "a<b>&c\u2028d\u2029e\xff", Chain: 137, Again: "\u2028"}
	got, err := webhook.Marshal(v)
	want := `{"event":"payment.confirmed","amount":"0.10","txHash":null,"reference":"a<b>&cde` + "\ufffd" + `","chainId":137,"again":""}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestMarshalRefusesWhatHasNoImage(t *testing.T) {
	for name, v := range map[string]any{
		"index key":                json.RawMessage(`{"b":1,"10":2}`),
		"index key deep":           json.RawMessage(`[{"a":{"0":2}}]`),
		"index key after cleaning": map[string]int{"1\u2028": 1},
		"the same key twice":       json.RawMessage(`{"a":1,"a":2}`),
		"twice after cleaning":     map[string]int{"a": 1, "a\u2029": 2},
		"a fraction":               1.5,
		"a float that is whole":    1e21,
		"an unsafe integer":        uint64(1 << 53),
		"an unsafe negative":       -int64(1 << 53),
		"more than 64 bits":        json.RawMessage(`123456789012345678901234567890`),
		"minus zero":               json.RawMessage(`-0`),
		"an exponent":              json.RawMessage(`1e2`),
		"a channel":                make(chan int),
		"two values":               json.RawMessage(`1 2`),
		"half a value":             json.RawMessage(`{"a":`),
	} {
		if got, err := webhook.Marshal(v); err == nil {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// tree draws values an encoder may say, in the shapes encoding/json reads back.
func tree(depth int) *rapid.Generator[any] {
	leaf := rapid.OneOf(
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.SampledFrom([]string{"<&>'\"", "\u2028", "a\u2029b", "\\u2028", "\x00\x1f\x7f", "é😀", "/"}), func(s string) any { return s }),
		rapid.Map(rapid.Int64Range(-(1<<53-1), 1<<53-1), func(n int64) any { return json.Number(strconv.FormatInt(n, 10)) }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just(any(nil)),
	)
	if depth == 0 {
		return leaf
	}
	key := rapid.StringMatching(`[a-zA-Z_<&"\\][a-zA-Z0-9_<é]{0,8}`)
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(tree(depth-1), 0, 4), func(s []any) any { return s }),
		rapid.Map(rapid.MapOfN(key, tree(depth-1), 0, 4), func(m map[string]any) any { return m }),
	)
}

func TestMarshalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := tree(3).Draw(t, "value")
		body, err := webhook.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		wellFormed(t, body)
		if got := read(t, body); !reflect.DeepEqual(got, withoutSeparators(v)) {
			t.Fatalf("says %#v, want %#v", got, withoutSeparators(v))
		}
	})
}

// failer is what testing.T, testing.F's T and rapid.T have in common.
type failer interface {
	Fatalf(format string, args ...any)
}

func read(t failer, body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

func withoutSeparators(v any) any {
	switch v := v.(type) {
	case string:
		return strings.NewReplacer("\u2028", "", "\u2029", "").Replace(strings.ToValidUTF8(v, "\ufffd"))
	case []any:
		out := []any{}
		for _, x := range v {
			out = append(out, withoutSeparators(x))
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, x := range v {
			out[withoutSeparators(k).(string)] = withoutSeparators(x)
		}
		return out
	}
	return v
}

// wellFormed states the rules of the image on the bytes themselves: no space or
// line break outside of texts, only the escapes that JSON.stringify writes, and
// nothing that a second pass would change.
func wellFormed(t failer, body []byte) {
	if bytes.Contains(body, []byte("\u2028")) || bytes.Contains(body, []byte("\u2029")) {
		t.Fatalf("a separator is left in %q", body)
	}
	inText := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == '"':
			inText = !inText
		case !inText && c <= ' ':
			t.Fatalf("space outside of texts in %q", body)
		case inText && c < ' ':
			t.Fatalf("bare control character in %q", body)
		case c == '\\':
			i++
			if body[i] == 'u' {
				four := string(body[i+1 : i+5])
				if four != strings.ToLower(four) || four >= "0020" || strings.Contains("0008 0009 000a 000c 000d", four) {
					t.Fatalf("escape \\u%s in %q", four, body)
				}
				i += 4
			} else if !strings.ContainsRune(`"\bfnrt`, rune(body[i])) {
				t.Fatalf("escape \\%c in %q", body[i], body)
			}
		}
	}
	again, err := webhook.Marshal(json.RawMessage(body))
	if err != nil || !bytes.Equal(again, body) {
		t.Fatalf("a second pass makes %q of %q, %v", again, body, err)
	}
}

// FuzzMarshal: of any JSON there is a well-formed image that says the same, or an error.
func FuzzMarshal(f *testing.F) {
	for _, s := range []string{`{"a":"<\u2028>","b":[1,"2",null]}`, `{"1":2}`, `"\ud800"`, ` [1 ,2]`, `1e3`, `{"a":{"a":1},"a ":2}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		body, err := webhook.Marshal(json.RawMessage(in))
		if err != nil {
			return
		}
		wellFormed(t, body)
		if got, want := read(t, body), withoutSeparators(read(t, in)); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q became %q", in, body)
		}
	})
}
