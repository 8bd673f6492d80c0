package secpaid

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quittance/internal/fault"
	"quittance/internal/payment"
)

// everybody is known by a token of the own name.
func everybody(token string) (payment.MerchantID, bool, error) {
	return payment.MerchantID(strings.ToUpper(token)), true, nil
}

func TestSplitForms(t *testing.T) {
	multipartType, parts := multi(t, "amount", "100", "recipients[0][token]", "a", "recipients[0][share]", "10", "recipients[1][token]", "b", "recipients[1][share]", "33.33")
	for name, c := range map[string][2]string{
		"JSON":           {jsonType, `{"amount":100,"recipients":[{"token":"a","share":10},{"token":"b","share":33.33}]}`},
		"JSON in a text": {jsonType, `{"amount":100,"recipients":"[{\"token\":\"a\",\"share\":10},{\"token\":\"b\",\"share\":33.33}]","split_type":"normal"}`},
		"texts":          {jsonType, `{"amount":100,"recipients":[{"token":"a","share":"10","more":1},{"share":"33.33","token":"b"}]}`},
		"PHP's form":     {formType, "amount=100&recipients%5B0%5D%5Btoken%5D=a&recipients%5B0%5D%5Bshare%5D=10&recipients%5B1%5D%5Btoken%5D=b&recipients%5B1%5D%5Bshare%5D=33.33"},
		"a form's JSON":  {formType, `amount=100&recipients=[{"token":"a","share":10},{"token":"b","share":33.33}]`},
		"multipart":      {multipartType, parts},
	} {
		in, err := parseInput(c[0], []byte(c[1]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		o, err := parseSplitOrder(in, shop, safe)
		if err != nil || o.Transfer || o.Split.Type != splitNormal || !slices.Equal(o.Split.Recipients, []recipient{{"a", "10", 1000}, {"b", "33.33", 3333}}) {
			t.Errorf("%s: %+v, %v", name, o.Split, err)
			continue
		}
		if text, err := o.Split.listed(); err != nil || text != `[{"token":"a","share":10},{"token":"b","share":33.33}]` {
			t.Errorf("%s: %s, %v", name, text, err)
		}
	}
}

func TestSplitRefused(t *testing.T) {
	for body, want := range map[string]string{
		`"recipients":null`: "Please enter recipients", `"recipients":[]`: "Please enter recipients", `"recipients":""`: "Please enter recipients", `"x":1`: "Please enter recipients",
		`"recipients":7`: "Invalid recipients", `"recipients":"x"`: "Invalid recipients", `"recipients":{}`: "Invalid recipients", `"recipients":[1]`: "Invalid recipients",
		`"recipients":[{"share":1}]`: "Invalid recipient token at index 0", `"recipients":[{"token":"","share":1}]`: "Invalid recipient token at index 0", `"recipients":[null]`: "Invalid recipient token at index 0",
		`"recipients":[{"token":"a","share":1},{"token":[],"share":1}]`: "Invalid recipient token at index 1", `"recipients":[{"token":"a","share":1},{"token":"a","share":2}]`: "Invalid recipient token at index 1",
		`"recipients":[{"token":"a"}]`: "Invalid share at index 0", `"recipients":[{"token":"a","share":0}]`: "Invalid share at index 0", `"recipients":[{"token":"a","share":-1}]`: "Invalid share at index 0",
		`"recipients":[{"token":"a","share":1.001}]`: "Invalid share at index 0", `"recipients":[{"token":"a","share":true}]`: "Invalid share at index 0", `"recipients":[{"token":"a","share":1e99}]`: "Invalid share at index 0",
		`"recipients":[{"token":"a","share":1}],"split_type":"weights"`: "Invalid split_type", `"recipients":[` + strings.Repeat(`{"token":"a","share":1},`, maxRecipients) + `{"token":"b","share":1}]`: "A link can have at most 50 recipients",
	} {
		in, err := parseInput(jsonType, []byte(`{"amount":10,`+body+`}`))
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if _, err := parseSplitOrder(in, shop, safe); !fault.Is(err, fault.Invalid) || fault.From(err).Public != want {
			t.Errorf("%.80s: %v, want %s", body, err, want)
		}
	}
}

func shared(how string, cents int64, shares ...int64) ([]share, error) {
	s := split{Type: how}
	for i, n := range shares {
		s.Recipients = append(s.Recipients, recipient{Token: string(rune('a' + i)), hundredths: n})
	}
	return s.divide(cents, "OWNER", everybody)
}

func TestDivide(t *testing.T) {
	for name, c := range map[string]struct {
		how    string
		cents  int64
		shares []int64
		want   []share
	}{
		"a tenth":               {splitNormal, 10000, []int64{1000}, []share{{"A", 1000}, {"OWNER", 9000}}},
		"rounded down":          {splitNormal, 1000, []int64{3333, 3333}, []share{{"A", 333}, {"B", 333}, {"OWNER", 334}}},
		"all of it":             {splitNormal, 1000, []int64{5000, 5000}, []share{{"A", 500}, {"B", 500}}},
		"all but for rounding":  {splitNormal, 101, []int64{5000, 5000}, []share{{"A", 50}, {"B", 50}, {"OWNER", 1}}},
		"in euros":              {splitAbsolute, 1000, []int64{600, 250}, []share{{"A", 600}, {"B", 250}, {"OWNER", 150}}},
		"all of it, in euros":   {splitAbsolute, 1000, []int64{600, 400}, []share{{"A", 600}, {"B", 400}}},
		"a cent of the largest": {splitNormal, maxCents, []int64{1}, []share{{"A", 10_000}, {"OWNER", maxCents - 10_000}}},
	} {
		if got, err := shared(c.how, c.cents, c.shares...); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		how    string
		cents  int64
		shares []int64
		want   string
	}{
		"more than all":           {splitNormal, 1000, []int64{6000, 4001}, "Sum of shares should not be more than 100"},
		"more than all by itself": {splitNormal, 1000, []int64{10001}, "Sum of shares should not be more than 100"},
		"more than the amount":    {splitAbsolute, 1000, []int64{600, 401}, "Sum of shares should not be more than amount"},
		"less than a cent":        {splitNormal, 100, []int64{5000, 99}, "Share at index 1 is less than 0.01"},
	} {
		if got, err := shared(c.how, c.cents, c.shares...); !fault.Is(err, fault.Invalid) || fault.From(err).Public != c.want || got != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	two := split{Type: splitNormal, Recipients: []recipient{{Token: "a", hundredths: 1000}, {Token: "b", hundredths: 1000}}}
	broken := errors.New("the database is gone")
	for name, c := range map[string]struct {
		find func(string) (payment.MerchantID, bool, error)
		want string
	}{
		"nobody":          {func(token string) (payment.MerchantID, bool, error) { return "A", token == "a", nil }, "Invalid recipient token at index 1"},
		"the owner":       {func(string) (payment.MerchantID, bool, error) { return "OWNER", true, nil }, "Invalid recipient token at index 0"},
		"one of two keys": {func(string) (payment.MerchantID, bool, error) { return "A", true, nil }, "Invalid recipient token at index 1"},
	} {
		if _, err := two.divide(1000, "OWNER", c.find); fault.From(err).Public != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := two.divide(1000, "OWNER", func(string) (payment.MerchantID, bool, error) { return "", false, broken }); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// Shares are never negative, never nothing, and add up to the amount.
func TestDivideAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cents := rapid.Int64Range(1, maxCents).Draw(t, "cents")
		shares := rapid.SliceOfN(rapid.Int64Range(1, 100_00), 1, 20).Draw(t, "shares")
		got, err := shared(rapid.SampledFrom([]string{splitNormal, splitAbsolute}).Draw(t, "how"), cents, shares...)
		if err != nil {
			return
		}
		sum := int64(0)
		for _, s := range got {
			if s.Cents < 1 {
				t.Fatalf("%+v", got)
			}
			sum += s.Cents
		}
		if sum != cents || len(got) < len(shares) {
			t.Fatalf("%d cents become %+v", cents, got)
		}
	})
}
