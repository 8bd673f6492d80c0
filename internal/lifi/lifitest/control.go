package lifitest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"quittance/internal/asset"
	"quittance/internal/lifi"
	"quittance/internal/money"
)

// wireBehaviour is Behaviour as a browser's test sends it: durations are Go's
// ("1.5s"), shares basis points.
type wireBehaviour struct {
	Delay    string `json:"delay,omitzero"`
	Bridge   string `json:"bridge,omitzero"`
	Cost     uint16 `json:"cost,omitzero"`
	Aims     uint16 `json:"aims,omitzero"`
	NoFeeLeg bool   `json:"noFeeLeg,omitzero"`
	Age      string `json:"age,omitzero"`
	NoQuote  bool   `json:"noQuote,omitzero"`
	Lie      string `json:"lie,omitzero"`
	Fail     struct {
		Status int       `json:"status,omitzero"`
		Code   lifi.Code `json:"code,omitzero"`
		Times  int       `json:"times,omitzero"`
	} `json:"fail,omitzero"`
	Limit struct {
		Requests int    `json:"requests,omitzero"`
		Window   string `json:"window,omitzero"`
	} `json:"limit,omitzero"`
	Diamond      string `json:"diamond,omitzero"`
	Permit2Proxy string `json:"permit2Proxy,omitzero"`
}

func (w wireBehaviour) parse() (Behaviour, error) {
	b := Behaviour{
		Bridge: w.Bridge, Cost: money.BasisPoints(w.Cost), Aims: money.BasisPoints(w.Aims), NoFeeLeg: w.NoFeeLeg, NoQuote: w.NoQuote, Lie: w.Lie,
		Fail: Failure{Status: w.Fail.Status, Code: w.Fail.Code, Times: w.Fail.Times}, Limit: Limit{Requests: w.Limit.Requests},
	}
	var errs [5]error
	b.Delay, errs[0] = duration(w.Delay)
	b.Age, errs[1] = duration(w.Age)
	b.Limit.Window, errs[2] = duration(w.Limit.Window)
	b.Diamond, errs[3] = address(w.Diamond)
	b.Permit2Proxy, errs[4] = address(w.Permit2Proxy)
	if w.Lie != "" && !slices.ContainsFunc(Lies(), func(l Lie) bool { return l.Name == w.Lie }) {
		return b, fmt.Errorf("no lie is called %q", w.Lie)
	}
	if w.Cost > maxCost || w.Aims > maxCost {
		return b, fmt.Errorf("more than %d basis points", maxCost)
	}
	if f := b.Fail.Status; f != 0 && (f < 300 || f > 599) {
		return b, fmt.Errorf("status %d is no failure", f)
	}
	return b, errors.Join(errs[:]...)
}

func duration(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = fmt.Errorf("duration %s is negative", text)
	}
	return d, err
}

func address(text string) (asset.Address, error) {
	if text == "" {
		return asset.Address{}, nil
	}
	return asset.ParseAddress(text)
}

// Control tells the router over HTTP how to behave: PUT takes a behaviour as
// JSON, {} for a good one, and GET lists the lies with their traits and the
// checks that refuse them. It has no authentication: serve it only where
// whoever reaches it may play.
func (r *Router) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		lies := []object{}
		for _, l := range Lies() {
			lies = append(lies, object{"name": l.Name, "about": l.About, "refusedBy": l.Refuses})
		}
		w.Header().Set("Content-Type", "application/json")
		answer(w, object{"lies": lies})
	})
	mux.HandleFunc("PUT /", func(w http.ResponseWriter, req *http.Request) {
		var body wireBehaviour
		err := json.UnmarshalRead(http.MaxBytesReader(w, req.Body, 64<<10), &body, json.RejectUnknownMembers(true))
		var b Behaviour
		if err == nil {
			b, err = body.parse()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Behave(b)
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
