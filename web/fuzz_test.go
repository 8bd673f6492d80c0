package web_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"quittance/internal/fault"
	"quittance/web"
)

// FuzzDecode holds the strict decoder to this: no panic, every refusal is an
// Invalid fault with words for the outside, and what it lets through holds no
// character that controls or reorders text.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"text":"a","list":[{"text":"b"}],"opt":"c","n":1}`, `{"text":1}`, `{"text":"a","text":"b"}`, `{"text":"\u0000"}`, `{"text":"\ud800"}`,
		`{"list":[{"text":"\u202e"}]}`, `{"opt":null}`, `null`, `[]`, `{} {}`, "\xff", `{"text":"` + strings.Repeat("x", 300) + `"}`,
		strings.Repeat("[", 300), `{"` + strings.Repeat("ü", 60) + `":1,"list":[1]}`, `{"n":1e999}`, `{"n":0.5}`,
	} {
		f.Add([]byte(seed))
	}
	type item struct {
		Text string `json:"text"`
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var v struct {
			Text string  `json:"text"`
			List []item  `json:"list"`
			Opt  *string `json:"opt"`
			N    *int64  `json:"n"`
		}
		err := web.Decode(body, &v)
		if err != nil {
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Invalid || e.Public == "" || len(e.Public) > 400 || !utf8.ValidString(e.Public) || !utf8.ValidString(e.Field) {
				t.Fatalf("refused with %#v", err)
			}
			return
		}
		texts := []string{v.Text}
		for _, i := range v.List {
			texts = append(texts, i.Text)
		}
		if v.Opt != nil {
			texts = append(texts, *v.Opt)
		}
		for _, text := range texts {
			for _, r := range text {
				if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError {
					t.Fatalf("%q let through", text)
				}
			}
		}
	})
}
