package rate

import (
	"context"
	"slices"
	"sync"

	"quittance/internal/asset"
)

// Several asks different sources for different assets, all at once. An asset of no part
// has no price; of several, the first part's counts.
type Several []Part

// Part is a source and what it is asked for.
type Part struct {
	Source Source
	Of     []asset.ID
}

// Prices implements Source.
func (s Several) Prices(ctx context.Context, of []asset.ID) map[asset.ID]Answer {
	told := make([]map[asset.ID]Answer, len(s))
	var wait sync.WaitGroup
	left := slices.Clone(of)
	for i, p := range s {
		var mine []asset.ID
		left = slices.DeleteFunc(left, func(id asset.ID) bool {
			its := slices.Contains(p.Of, id)
			if its {
				mine = append(mine, id)
			}
			return its
		})
		if len(mine) > 0 {
			wait.Go(func() { told[i] = p.Source.Prices(ctx, mine) })
		}
	}
	wait.Wait()
	out := failed(left, "source", Unknown, nil)
	for _, some := range told {
		for id, a := range some {
			out[id] = a
		}
	}
	return out
}
