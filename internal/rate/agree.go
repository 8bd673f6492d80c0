package rate

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"quittance/internal/asset"
	"quittance/internal/money"
)

// Agreed holds one source's prices against another's. The first one's count, if the
// second's are not further away than Bound, measured by the smaller of the two.
type Agreed struct {
	First, Second Source
	Bound         money.BasisPoints
	// Alone tells that the first one's word is enough while the second has no price.
	// That the two disagree is never let pass.
	Alone bool
}

// Prices implements Source. Both are asked at once.
func (s Agreed) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	var second map[asset.ID]Answer
	var wait sync.WaitGroup
	wait.Go(func() { second = s.Second.Prices(ctx, of) })
	first := s.First.Prices(ctx, of)
	wait.Wait()
	out := map[asset.ID]Answer{}
	for _, id := range of {
		a, b := first[id], second[id]
		switch {
		case a.Err != nil:
		case b.Err != nil && !s.Alone:
			a = b
		case b.Err == nil && apart(a.Price.Value, b.Price.Value, s.Bound):
			a = Answer{Err: &Error{
				Asset: id, Source: a.Price.Source, Why: Disagree,
				Detail: fmt.Sprintf("%s from %s, %s from %s", a.Price, a.Price.Source, b.Price, b.Price.Source),
			}}
		}
		out[id] = a
	}
	return out
}

// Kept asks a source again only after a while, and once for all who ask meanwhile. What
// is kept ages: a price says when its source saw it. That there is no price is kept too,
// for a shorter while.
type Kept struct {
	source Source
	life   time.Duration
	now    func() time.Time
	asking singleflight.Group

	mu   sync.Mutex
	kept map[asset.ID]kept
}

type kept struct {
	answer Answer
	until  time.Time
}

// noPriceLife is how long it is kept that there is no price.
const noPriceLife = 2 * time.Second

// patience is how long a source is waited for: somebody is being served.
const patience = 3 * time.Second

// Keep returns a source that remembers the answers of another one for a while, which
// should be seconds.
func Keep(s Source, life time.Duration, now func() time.Time) *Kept {
	return &Kept{source: s, life: life, now: now, kept: map[asset.ID]kept{}}
}

// Prices implements Source.
func (k *Kept) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	out, missing := k.remembered(of)
	if len(missing) == 0 {
		return out
	}
	// Without the first caller's cancellation, which is not everybody's.
	v, _, _ := k.asking.Do(fmt.Sprint(missing), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		told := k.source.Prices(ctx, missing)
		k.remember(told)
		return told, nil
	})
	told, _ := v.(map[asset.ID]Answer)
	for _, id := range missing {
		a, ok := told[id]
		if !ok {
			a.Err = &Error{Asset: id, Source: "source", Why: Unknown}
		}
		out[id] = a
	}
	return out
}

func (k *Kept) remembered(of []asset.ID) (out map[asset.ID]Answer, missing []asset.ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out = map[asset.ID]Answer{}
	for _, id := range of {
		if x, ok := k.kept[id]; ok && k.now().Before(x.until) {
			out[id] = x.answer
		} else {
			missing = append(missing, id)
		}
	}
	return out, missing
}

func (k *Kept) remember(told map[asset.ID]Answer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, a := range told {
		life := k.life
		if a.Err != nil {
			life = min(life, noPriceLife)
		}
		k.kept[id] = kept{a, k.now().Add(life)}
	}
}
